"""Files of other formats that are unusual, damaged or made to do harm: a right value or a refusal with a reason."""

from __future__ import annotations

import gzip
import importlib
import json
import os
import subprocess
import sys
import zlib

import awkward as ak
import fastavro
import fsspec
import h5py
import mlaas
import mlaas.formats
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

RUN_ALL = {"split": "all", "shuffle": False}


def read(path, names=None):
    return ak.to_list(ak.Array(mlaas.open(path)[None].arrays(names, library="ak")))


def refused(path, status, *words):
    with pytest.raises(mlaas.Error) as caught:
        mlaas.open(path)[None].arrays()
    assert caught.value.status == status, str(caught.value)
    for word in (os.path.basename(str(path)), *words):
        assert word in str(caught.value)


# ---- CSV ----


@pytest.mark.parametrize(
    "cells, expected",
    [
        (["1", "2"], [1, 2]),
        (["1", "2.5"], [1.0, 2.5]),
        (["9007199254740993", "1"], [9007199254740993, 1]),
        (["18446744073709551615", "1"], [2**64 - 1, 1]),
        (["true", "false"], [True, False]),
        (["1", ""], [1.0, None]),
        (["", ""], [None, None]),
        (["1e400", "-inf"], [np.inf, -np.inf]),
        (["x", "1"], ["x", "1"]),
    ],
)
def test_csv_types(tmp_path, cells, expected):
    path = tmp_path / "x.csv"
    path.write_text("a,b\n" + "".join(f"{cell},0\n" for cell in cells))
    found = [row["a"] for row in read(path)]
    assert [None if value != value else value for value in found] == expected


def test_csv_whose_later_lines_differ(tmp_path):
    """The first block has whole numbers, the last line has none: the whole column is read again."""
    path = tmp_path / "x.csv"
    with open(path, "w") as file:
        file.write("i,t\n")
        file.writelines(f"{i},{'x' * 100}\n" for i in range(60_000))
        file.write("0.5,y\n")
    values = mlaas.open(path)[None].arrays(["i"])["i"]
    assert values.dtype == np.float64 and values[-1] == 0.5 and values[59_999] == 59_999


def test_csv_header_alone_and_quotes(tmp_path):
    (tmp_path / "head.csv").write_text("a,b\n")
    assert mlaas.open(tmp_path / "head.csv")[None].num_entries == 0
    (tmp_path / "quoted.csv").write_text('"a,b",c\n1,"two\nlines"\n')
    assert read(tmp_path / "quoted.csv") == [{"a,b": 1, "c": "two\nlines"}]
    (tmp_path / "tabs.tsv").write_text("a\tb\n1\t2\n")
    assert read(tmp_path / "tabs.tsv") == [{"a": 1, "b": 2}]


def test_csv_that_is_broken(tmp_path):
    (tmp_path / "empty.csv").write_text("")
    refused(tmp_path / "empty.csv", "FORMAT", "empty")
    (tmp_path / "ragged.csv").write_text("a,b\n1,2\n1,2,3\n")
    refused(tmp_path / "ragged.csv", "FORMAT", "Expected 2 columns, got 3")
    (tmp_path / "twice.csv").write_text("a,a\n1,2\n")
    refused(tmp_path / "twice.csv", "SCHEMA", "two columns called 'a'")
    data = gzip.compress(b"a,b\n" + b"1,2\n" * 10000)
    (tmp_path / "cut.csv.gz").write_bytes(data[:-20])
    with pytest.raises(mlaas.Error, match="cut.csv.gz"):
        mlaas.open(tmp_path / "cut.csv.gz")[None].arrays()


# ---- JSON ----


@pytest.mark.parametrize(
    "text, expected",
    [
        ('{"a":1}\n{"a":2,"b":[1]}\n', [{"a": 1, "b": []}, {"a": 2, "b": [1]}]),
        ('[{"a":1},\n {"a":2}]', [{"a": 1}, {"a": 2}]),
        ('{"a":1}{"a":2}', [{"a": 1}, {"a": 2}]),
        ('{\n "a": 1\n}\n{"a": 2}', [{"a": 1}, {"a": 2}]),
        ('\ufeff[{"a":9007199254740993}]', [{"a": 2**53 + 1}]),
        ('{"a":9007199254740993}\n', [{"a": 2**53 + 1}]),
        ('{"j":[{"x":1.5,"n":1}]}\n{"j":[]}', [{"j.x": [1.5], "j.n": [1]}, {"j.x": [], "j.n": []}]),
        ('{"m":{"x":1.5}}\n{"m":{"x":2.5}}\n', [{"m.x": 1.5}, {"m.x": 2.5}]),
        ("[]", []),
    ],
)  # fmt: skip
def test_json_layouts(tmp_path, text, expected):
    path = tmp_path / "x.json"
    path.write_text(text)
    table = mlaas.open(path)[None]
    assert table.num_entries == len(expected)
    if expected:
        assert read(path) == expected


