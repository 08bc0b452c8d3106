"""The Arrow PyCapsule protocol: who takes a table, who owns what."""

from __future__ import annotations

import gc
import threading
import time

import mlaas
import numpy as np
import pytest
import tables

pa = pytest.importorskip("pyarrow")


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("arrow") / "kinds.root")
    return path, tables.write_kinds(path)


@pytest.fixture
def table(kinds):
    return mlaas.open(kinds[0])["dir/kinds"]


def test_pyarrow_takes_a_table(table, kinds):
    whole = pa.table(table)
    assert whole.num_rows == 1000 and whole.column_names == table.columns
    whole.validate(full=True)
    assert tables.same(whole["pt"].combine_chunks().to_pylist(), kinds[1]["pt"].tolist())
    part = pa.table(table.select(["id", "bool"], 10, 20))
    assert part.column_names == ["id", "bool"] and part["bool"].to_pylist() == kinds[1]["bool"][10:20].tolist()


def test_schema_and_types(table):
    schema = table.schema
    assert schema.field("float32").type == pa.float32() and pa.types.is_list(schema.field("pt").type)
    assert schema.field("fixed").type.list_size == 3
    assert schema.field("pt").metadata[b"mlaas.counter"] == b"npt"
    assert pa.schema(table.select(["int8"])).names == ["int8"]


def test_capsule_names(table):
    core = table._open()
    assert 'arrow_schema"' in repr(table.__arrow_c_schema__())
    assert 'arrow_array_stream"' in repr(table.__arrow_c_stream__())
    schema, array = next(iter(core.batches(None, 0, 10))).__arrow_c_array__()
    assert 'arrow_schema"' in repr(schema) and 'arrow_array"' in repr(array)


def test_capsules_that_nobody_takes_are_released(kinds):
    file = mlaas.open(kinds[0])
    table = file["dir/kinds"]
    held = file.info["memory"]["held"]
    for _ in range(3):
        for array in table._open().batches(None, 0, 1000):
            array.__arrow_c_array__()
            array.__arrow_c_schema__()
        table.__arrow_c_stream__()
        table.__arrow_c_schema__()
    del array
    gc.collect()
    assert file.info["memory"]["held"] <= held + 200_000  # a reader may keep baskets; batches are gone


def test_one_batch_is_exported_many_times_without_copies(table):
    array = next(iter(table.select(["int64"])._open().batches(None, 0, 100)))
    first, second = pa.record_batch(array), pa.record_batch(array)
    name = first.schema.names.index("int64")
    assert first.column(name).buffers()[1].address == second.column(name).buffers()[1].address
    del array, first
    gc.collect()
    second.validate(full=True)


def test_children_moved_out_outlive_the_rest(table, kinds):
    column = pa.record_batch(next(iter(table._open().batches(None, 0, 1000)))).column("int64")
    gc.collect()
    assert column.to_pylist() == kinds[1]["int64"][: len(column)].tolist()


def test_batches_outlive_table_and_file(kinds):
    file = mlaas.open(kinds[0])
    batches = list(file["dir/kinds"].batches())
    file.close()
    del file
    gc.collect()
    assert pa.Table.from_batches(batches)["int64"].to_pylist() == kinds[1]["int64"].tolist()


def test_streams_are_read_from_another_thread(table, kinds):
    reader = pa.RecordBatchReader.from_stream(table.select(["int64"]))
    got = []
    thread = threading.Thread(target=lambda: got.append(reader.read_all()))
    thread.start()
    thread.join()
    assert got[0]["int64"].to_pylist() == kinds[1]["int64"].tolist()


def test_an_iterator_belongs_to_one_thread_at_a_time(table):
    core = table._open()
    stream = core.batches([core.find("pt")], 0, 1000, 10)
    failures, stop = [], threading.Event()

    def read():
        while not stop.is_set():
            try:
                if next(stream, None) is None:
                    stop.set()
            except mlaas.StateError:
                failures.append("busy")
                time.sleep(0.001)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert stop.is_set()


def test_buffers_are_read_only_views(table):
    array = next(iter(table._open().batches([table._open().find("int64")], 0, 10)))
    node = array.describe()[6][0]
    values = np.asarray(node[5][1])
    assert node[:3] == ("int64", "l", 10) and values.dtype == np.int64 and not values.flags.writeable
    with pytest.raises(ValueError):
        values.setflags(write=True)
    assert memoryview(node[5][1]).readonly and node[5][1].address == values.ctypes.data


def test_without_pyarrow(table, kinds, monkeypatch):
    import builtins

    real = builtins.__import__

    def no_arrow(name, *rest):
        if name.split(".")[0] == "pyarrow":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", no_arrow)
    np.testing.assert_array_equal(table.arrays(["int64"])["int64"], kinds[1]["int64"])
    assert hasattr(next(iter(table.batches())), "__arrow_c_array__")
