"""What files of all other formats have in common: how they are told apart, found, cached, shared by threads and
children, and what happens when their libraries or readers do not keep their word."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import threading
import time

import fsspec
import h5py
import mlaas
import mlaas.formats
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

RUN_ALL = {"split": "all", "shuffle": False}


def test_content_decides_not_the_name(tmp_path):
    pq.write_table(pa.table({"a": [1, 2]}), tmp_path / "x.data")
    assert mlaas.open(tmp_path / "x.data")[None].columns == ["a"]
    data = os.path.join(os.path.dirname(os.path.dirname(__file__)), "data", "names.root")
    os.symlink(data, tmp_path / "named.parquet")
    assert mlaas.open(tmp_path / "named.parquet").info["version"] > 0  # ROOT's


def test_a_library_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    (tmp_path / "x.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(mlaas.UnsupportedError, match="pip install h5py"):
        mlaas.open(tmp_path / "x.h5")


def test_rows_of_another_type_than_promised_are_refused(tmp_path, monkeypatch):
    """Arrow's arrays do not say how long their buffers are: what is read as eight bytes a value has to have them."""
    rows = importlib.import_module("mlaas.formats._rows")
    pq.write_table(pa.table({"a": np.arange(10.0), "b": [[1], []] * 5}), tmp_path / "x.parquet")
    right = rows.Reader.read
    for column, type_ in (("a", pa.int8()), ("b", pa.list_(pa.int8())), ("a", pa.dictionary(pa.int32(), pa.float64()))):

        def wrong(self, start, stop, column=column, type_=type_):
            read = pa.RecordBatch.from_struct_array(right(self, start, stop))
            i = read.schema.get_field_index(column)
            values = read[i].dictionary_encode() if pa.types.is_dictionary(type_) else read[i].cast(type_)
            return read.set_column(i, column, values)

        monkeypatch.setattr(rows.Reader, "read", wrong)
        with pytest.raises(mlaas.Error, match=f"column {'ab'.index(column)} is of another type") as caught:
            mlaas.open(tmp_path / "x.parquet")[None].arrays()
        assert caught.value.status == "INTERNAL" and "x.parquet" in str(caught.value)


def test_a_file_closed_while_it_is_used_stays_until_then(tmp_path, monkeypatch):
    """Here by what the call itself calls; another thread may be as fast."""
    pq.write_table(pa.table({"a": np.arange(1000.0)}), tmp_path / "x.parquet")
    names = mlaas.open(os.path.join(os.path.dirname(os.path.dirname(__file__)), "data", "names.root"))
    assert not names.verify(progress=lambda *_: names.close()).findings
    broken = mlaas.open(tmp_path / "x.parquet")

    def fail(self, i):
        broken.close()
        raise mlaas.FormatError("not today")

    monkeypatch.setattr(mlaas.formats._host.File, "table", fail)
    with pytest.raises(mlaas.FormatError, match="x.parquet.*not today"):
        broken[None]
    for closed in (names, broken):
        with pytest.raises(mlaas.StateError, match="closed"):
            closed.verify()


def test_a_loader_closed_while_it_is_used_stays_until_then(tmp_path, monkeypatch):
    """Turning to another epoch waits for the read at hand: here until the test says so."""
    pq.write_table(pa.table({"a": np.arange(1000.0)}), tmp_path / "x.parquet", row_group_size=100)
    rows = importlib.import_module("mlaas.formats._rows")
    right, calls, slow, go = rows.Reader.read, [], threading.Event(), threading.Event()

    def wait(self, start, stop):
        calls.append(start)
        if len(calls) > 1:
            slow.set()
            assert go.wait(30)
        return right(self, start, stop)

    dataset = mlaas.Dataset([str(tmp_path / "x.parquet")], [1], {"batch_size": 50, "shuffle_buffer": 50})
    dataset.scan()
    core = dataset.loader(split="all", shuffle=True)._open()
    monkeypatch.setattr(rows.Reader, "read", wait)
    try:
        assert core.next() is not None and slow.wait(30)
        thread = threading.Thread(target=core.set_epoch, args=(1,))
        thread.start()
        with pytest.raises(mlaas.StateError, match="another thread"):
            until = time.monotonic() + 20
            while time.monotonic() < until:
                core.size()
        core.close()
    finally:
        go.set()
    thread.join()
    with pytest.raises(mlaas.StateError, match="closed"):
        core.next()


