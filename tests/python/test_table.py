"""Table: columns, views, arrays; values against what was written and against uproot."""

from __future__ import annotations

import awkward as ak
import mlaas
import numpy as np
import pytest
import tables
import uproot


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("table") / "kinds.root")
    return path, tables.write_kinds(path)


@pytest.fixture
def table(kinds):
    return mlaas.open(kinds[0])["dir/kinds"]


def test_what_it_is(table):
    assert (table.path, table.title, table.num_entries, len(table)) == ("dir/kinds;1", "all kinds", 1000, 1000)
    assert set(tables.NUMBERS) | {"fixed", "pt", "id", "npt", "nid"} == set(table.columns)
    assert table.unsupported == {}
    assert table.clusters == sorted(set(table.clusters)) and table.clusters[0] == 0
    info = table.column_info("pt")
    assert info["counter"] == "npt" and info["unsupported"] is None and info["num_baskets"] == 4
    assert 0 < info["stored_bytes"] and table.column_info("fixed")["raw_bytes"] >= 1000 * 3 * 4


@pytest.mark.parametrize("name", tables.NUMBERS)
def test_numbers_as_written(table, kinds, name):
    got = table.arrays([name])[name]
    assert got.dtype == kinds[1][name].dtype and got.flags.writeable
    np.testing.assert_array_equal(got, kinds[1][name])


def test_fixed_arrays_have_one_more_dimension(table, kinds):
    np.testing.assert_array_equal(table.arrays(["fixed"])["fixed"], kinds[1]["fixed"])


def test_jagged_is_offsets_and_values(table, kinds):
    pt = table.arrays(["pt"])["pt"]
    assert isinstance(pt, mlaas.Jagged) and pt.offsets.dtype == np.int64 and pt.values.dtype == np.float32
    assert pt.offsets[0] == 0 and len(pt.offsets) == 1001
    np.testing.assert_array_equal(pt.counts, ak.num(kinds[1]["pt"]))
    np.testing.assert_array_equal(pt.values, ak.flatten(kinds[1]["pt"]))
    np.testing.assert_array_equal(pt.row(17), kinds[1]["pt"][17])


def test_awkward_and_pandas_agree_with_numpy(table, kinds):
    whole = table.arrays(library="ak")
    assert set(whole.fields) == set(table.columns)
    for name, values in kinds[1].items():
        assert tables.same(whole[name], values), name
    frame = table.arrays(["int32", "pt", "fixed"], library="pd")
    assert list(frame.columns) == ["int32", "pt", "fixed"] and len(frame) == 1000
    np.testing.assert_array_equal(frame["int32"], kinds[1]["int32"])
    np.testing.assert_array_equal(frame["pt"][3], kinds[1]["pt"][3])
    np.testing.assert_array_equal(frame["fixed"][3], kinds[1]["fixed"][3])


@pytest.mark.parametrize("start, stop", [(0, 0), (0, 1), (249, 251), (250, 750), (999, 1000), (0, 1000), (1000, 1000)])
def test_ranges(table, kinds, start, stop):
    got = table.arrays(["int64", "pt", "fixed"], start, stop)
    np.testing.assert_array_equal(got["int64"], kinds[1]["int64"][start:stop])
    np.testing.assert_array_equal(got["fixed"], kinds[1]["fixed"][start:stop])
    assert len(got["pt"].offsets) == stop - start + 1
    np.testing.assert_array_equal(got["pt"].values, ak.flatten(kinds[1]["pt"][start:stop]))


def test_views_of_views_count_from_their_start(table, kinds):
    view = table.select(["int64", "pt"], 100, 900).select(None, 50, 60)
    assert view.columns == ["int64", "pt"] and len(view) == 10
    np.testing.assert_array_equal(view.arrays()["int64"], kinds[1]["int64"][150:160])
    assert len(table.select(None, 990, 5000)) == 10 and len(table.select(None, 5000, 6000)) == 0
    assert table.columns != view.columns and len(table) == 1000
    assert "[150:160] of 1000" in repr(view)


def test_a_range_of_nonsense(table):
    for start, stop in ((-1, 5), (0, -1)):
        with pytest.raises(mlaas.ArgumentError):
            table.select(None, start, stop)
    with pytest.raises(mlaas.ArgumentError, match="list of column names"):
        table.select("int64")
    with pytest.raises(mlaas.ArgumentError, match="np"):
        table.arrays(library="numpy")
    with pytest.raises(mlaas.ArgumentError, match="positive"):
        table.batches(0)


def test_batches(table):
    pa = pytest.importorskip("pyarrow")
    sizes = [batch.num_rows for batch in table.select(["int64", "pt"], 0, 950).batches(300)]
    assert sizes == [300, 300, 300, 50]
    assert isinstance(next(iter(table.batches())), pa.RecordBatch)
    assert sum(batch.num_rows for batch in table.batches()) == 1000