def test_json_kinds_that_change_later(tmp_path):
    path = tmp_path / "x.jsonl"
    with open(path, "w") as file:
        file.writelines(json.dumps({"i": i, "pad": "x" * 200}) + "\n" for i in range(40_000))
        file.write('{"i": 0.5, "late": true}\n')
    arrays = mlaas.open(path)[None].arrays(["i", "late"])
    assert arrays["i"][-1] == 0.5 and arrays["i"][39_999] == 39_999
    assert arrays["late"][-1] == 1 and np.isnan(arrays["late"][0])


@pytest.mark.parametrize(
    "text, status, word",
    [
        ("", "FORMAT", "empty"),
        ('{"a":1}\n[1,2]\n', "FORMAT", "event 1"),
        ('[{"a":1}', "FORMAT", "does not end"),
        ('[{"a":1} {"a":2}]', "FORMAT", "comma"),
        ('[{"a":1}] x', "FORMAT", "follows"),
        ('{"a":1}\n{"a":"x"}\n', "FORMAT", "kinds"),
        ('{"a":1}\n{"a":\n', "FORMAT", "event 1"),
        ('{"a":' * 100_000, "LIMIT", ""),
        ('{"a":' * 200 + "1" + "}" * 200, "LIMIT", "deeper than"),
        ("[" * 100_000, "LIMIT", ""),
    ],
)
def test_json_that_is_broken(tmp_path, text, status, word):
    path = tmp_path / "x.json"
    path.write_text(text)
    refused(path, status, word)


# ---- Parquet, Arrow ----


def test_lists_of_all_kinds(tmp_path):
    rows = [[1, 2], [], [3]]
    kinds = {
        "list": pa.list_(pa.int16()),
        "large": pa.large_list(pa.int16()),
        "view": pa.list_view(pa.int16()),
    }
    table = pa.table({name: pa.array(rows, kind) for name, kind in kinds.items()})
    table = table.append_column("fixed", pa.array([[1, 2], [3, 4], None], pa.list_(pa.int16(), 2)))
    table = table.append_column("words", pa.array(["a", "b", "a"]).dictionary_encode())
    table = table.append_column("numbers", pa.array([7, 8, 7]).dictionary_encode())
    table = table.append_column("large_text", pa.array(["x", None, "z"], pa.large_string()))
    table = table.append_column("deep", pa.array([[[1.5], []], [], None], pa.list_(pa.list_(pa.float64()))))
    with pa.ipc.new_file(tmp_path / "x.arrow", table.schema) as file:
        file.write_table(table.slice(0, 2))
        file.write_table(table.slice(2, 1))
    read_back = mlaas.open(tmp_path / "x.arrow")[None]
    found = pa.table(read_back)
    for name in kinds:
        assert found[name].to_pylist() == rows and found[name].type.value_type == pa.int16()
    assert found["fixed"].to_pylist() == [[1, 2], [3, 4], []]
    assert found["words"].to_pylist() == ["a", "b", "a"]
    assert found["numbers"].to_pylist() == [7, 8, 7] and found["numbers"].type == pa.int64()
    assert found["large_text"].to_pylist() == ["x", None, "z"]
    assert found["deep"].to_pylist() == [[[1.5], []], [], []]
    assert pa.table(read_back.select(["list"], 1, 3))["list"].to_pylist() == rows[1:]