def test_memory_is_not_claimed_for_a_reader_that_is_closed(tmp_path, monkeypatch):
    pq.write_table(pa.table({"a": np.arange(10.0)}), tmp_path / "x.parquet")
    rows, kept = importlib.import_module("mlaas.formats._rows"), []
    right = rows.Table.reader
    monkeypatch.setattr(
        rows.Table,
        "reader",
        lambda self, columns, claim: kept.append(claim) or right(self, columns, claim),
    )
    table = mlaas.open(tmp_path / "x.parquet")[None]
    table.arrays()
    assert kept
    del table
    for claim in kept:
        with pytest.raises(ValueError, match="closed"):
            claim(-(2**63))


def test_a_long_message_is_not_cut_within_a_character(tmp_path, monkeypatch):
    (tmp_path / "x.csv").write_text("a\n1\n")

    def fail(*_):
        raise mlaas.FormatError(text)

    monkeypatch.setattr(mlaas.formats._host, "open_file", fail)
    for before in range(4):
        text = "x" * before + "\u20ac" * 1000
        with pytest.raises(mlaas.FormatError) as caught:
            mlaas.open(tmp_path / "x.csv")
        assert "\ufffd" not in str(caught.value) and "\u20ac" * 100 in str(caught.value)


def test_other_file_systems(tmp_path):
    """The way that HDFS, S3 and the like go, by a file system that needs no server."""
    system = fsspec.filesystem("memory")
    table = pa.table({"a": np.arange(1000.0), "b": [[i] * (i % 3) for i in range(1000)]})
    with system.open("/dir/x.parquet", "wb") as file:
        pq.write_table(table, file, row_group_size=300)
    with system.open("/dir/y.csv", "wb") as file:
        file.write(b"a,b\n" + b"".join(b"%d,2\n" % i for i in range(1000)))
    with system.open("/dir/z.h5", "wb") as file, h5py.File(file, "w") as made:
        made["a"] = np.arange(1000.0)
    for name in ("x.parquet", "y.csv", "z.h5"):
        opened = mlaas.open(f"memory://dir/{name}")[None]
        assert np.array_equal(opened.arrays(["a"])["a"], np.arange(1000)), name
    loader = mlaas.Loader(["memory://dir/x.parquet"], [1], {"batch_size": 100}, **RUN_ALL)
    assert sum(batch.rows for batch in loader) == 1000
    with pytest.raises(mlaas.Error, match="absent.parquet"):
        mlaas.open("memory://dir/absent.parquet")
    with pytest.raises(mlaas.Error, match="nosuch"):
        mlaas.open("nosuch://dir/absent.parquet")


def test_schema_that_changes_between_files(tmp_path):
    pq.write_table(pa.table({"a": [1, 2], "b": [1.0, 2.0]}), tmp_path / "one.parquet")
    pq.write_table(pa.table({"a": [[1.0], [2.0]], "c": [1.0, 2.0]}), tmp_path / "two.parquet")
    files = [str(tmp_path / "one.parquet"), str(tmp_path / "two.parquet")]
    with pytest.raises(mlaas.SchemaError, match="branch a is list.*two.parquet.*exclude_branches"):
        mlaas.Loader(files, [0, 1], {})
    pq.write_table(pa.table({"a": [3.5, 4.5], "b": [3, 4]}), tmp_path / "two.parquet")
    loader = mlaas.Loader(files, [0, 1], {"batch_size": 4}, **RUN_ALL)
    assert sum(batch.rows for batch in loader) == 4


def test_a_file_that_changes_is_noticed(tmp_path):
    path = str(tmp_path / "x.parquet")
    pq.write_table(pa.table({"a": np.arange(1000.0)}), path)
    dataset = mlaas.Dataset([path], [1], {})
    pq.write_table(pa.table({"a": np.arange(1000.0) + 1}), path)
    with pytest.raises(mlaas.StaleError, match="has changed"):
        dataset.scan()


def test_same_bytes_elsewhere_have_the_same_identity(tmp_path):
    (tmp_path / "sub").mkdir()
    table = pa.table({"a": np.arange(1000.0)})
    for path in (tmp_path / "x.parquet", tmp_path / "sub" / "y.parquet"):
        pq.write_table(table, path)
    one, two = (mlaas.open(path).info["id"] for path in (tmp_path / "x.parquet", tmp_path / "sub" / "y.parquet"))
    assert one == two
    pq.write_table(pa.table({"a": np.arange(1000.0) + 1}), tmp_path / "x.parquet")
    assert mlaas.open(tmp_path / "x.parquet").info["id"] != two