def test_an_unknown_column_names_the_nearest(table):
    with pytest.raises(mlaas.NotFoundError, match="did you mean fixed") as caught:
        table.select(["fixd"])
    assert isinstance(caught.value, KeyError)


def test_what_cannot_be_read_is_listed_and_refused():
    table = mlaas.open(tables.LEAF_LISTS)["t"]
    assert "plain" in table.columns
    for name, reason in table.unsupported.items():
        assert name not in table.columns and reason
        with pytest.raises(mlaas.UnsupportedError) as caught:
            table.select([name])
        assert reason in str(caught.value) and isinstance(caught.value, NotImplementedError)
    expected = uproot.open(tables.LEAF_LISTS)["t"]["plain"].array(library="np")
    np.testing.assert_array_equal(table.arrays(["plain"])["plain"], expected)


def test_leaf_lists_are_dicts():
    got = mlaas.open(tables.LEAF_LISTS)["t"].arrays(["falling"])["falling"]
    expected = uproot.open(tables.LEAF_LISTS)["t"]["falling"].array(library="np")
    assert set(got) == set(expected.dtype.names)
    for member, values in got.items():
        np.testing.assert_array_equal(values, expected[member])


def test_lists_of_lists():
    table, tree = mlaas.open(tables.NESTED)["t"], uproot.open(tables.NESTED)["t"]
    for name in ("vv_bool", "vv_int8", "vv_int64", "vv_float32", "vvv_int32"):
        expected = tree[name].array()
        assert tables.same(table.arrays([name], library="ak")[name], expected), name
        jagged = table.arrays([name])[name]
        assert isinstance(jagged.values, mlaas.Jagged)
        np.testing.assert_array_equal(jagged.counts, ak.num(expected))
        inner = jagged.row(2)
        np.testing.assert_array_equal(inner.counts, ak.num(expected[2]))
        part = table.arrays([name], 3, 6, library="ak")[name]
        assert tables.same(part, expected[3:6]), name


def test_strings():
    table, tree = mlaas.open(tables.STRINGS)["t"], uproot.open(tables.STRINGS)["t"]
    for name in ("std", "ts"):
        expected = [str(text) for text in tree[name].array(library="np")]
        assert list(table.arrays([name])[name]) == expected
        assert table.arrays([name], library="ak")[name].tolist() == expected
    lists = table.arrays(["vs"])["vs"]
    assert [list(lists.row(i)) for i in range(len(table))] == tree["vs"].array().tolist()
    for text in table.arrays(["nul"])["nul"]:  # bytes that are not UTF-8 come through
        assert text.encode("utf-8", "surrogateescape") is not None
    assert len(table.arrays(["nul"], library="pd")) == len(table)


def test_no_entries():
    file = mlaas.open(tables.EMPTY)
    table = file["t"]
    got = table.arrays(["i", "a", "x"])
    assert got["i"].shape == (0,) and got["i"].dtype == np.int32
    assert got["a"].shape == (0, 3) and got["x"].offsets.tolist() == [0]
    assert list(table.batches()) == [] and len(table.arrays(library="ak")) == 0
    assert file["nothing"].columns == []


def test_clusters_of_a_merged_file():
    table = mlaas.open(tables.CLUSTERS)["t"]
    sizes = [batch.num_rows for batch in table.batches()]
    assert sizes == np.diff([*table.clusters, len(table)]).tolist()
    expected = uproot.open(tables.CLUSTERS)["t"]
    assert tables.same(table.arrays(library="ak")["v"], expected["v"].array())


def test_threads_do_not_change_values(kinds):
    one, two = (mlaas.open(kinds[0], threads=threads)["dir/kinds"].arrays() for threads in (1, 2))
    for name, values in one.items():
        np.testing.assert_array_equal(
            values.values if isinstance(values, mlaas.Jagged) else values,
            two[name].values if isinstance(values, mlaas.Jagged) else two[name],
        )


def test_a_table_larger_than_the_ceiling_is_read_in_pieces(tmp_path):
    path, rows = str(tmp_path / "big.root"), 400_000
    values = np.random.default_rng(1).normal(size=rows)
    with uproot.recreate(path) as file:
        file.mktree("t", {"x": "f8"}).extend({"x": values})
    opened = mlaas.open(path, memory="8 MB", threads=1)
    np.testing.assert_array_equal(opened["t"].arrays()["x"], values)
    assert opened.info["memory"]["peak"] <= 8_000_000
    with pytest.raises(mlaas.LimitError):
        held = list(opened["t"].batches(100_000))
        held += list(opened["t"].batches(100_000))


def test_repr_html(table):
    assert "float32" in table._repr_html_() and "1000 entries" in repr(table)
