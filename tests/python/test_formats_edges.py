"""Files of other formats that are unusual, damaged or made to do harm: a right value or a refusal with a reason."""

from __future__ import annotations

import gzip
import json
import os
import zlib

import awkward as ak
import fastavro
import h5py
import mlaas
import mlaas.formats
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest


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
