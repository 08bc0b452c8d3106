"""RNTuples that other readers misread: envelopes in several records, wrong merges, changing representations."""

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


def test_each_cluster_in_its_own_representation():
    """Split, plain and half-precision clusters of one field: uproot 5.7 decodes all of them like the first."""
    table = mlaas.open(os.path.join(DATA, "ntuple-representations.root"))["nt"]
    assert values(table, "px") == [i * 0.5 for i in range(31)]
    assert values(table, "s") == [str(i) for i in range(31)]
    assert values(table, "v") == [[i] * (i % 4) for i in range(31)]
    assert values(table, "sz") == [i % 4 for i in range(31)]
    alternatives = [list(row.values()) for row in values(table, "va")]
    assert alternatives == [[i, None] if i % 2 else [None, i * 1.5] for i in range(31)]


def test_a_late_field_in_two_representations():
    """From entry 8 on as Real32, from 12 on as Real16; strings in an array, late as well."""
    table = mlaas.open(os.path.join(DATA, "ntuple-representations-late.root"))["nt"]
    assert values(table, "x") == list(range(17))
    assert values(table, "px") == [0.0] * 8 + [float(i) for i in range(8, 17)]
    assert values(table, "av") == [["", ""]] * 8 + [["", "z"]] * 9
