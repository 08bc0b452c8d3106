"""mlaas.open and File."""

from __future__ import annotations

import os
import pickle
import threading

import mlaas
import pytest
import tables


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("file") / "kinds.root")
    tables.write_kinds(path)
    return path


def test_tables_have_directory_and_cycle(kinds):
    with mlaas.open(kinds) as file:
        assert file.tables == ["dir/kinds;1"] == file.keys() == list(file)
        assert len(file) == 1
        assert "dir/kinds" in file and "dir/kinds;1" in file and "kinds" not in file


def test_the_highest_cycle_is_taken_unless_one_is_named():
    file = mlaas.open(tables.CYCLES)
    assert sorted(file.tables) == ["t;1", "t;2", "t;3"]
    assert file["t"].path == "t;3"
    assert [file[f"t;{cycle}"].num_entries for cycle in (1, 2, 3)] == [5, 12, 20]


def test_none_takes_the_only_table(kinds):
    assert mlaas.open(kinds)[None].path == "dir/kinds;1"
    with pytest.raises(mlaas.ArgumentError):
        mlaas.open(tables.EMPTY)[None]


def test_info_tells_what_was_read(kinds):
    file = mlaas.open(kinds, memory="100 MB", threads=1)
    info = file.info
    assert info["size"] == os.path.getsize(kinds)
    assert info["id"].endswith(f":{info['size']}")
    assert info["memory"]["ceiling"] == 100_000_000 and info["memory"]["threads"] == 1
    before = info["bytes_read"]
    file["dir/kinds"].arrays()
    assert file.info["bytes_read"] > before
    assert 0 < file.info["memory"]["peak"] <= 100_000_000


def test_the_id_of_a_copy_is_the_same(kinds, tmp_path):
    copy = tmp_path / "copy.root"
    copy.write_bytes(open(kinds, "rb").read())
    assert mlaas.open(copy).info["id"] == mlaas.open(kinds).info["id"]


def test_paths_and_urls(kinds):
    assert mlaas.open("file://" + kinds).tables == mlaas.open(os.fsencode(kinds)).tables == ["dir/kinds;1"]


def test_tables_outlive_the_file(kinds):
    file = mlaas.open(kinds)
    table = file["dir/kinds"]
    file.close()
    file.close()
    assert len(table.arrays(["int32"])["int32"]) == 1000
    with pytest.raises(mlaas.StateError, match="closed"):
        file.keys()
    assert "closed" in repr(file)


@pytest.mark.parametrize("memory", ["lots", "-5 MB", 0, -1, "5 XB", True, [1]])
def test_a_size_that_is_none(kinds, memory):
    with pytest.raises(mlaas.ArgumentError):
        mlaas.open(kinds, memory=memory)


@pytest.mark.parametrize(
    "memory, held", [("1 GiB", 2**30), ("0.5 GB", 500_000_000), ("64MiB", 64 << 20), (12345678, 12345678)]
)
def test_sizes_in_words(kinds, memory, held):
    assert mlaas.open(kinds, memory=memory).info["memory"]["ceiling"] == held


def test_threads_share_a_file(kinds):
    file, seen = mlaas.open(kinds), []

    def read():
        table = file["dir/kinds"]
        seen.append([float(table.arrays([name])[name].sum()) for name in ("float32", "int64")])

    workers = [threading.Thread(target=read) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(seen) == 4 and all(sums == seen[0] for sums in seen)


def test_a_forked_child_opens_it_again(kinds):
    file = mlaas.open(kinds, threads=2)
    table = file["dir/kinds"]
    expected = float(table.arrays(["float32"])["float32"].sum())
    stream = table.batches(100)
    next(stream)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            result = f"{float(table.arrays(['float32'])['float32'].sum())} {len(file.tables)}"
            try:
                next(stream)
                result += " read on"
            except mlaas.StateError:
                result += " refused"
        except BaseException as error:  # the parent shall see it
            result = repr(error)
        os.write(write, result.encode())
        os._exit(0)
    os.close(write)
    assert os.read(read, 1000).decode() == f"{expected} 1 refused"
    os.close(read)
    os.waitpid(child, 0)
    assert next(stream).num_rows == 100


def test_repr_helps(kinds):
    file = mlaas.open(kinds)
    assert "dir/kinds;1" in repr(file) and "kB" in repr(file)
    assert "<table>" in file._repr_html_()


@pytest.mark.parametrize("limits", [{"metadata": 100}, {"columns": 1}, {"metadata": "1 kB", "nesting": 50}])
def test_limits_refuse_what_they_do_not_allow(kinds, limits):
    with pytest.raises(mlaas.LimitError, match="raise it by limits"):
        mlaas.open(kinds, limits=limits)[None]


def test_a_basket_above_the_limit_is_refused_when_it_is_read(kinds):
    table = mlaas.open(kinds, limits={"basket": 100})[None]
    with pytest.raises(
        mlaas.LimitError, match="a basket of .* bytes is above the limit of 100; raise it by limits.basket"
    ):
        table.arrays()
    assert len(mlaas.open(kinds, limits={"basket": "1 GiB", "page": 10**9, "trust_pages": True})[None].arrays())


@pytest.mark.parametrize(
    "limits", [{"baskets": 1}, {"basket": 0}, {"nesting": "3"}, {"nesting": 1001}, {"page": "big"}]
)
def test_limits_that_are_none(kinds, limits):
    with pytest.raises(mlaas.ArgumentError):
        mlaas.open(kinds, limits=limits)


def test_limits_survive_a_pickle(kinds):
    copy = pickle.loads(pickle.dumps(mlaas.open(kinds, limits={"columns": 1})))
    with pytest.raises(mlaas.LimitError):
        copy[None]