def test_what_is_no_number_says_so(tmp_path):
    table = pa.table(
        {
            "a": [1.0],
            "when": pa.array([0], pa.timestamp("us")),
            "map": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int32())),
            "bytes": pa.array([b"x"]),
            "price": pa.array([1], pa.decimal128(9, 2)),
        }
    )
    pq.write_table(table, tmp_path / "x.parquet")
    opened = mlaas.open(tmp_path / "x.parquet")[None]
    assert opened.columns == ["a", "price"]
    assert "timestamp" in opened.unsupported["when"] and "map" in opened.unsupported["map"]
    assert opened.arrays()["price"][0] == 1.0
    with pytest.raises(mlaas.UnsupportedError, match="when"):
        opened.select(["when"])


def test_offsets_of_an_arrow_file_are_checked(tmp_path):
    """A list that ends far behind its items must not be followed."""
    table = pa.table({"x": pa.array([[1.0, 2.0], [3.0]])})
    path = tmp_path / "x.arrow"
    with pa.ipc.new_file(path, table.schema) as file:
        file.write_table(table)
    data = bytearray(path.read_bytes())
    at = data.index(np.array([0, 2, 3], np.int32).tobytes())
    data[at + 8 : at + 12] = np.int32(2**30).tobytes()
    path.write_bytes(data)
    refused(path, "FORMAT")


def test_type_nested_too_deep(tmp_path):
    kind = pa.int32()
    for _ in range(150):
        kind = pa.list_(kind)
    with pa.ipc.new_stream(tmp_path / "x.arrows", pa.schema([pa.field("deep", kind)])):
        pass
    with pytest.raises(mlaas.Error) as caught:
        mlaas.open(tmp_path / "x.arrows")[None]
    assert caught.value.status in ("LIMIT", "FORMAT")


def test_row_group_that_does_not_fit_is_read_in_pieces(tmp_path):
    rng = np.random.default_rng(1)
    table = pa.table({"x": rng.normal(size=1_500_000), "y": rng.normal(size=1_500_000)})
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=1_500_000)
    opened = mlaas.open(tmp_path / "x.parquet", memory="8 MB")
    total, rows = 0.0, 0
    for batch in opened[None].select(["x"]).batches(50_000):
        total, rows = total + float(batch["x"].to_numpy().sum()), rows + len(batch)
    assert rows == 1_500_000 and total == pytest.approx(float(table["x"].to_numpy().sum()))
    assert opened.info["memory"]["peak"] <= 8_000_000


def test_checksums_of_pages_are_compared(tmp_path):
    pq.write_table(
        pa.table({"x": np.arange(1000.0)}),
        tmp_path / "x.parquet",
        compression=None,
        use_dictionary=False,
        write_page_checksum=True,
    )
    data = bytearray((tmp_path / "x.parquet").read_bytes())
    at = data.index(np.arange(500.0, 510.0).tobytes())
    data[at] ^= 1
    (tmp_path / "x.parquet").write_bytes(data)
    refused(tmp_path / "x.parquet", "FORMAT", "CRC")


@pytest.mark.parametrize("format", ["parquet", "arrow", "feather", "orc", "avro", "npy", "npz", "csv.gz", "jsonl"])
def test_damaged_bytes_are_refused_or_read(tmp_path, format):
    """Whatever the bytes are, what comes is a table or an error of ours that says more than "internal". (HDF5's library
    may run for ever on damaged lists: not here.)"""
    import random

    from test_formats import WRITERS, events

    rng, path = random.Random(7), str(tmp_path / f"x.{format}")
    WRITERS[format](path, events(1000) if format != "npy" else events())
    with open(path, "rb") as file:
        data = file.read()
    outcomes = set()
    for _ in range(25):
        damaged = bytearray(data)
        for _ in range(rng.choice([1, 2, 20])):
            at = rng.choice([rng.randrange(len(data)), len(data) - 1 - rng.randrange(300), rng.randrange(100)])
            damaged[at] = rng.randrange(256)
        with open(path, "wb") as file:
            file.write(damaged)
        try:
            for _ in mlaas.open(path, memory="100 MB")[None].batches(500):
                pass
            outcomes.add("OK")
        except mlaas.Error as error:
            outcomes.add(error.status)
            assert error.status in ("FORMAT", "LIMIT", "SCHEMA", "UNSUPPORTED", "MEMORY", "ARGUMENT", "NOT_FOUND"), str(
                error
            )
    assert "FORMAT" in outcomes


