"""Kinds of branches that few files have: tests/data/branches.root, made by make_branches.py there."""

from __future__ import annotations

import os
import shutil

import awkward as ak
import mlaas
import numpy as np
import pytest

DATA = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data")


@pytest.fixture(scope="module")
def file():
    return mlaas.open(os.path.join(DATA, "branches.root"))


def rows(table, name):
    return table.arrays([name], library="ak")[name].tolist()


def test_branches_that_were_switched_off_are_missing(file):
    table = file["absent"]
    assert table.columns == ["i", "f", "text", "s", "v", "there"] and not table.unsupported
    for name in table.columns[:-1]:
        assert rows(table, name) == [None] * 20
    arrays = table.arrays()
    assert arrays["i"].mask.all() and arrays["i"].dtype == np.int32
    assert arrays["f"].shape == (20, 3) and arrays["f"].mask.all()
    assert arrays["v"].dtype == object and arrays["v"].mask.all()
    assert arrays["there"].tolist() == list(range(20))
    frame = table.arrays(library="pd")
    assert frame["text"].isna().all() and frame["there"].sum() == 190
    assert rows(table.select(["v", "there"], 3, 7), "there") == [3, 4, 5, 6]


def test_branches_with_some_entries_are_refused_with_the_numbers(file):
    assert file["part"].unsupported == {"late": "it has entries 0 to 3 of the tree's 8"}
    assert rows(file["part"], "i") == list(range(8))


def test_entries_that_a_circular_tree_moved(file):
    table = file["circular"]
    assert rows(table, "i") == list(range(28, 43))
    assert rows(table, "s") == [chr(ord("a") + i % 26) * (i % 7) for i in range(28, 43)]
    assert rows(table, "v") == [[i] * (i % 4) for i in range(28, 43)]


def test_baskets_in_a_file_beside_it(file, tmp_path):
    table = file["elsewhere"]
    counts = [i % 4 for i in range(300)]
    assert rows(table, "n") == counts
    assert rows(table, "x") == [[i + k / 4 for k in range(n)] for i, n in enumerate(counts)]
    assert rows(table.select(["i", "x", "n"], 100, 120), "x") == rows(table, "x")[100:120]
    assert list(table.unsupported) == ["v"] and "branches-gone.root" in table.unsupported["v"]
    alone = shutil.copy(file.path, tmp_path)
    assert set(mlaas.open(alone)["elsewhere"].unsupported) == {"n", "x", "v"}
    (tmp_path / "branches-side.root").write_bytes(b"something else")
    assert "not a ROOT file" in mlaas.open(alone)["elsewhere"].unsupported["x"]
    shutil.copy(file.path, tmp_path / "branches-side.root")  # a ROOT file, but not that one
    with pytest.raises(mlaas.Error, match="branches-side"):
        mlaas.open(alone)["elsewhere"].arrays(["x"])


def test_files_are_only_looked_for_below_the_folder(tmp_path):
    with open(os.path.join(DATA, "branches.root"), "rb") as source:
        original = source.read()
    name = b"branches-side.root"
    assert name in original
    for other in (b"../anches-side.root", b"/ranches-side.root", b"http://es-side.root"):
        other = other[: len(name)]
        path = tmp_path / "moved.root"
        path.write_bytes(original.replace(name, other))
        assert "not below the folder" in mlaas.open(path)["elsewhere"].unsupported["x"]


def test_arrays_of_a_collections_members(file):
    table = file["clones"]
    counts = [i % 5 for i in range(15)]
    assert rows(table, "hits") == counts
    assert rows(table, "hits/hits.n") == [[(i + k) % 4 for k in range(n)] for i, n in enumerate(counts)]
    assert ak.flatten(table.arrays(["hits/hits.m[2][3]"], library="ak")["hits/hits.m[2][3]"]).tolist() == [
        [10 * i + q for q in range(6)] for i, n in enumerate(counts) for _ in range(n)
    ]


def test_arrays_in_the_objects_of_a_collection(file):
    table = file["clones"]

    def expected(value):
        return [[[value(i, k, q) for q in range((i + k) % 4)] for k in range(i % 5)] for i in range(15)]

    assert rows(table, "hits/hits.x") == expected(lambda i, k, q: 100 * i + 10 * k + q)
    assert rows(table, "hits/hits.y") == expected(lambda i, k, q: -(100 * i + 10 * k + q))
    assert rows(table.select(["hits/hits.x"], 4, 9), "hits/hits.x") == rows(table, "hits/hits.x")[4:9]
    lengths = rows(table, "hits/hits.bits.fNbytes")  # the counter of this one has another front in its name
    assert [[len(bits) for bits in row] for row in rows(table, "hits/hits.bits.fAllBits")] == lengths
    assert [bits[0][0] for bits in rows(table, "hits/hits.bits.fAllBits") if bits] == [2] * 12


def test_leaf_lists_with_counters(file):
    table = file["lists"]
    far = rows(table, "far")
    for i, row in enumerate(far):
        n = i % 4
        assert row["x"] == [100 * i + k for k in range(n)]
        assert row["y"] == [[100 * i + 2 * k, 100 * i + 2 * k + 1] for k in range(n)]
        assert row["z"] == 100 * i
    assert rows(table.select(["far"], 7, 11), "far") == far[7:11]
    for i, row in enumerate(rows(table, "inner")):
        assert row["m"] == (i + 2) % 5
        assert row["a"] == row["c"] == [i + k / 8 for k in range(row["m"])]


def test_leaf_lists_with_text(file):
    table = file["lists"]
    assert rows(table, "last") == [{"k": i, "s": "wxyz"[: i % 5]} for i in range(30)]
    for i, row in enumerate(rows(table, "first")):
        memory = bytearray([ord("A") + i] * 8)
        memory[i % 3] = 0
        assert row == {"s": chr(ord("A") + i) * (i % 3), "k": int.from_bytes(memory[1:5], "little")}


def test_whole_objects_with_the_name_of_their_class(file):
    table = file["objects"]
    assert rows(table, "named") == [{"fName": f"name {i}", "fTitle": "t" * i} for i in range(12)]


def test_names_that_are_not_utf8(tmp_path):
    with open(os.path.join(DATA, "branches.root"), "rb") as source:
        original = source.read()
    assert original.count(b"\x01x\x06x[n]/F") == 1
    path = tmp_path / "named.root"
    path.write_bytes(original.replace(b"\x01x\x06x[n]/F", b"\x01\xff\x06x[n]/F"))
    shutil.copy(os.path.join(DATA, "branches-side.root"), tmp_path)
    assert mlaas.open(path)["elsewhere"].arrays(["\udcff"])["\udcff"].counts.tolist() == [i % 4 for i in range(300)]