@pytest.mark.slow
def test_nothing_is_left_in_the_cache(tmp_path):
    cache = tmp_path / "cache"
    cache.mkdir()
    (tmp_path / "x.csv").write_text("a\n" + "1\n" * 1000)
    code = (
        "import mlaas, sys; t = mlaas.open(sys.argv[1])[None]; import os; print(len(t), os.listdir(sys.argv[2]));"
        "os.kill(os.getpid(), 9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "x.csv"), str(cache)],
        env={**os.environ, "MLAAS_CACHE": str(cache)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == -9 and os.listdir(cache) == []
    done = subprocess.run(
        [sys.executable, "-c", "import mlaas, sys; mlaas.open(sys.argv[1])[None]", str(tmp_path / "x.csv")],
        env={**os.environ, "MLAAS_CACHE": str(tmp_path / "absent")},
        capture_output=True,
        text=True,
    )
    assert "MLAAS_CACHE" in done.stderr and "absent" in done.stderr


@pytest.mark.slow
def test_loader_left_open_does_not_hinder_the_end(tmp_path):
    """Threads that read in Python when the interpreter ends must not hang it."""
    pq.write_table(pa.table({"a": np.arange(200_000.0)}), tmp_path / "x.parquet", row_group_size=1000)
    code = (
        "import mlaas, sys; loader = mlaas.Loader([sys.argv[1]], [1], {'batch_size': 100});"
        "keep = next(iter(loader)); print(keep.rows)"
    )
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "x.parquet")], capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0 and done.stdout.split() == ["100"], done.stderr


def test_many_threads_read_at_once(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    pq.write_table(
        pa.table({"a": np.arange(50_000), "b": np.arange(50_000.0)}), tmp_path / "x.parquet", row_group_size=999
    )
    table = mlaas.open(tmp_path / "x.parquet")[None]

    def total(start):
        return int(table.arrays(["a"], start, start + 5000)["a"].sum())

    with ThreadPoolExecutor(8) as pool:
        sums = list(pool.map(total, range(0, 50_000, 5000)))
    assert sum(sums) == 50_000 * 49_999 // 2


def test_pickled_and_forked(tmp_path):
    import pickle

    (tmp_path / "x.csv").write_text("a,b\n" + "".join(f"{i},{2 * i}\n" for i in range(500)))
    dataset = mlaas.Dataset([str(tmp_path / "x.csv")], [1], {"batch_size": 50}).scan()
    again = pickle.loads(pickle.dumps(dataset))
    assert again.files == dataset.files
    child = os.fork()
    if child == 0:
        rows = sum(batch.rows for batch in dataset.loader("all", shuffle=False))
        os._exit(0 if rows == 500 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_child_does_not_wait_for_threads_of_its_parent(tmp_path):
    """They may have been in the middle of anything when it was forked."""
    (tmp_path / "x.csv").write_text("a,b\n" + "".join(f"{i},{2 * i}\n" for i in range(500)))
    rows = importlib.import_module("mlaas.formats._rows")
    spool = importlib.import_module("mlaas.formats._spool")
    with rows._lock, spool._lock:
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            os._exit(0 if mlaas.open(tmp_path / "x.csv")[None].num_entries == 500 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.slow
def test_a_training_on_other_formats(tmp_path, sample):
    """Files of two formats train a model, and its bundle is applied to ROOT and Parquet files alike."""
    from sklearn.linear_model import LogisticRegression

    files, labels = sample
    other = [str(tmp_path / "signal.parquet"), str(tmp_path / "background.arrow")]
    for source, path in zip(files, other):
        mlaas.formats.convert(source, path)
    params = {"identifier": ["run", "event"], "exclude_branches": ["genw", "njet*"], "batch_size": 200}
    bundle = mlaas.train(other, labels, LogisticRegression(), {**params}, out=str(tmp_path / "bundle"), progress=False)
    assert bundle.metrics["test"]["auc"] > 0.6
    paths = mlaas.predict(bundle, [files[0], other[0]], str(tmp_path / "out"), "npz", progress=False)
    assert [os.path.basename(path) for path in paths] == ["signal.scores.npz", "signal_2.scores.npz"]
    one, two = (np.load(path) for path in paths)
    assert np.array_equal(one["score"], two["score"]) and len(one["score"]) == 1500
    assert np.array_equal(one["event"], two["event"])