def test_only_the_wanted_members_are_read(tmp_path):
    jets = [[{"pt": 1.0, "eta": 2.0}], []]
    pq.write_table(pa.table({"jets": jets, "z": [1, 2]}), tmp_path / "x.parquet")
    table = mlaas.open(tmp_path / "x.parquet")[None]
    assert ak.to_list(table.arrays(["jets.eta"], library="ak")["jets.eta"]) == [[2.0], []]


# ---- Avro ----


def test_avro_unions_maps_and_names(tmp_path):
    inner = {"type": "record", "name": "Jet", "fields": [{"name": "pt", "type": "float"}]}
    fields = [
        {"name": "opt", "type": ["null", "int"]},
        {"name": "num", "type": ["int", "double"]},
        {"name": "jets", "type": {"type": "array", "items": inner}},
        {"name": "lead", "type": "Jet"},
        {"name": "kind", "type": {"type": "enum", "name": "K", "symbols": ["A", "B"]}},
        {"name": "map", "type": {"type": "map", "values": "int"}},
        {"name": "odd", "type": ["string", "int"]},
    ]
    rows = [
        {"opt": None, "num": 1, "jets": [{"pt": 1.5}], "lead": {"pt": 2.5}, "kind": "A", "map": {"a": 1}, "odd": "x"},
        {"opt": 3, "num": 0.5, "jets": [], "lead": {"pt": 3.5}, "kind": "B", "map": {}, "odd": 4},
    ]
    with open(tmp_path / "x.avro", "wb") as file:
        fastavro.writer(file, {"type": "record", "name": "E", "fields": fields}, rows)
    table = mlaas.open(tmp_path / "x.avro")[None]
    assert list(table.unsupported) == ["map"]
    found = pa.table(table).to_pylist()
    assert found[1] == {"opt": 3.0, "num": 0.5, "jets.pt": [], "lead.pt": 3.5, "kind": "B", "odd": "4"}
    assert found[0]["opt"] != found[0]["opt"] and found[0]["jets.pt"] == [1.5]


