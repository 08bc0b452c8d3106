"""RNTuples that other readers do not read: envelopes in several records, and files that ROOT merged wrongly."""

from __future__ import annotations

import os

import mlaas
import pyarrow as pa
import pytest

DATA = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data")


def values(table, name):
    return pa.table(table.select([name])).column(0).to_pylist()


def test_envelopes_in_several_records():
    """ROOT 6.40 with records of at most 200 bytes; uproot 5.7 takes the pieces for one."""
    table = mlaas.open(os.path.join(DATA, "ntuple-keys.root"))["nt"]
    assert table.num_entries == 40
    assert values(table, "x") == [i * 0.5 for i in range(40)]
    assert values(table, "v") == [[i] * (i % 4) for i in range(40)]
    assert values(table, "s") == [str(i) for i in range(40)]


def test_a_wrong_merge_spoils_the_late_fields_only():
    """Two files of 25 entries, late fields from entry 10 on, merged by ROOT 6.40, which cannot open the result."""
    table = mlaas.open(os.path.join(DATA, "ntuple-merged-late.root"))["nt"]
    late = [i % 25 if i % 25 >= 10 else None for i in range(50)]
    assert values(table, "x") == [i % 25 for i in range(50)]
    assert values(table, "op") == late
    assert [list(row.values()) for row in values(table, "pa")] == [[0, [] if i is None else [i, i]] for i in late]
    assert sorted(table.unsupported) == ["arr2", "arrv", "bs", "st", "var"]
    for name, reason in table.unsupported.items():
        assert "elements" in reason
        with pytest.raises(mlaas.UnsupportedError, match=name):
            values(table, name)
