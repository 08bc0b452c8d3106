"""Files and tables cross processes by reopening."""

from __future__ import annotations

import copy
import multiprocessing
import pickle

import mlaas
import numpy as np
import pytest
import tables


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("pickle") / "kinds.root")
    return path, tables.write_kinds(path)


def total(table):
    return len(table), float(table.arrays(["int64"])["int64"].sum())


def test_files(kinds):
    file = mlaas.open(kinds[0], memory="50 MB", threads=1)
    twin = pickle.loads(pickle.dumps(file))
    assert twin.tables == file.tables and twin is not file
    assert twin.info["memory"]["ceiling"] == 50_000_000 and twin.info["memory"]["threads"] == 1


def test_views(kinds):
    view = mlaas.open(kinds[0])["dir/kinds"].select(["pt", "int64"], 100, 200)
    for twin in (pickle.loads(pickle.dumps(view)), copy.deepcopy(view), copy.copy(view)):
        assert twin.columns == view.columns and twin.path == view.path
        np.testing.assert_array_equal(twin.arrays()["int64"], kinds[1]["int64"][100:200])


def test_a_table_of_a_closed_file(kinds):
    file = mlaas.open(kinds[0])
    table = file["dir/kinds"]
    file.close()
    assert total(pickle.loads(pickle.dumps(table))) == total(table)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes(kinds, method):
    table = mlaas.open(kinds[0], threads=2)["dir/kinds"]
    expected = total(table)
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(total, [table, table]) == [expected, expected]


def test_a_file_that_is_gone_fails_when_loaded(kinds, tmp_path):
    path = tmp_path / "gone.root"
    path.write_bytes(open(kinds[0], "rb").read())
    text = pickle.dumps(mlaas.open(path)["dir/kinds"])
    path.unlink()
    with pytest.raises(mlaas.NotFoundError):
        pickle.loads(text)