def test_avro_that_is_broken(tmp_path):
    with open(tmp_path / "x.avro", "wb") as file:
        fastavro.writer(
            file,
            {"type": "record", "name": "E", "fields": [{"name": "a", "type": "long"}]},
            [{"a": i} for i in range(999)],
        )
    data = (tmp_path / "x.avro").read_bytes()
    for cut in (4, 30, len(data) // 2, len(data) - 3):
        (tmp_path / "cut.avro").write_bytes(data[:cut])
        with pytest.raises(mlaas.Error, match="cut.avro"):
            mlaas.open(tmp_path / "cut.avro")[None].arrays()


# ---- HDF5 ----


def test_hdf5_kinds(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        jets = np.zeros(3, [("pt", ">f4"), ("hits", "i2", (2,))])
        jets["pt"], jets["hits"] = [1, 2, 3], [[1, 2], [3, 4], [5, 6]]
        file["jets"] = jets
        file["flag"] = np.array([True, False, True])
        file["cells"] = np.arange(6, dtype="u1").reshape(3, 2)
        file["name"] = ["a", "bc", ""]
        file["short"] = np.array([b"x", b"yz", b""])
        file["z"] = np.array([1 + 1j] * 3)
        file["version"] = 3
    table = mlaas.open(tmp_path / "x.h5")[None]
    assert list(table.unsupported) == ["z"]
    assert pa.table(table).to_pylist()[1] == {
        "cells": [2, 3], "flag": False, "jets.pt": 2.0, "jets.hits": [3, 4], "name": "bc", "short": "yz"
    }  # fmt: skip


def test_hdf5_groups_are_tables(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["a/x"] = np.arange(3)
        file["a/b/y"] = np.arange(5.0)
        file["bad/u"], file["bad/v"] = np.arange(2), np.arange(3)
        file["self"] = h5py.SoftLink("/")
        file["out"] = h5py.ExternalLink("/etc/passwd", "/")
        table = np.zeros(4, [("pt", "f4"), ("n", "i4")])
        file["pytables/table"] = table
    file = mlaas.open(tmp_path / "x.h5")
    assert sorted(file.tables) == ["a", "a/b", "bad", "pytables"]
    assert file["a/b"].columns == ["y"] and file["a"].num_entries == 3
    assert file["pytables"].columns == ["pt", "n"]
    with pytest.raises(mlaas.ArgumentError, match="several tables"):
        file[None]
    with pytest.raises(mlaas.SchemaError, match="differ in length"):
        file["bad"]
    with pytest.raises(mlaas.NotFoundError):
        file["c"]
    dataset = mlaas.Dataset([str(tmp_path / "x.h5")], [1], {"table": "a/b"})
    assert dataset.files[0]["entries"] == 5


def test_hdf5_that_is_broken(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=np.random.default_rng(1).normal(size=50_000), chunks=(1000,), compression="gzip")
    data = (tmp_path / "x.h5").read_bytes()
    for cut in (8, 1000, len(data) // 2):
        (tmp_path / "cut.h5").write_bytes(data[:cut])
        with pytest.raises(mlaas.Error, match="cut.h5"):
            mlaas.open(tmp_path / "cut.h5")[None].arrays()


@pytest.mark.parametrize("how", [{}, {"chunks": (300,)}, {"chunks": (300,), "compression": "gzip", "shuffle": True}])
def test_hdf5_lists_that_claim_too_much(tmp_path, how):
    """Which its library would clear memory for, for hours."""
    path, rows = tmp_path / "x.h5", np.empty(1000, object)
    rows[:] = [np.arange(i % 5, dtype=np.float32) for i in range(1000)]
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=rows, dtype=h5py.vlen_dtype(np.float32), **how)
        file.create_dataset("t", data=[f"text {i}" for i in range(1000)], dtype=h5py.string_dtype(), **how)
        info = file["x"].id.get_chunk_info_by_coord((300,)) if how else None
        place, size = (info.byte_offset, info.size) if info else (file["x"].id.get_offset() + 300 * 16, 16 * 300)
    good = mlaas.open(path)[None].arrays(library="ak")
    assert ak.to_list(good["x"][301:304]) == [[0.0], [0.0, 1.0], [0.0, 1.0, 2.0]] and good["t"][999] == "text 999"
    data = bytearray(path.read_bytes())
    cells = data[place : place + size]
    if "compression" in how:  # shuffled: all first bytes, then all second ones ...
        cells = bytearray(zlib.decompress(cells))
        cells[3 * 300 + 7] = 0xFF
        cells = zlib.compress(cells, 9)
        assert len(cells) <= size + 64
        with h5py.File(path, "r+") as file:
            file["x"].id.write_direct_chunk((300,), bytes(cells))
    else:
        cells[7 * 16 + 3] = 0xFF
        data[place : place + size] = cells
        path.write_bytes(data)
    refused(path, "FORMAT", "its lists claim")


def test_hdf5_that_claims_too_much(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", shape=(10**15,), dtype="f8", chunks=(1000,))
    refused(tmp_path / "x.h5", "LIMIT", "claims")


# ---- NumPy ----


@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_rows_of_numbers(tmp_path, order):
    values = np.asarray(np.random.default_rng(2).normal(size=(5000, 3)), order=order)
    np.save(tmp_path / "x.npy", values)
    arrays = mlaas.open(tmp_path / "x.npy")[None].arrays(["f2", "f0"], 1000, 4500)
    assert np.array_equal(arrays["f0"], values[1000:4500, 0]) and np.array_equal(arrays["f2"], values[1000:4500, 2])


def test_npy_that_is_refused(tmp_path):
    np.save(tmp_path / "o.npy", np.array([{"a": 1}, None], object), allow_pickle=True)
    refused(tmp_path / "o.npy", "UNSUPPORTED", "Python objects")
    np.save(tmp_path / "s.npy", np.float32(1))
    refused(tmp_path / "s.npy", "FORMAT", "single number")
    np.save(tmp_path / "x.npy", np.arange(1000))
    data = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "cut.npy").write_bytes(data[:-1])
    refused(tmp_path / "cut.npy", "FORMAT", "truncated")
    (tmp_path / "cut.npy").write_bytes(data[:20])
    refused(tmp_path / "cut.npy", "FORMAT")


def test_npz_of_different_lengths(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.arange(3), b=np.arange(4), version=2)
    refused(tmp_path / "x.npz", "SCHEMA", "differ in length", "a 3", "b 4")


# ---- around the formats ----


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
        refused(tmp_path / "x.parquet", "INTERNAL", f"column {'ab'.index(column)} is of another type")


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
            [sys.executable, "-c", code, str(tmp_path / "x.parquet")], capture_output=True, text=True, timeout=60
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
