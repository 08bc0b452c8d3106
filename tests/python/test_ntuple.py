"""RNTuples: values against uproot and against what was written, memory of files that claim much, and that data sets
take them as they take trees."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import awkward as ak
import mlaas
import numpy as np
import pyarrow as pa
import pytest
import uproot

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DATA = os.path.join(ROOT, "tests", "data")
SHARED = os.path.join(os.path.dirname(ROOT), "shared")
BOMB = os.path.join(SHARED, "corpus", "scikit-hep-testdata", "test_int_multicluster_rntuple_v1-0-0-0.root")
CONFORM = os.path.join(SHARED, "tools", "conform.py")
IMPORTED = os.path.join(
    SHARED, "corpus", "scikit-hep-testdata", "cmsopendata2015_ttbar_19980_NANOAOD_RNTupleImporter_rntuple_v1-0-0-1.root"
)


def pylist(table, name, start=None, stop=None):
    span = () if start is None else (start, stop)
    return pa.table(table.select([name], *span)).column(0).to_pylist()


@pytest.mark.parametrize("name", ["clusters", "small-pages", "late", "projected"])
def test_same_as_uproot(name):
    path = os.path.join(DATA, f"ntuple-{name}.root")
    file = mlaas.open(path)
    table = file[file.tables[0]]
    with uproot.open(path) as other:
        fields = other[table.path.split(";")[0]]
        assert table.num_entries == fields.num_entries
        for column in table.columns:
            assert repr(pylist(table, column)) == repr(fields[column].array().tolist()), column
    assert len(table.columns) >= 4 and not table.unsupported


def plain(value):
    """Tuples, which pyarrow makes of the entries of maps, as lists; numbers that JSON has shortened as floats."""
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return np.float32(value) if isinstance(value, float) else value


def test_fields_in_fields_hold_what_root_wrote():
    """Options, variants, maps, arrays and streamed objects in each other; ROOT 6.40 wrote them, and JSON beside it."""
    with open(os.path.join(DATA, "ntuple-nested.jsonl")) as lines:
        wanted = [json.loads(line) for line in lines]
    table = mlaas.open(os.path.join(DATA, "ntuple-nested.root"))["nt"]
    assert len(table.columns) == 15 and not table.unsupported
    for name in table.columns:
        rows = [plain(row[name]) for row in wanted]
        assert plain(pylist(table, name)) == rows, name
        for start, stop in [(0, 1), (10, 12), (5, 25), (29, 30)]:
            assert plain(pylist(table, name, start, stop)) == rows[start:stop], name


def test_streamed_objects_are_structs():
    table = mlaas.open(os.path.join(DATA, "ntuple-classes.root"))["nt"]
    rows = pylist(table, "streamed")
    assert [row["a"] for row in rows] == list(range(12)) and not table.unsupported
    assert pylist(table, "streamed", 3, 5) == rows[3:5]
    assert pylist(table, "streamed.b") == [row["b"] for row in rows]
    assert pylist(table, "derived.pts.x") == [[point["x"] for point in row["pts"]] for row in pylist(table, "derived")]


def arrays(rows=700, seed=3):
    rng = np.random.default_rng(seed)
    jets, tracks = rng.integers(0, 5, rows), rng.integers(0, 30, rows)
    return {
        "met": rng.exponential(40, rows).astype(np.float32),
        "sum": rng.normal(0, 5, rows),
        "n": rng.integers(-3, 9, rows).astype(np.int32),
        "tagged": rng.random(rows) < 0.3,
        "jet": ak.unflatten(rng.normal(1, 2, jets.sum()).astype(np.float32), jets),
        "track": ak.unflatten(rng.integers(0, 200, tracks.sum()).astype(np.uint16), tracks),
    }


def write(path, make, chunks, columns):
    with uproot.recreate(path, compression=uproot.ZSTD(3)) as file:
        getattr(file, make)("events", {name: values[:0] for name, values in columns.items()})
        rows = len(columns["met"])
        for start in range(0, rows, rows // chunks):
            file["events"].extend({name: values[start : start + rows // chunks] for name, values in columns.items()})


def test_what_was_written_comes_back_in_any_batches(tmp_path):
    columns, path = arrays(), str(tmp_path / "fields.root")
    write(path, "mkrntuple", 7, columns)
    table = mlaas.open(path)["events"]
    assert set(table.columns) == set(columns)
    for name, values in columns.items():
        wanted = values.tolist()
        assert pylist(table, name) == wanted
        for start, stop in [(0, 1), (99, 101), (123, 456), (699, 700), (700, 700)]:
            assert pylist(table, name, start, stop) == wanted[start:stop]
    batches = list(table.batches(64))
    assert [batch.num_rows for batch in batches] == [64] * 10 + [60]
    assert pa.Table.from_batches(batches).column("jet").to_pylist() == columns["jet"].tolist()


def test_a_data_set_of_fields_is_that_of_branches(tmp_path):
    columns = arrays()
    specs, batches = {}, {}
    for make in ["mktree", "mkrntuple"]:
        path = str(tmp_path / f"{make}.root")
        write(path, make, 4, columns)
        settings = {"split": [1, 0, 0], "shuffle": False, "selected_branches": list(columns), "batch_size": 100}
        dataset = mlaas.Dataset([path], params=settings)
        dataset.scan()
        assert not dataset.dropped
        specs[make] = {
            name: {key: value for key, value in column.items() if key not in ("counter", "shape")}
            for name, column in dataset.specs.columns.items()
        }  # `shape` depends on the file's id
        batches[make] = [(b.x.copy(), b.mask.copy(), b.entry.copy()) for b in dataset.loader("train")]
    assert specs["mktree"] == specs["mkrntuple"]
    assert len(batches["mktree"]) == len(batches["mkrntuple"]) == 7
    for tree, ntuple in zip(batches["mktree"], batches["mkrntuple"], strict=True):
        for one, other in zip(tree, ntuple, strict=True):
            np.testing.assert_array_equal(one, other)


def test_fields_that_make_no_features_are_left_out():
    dataset = mlaas.Dataset([os.path.join(DATA, "ntuple-containers.root")], params={"split": [1, 0, 0]})
    dataset.scan()
    left_out = {entry["name"]: entry["reason"] for entry in dataset.dropped}
    assert {"str", "map", "variant"} <= set(left_out)
    assert next(iter(dataset.loader("train"))).rows > 0


@pytest.mark.skipif(not os.path.exists(BOMB), reason="../shared/corpus is not there")
def test_a_hundred_million_rows_in_two_kilobytes_stream_in_bounded_memory():
    file = mlaas.open(BOMB, memory="48 MiB")
    table = file[file.tables[0]]
    assert table.num_entries == 100_000_000
    rows = 0
    for batch in table.batches():
        rows += batch.num_rows
        if rows > 30_000_000:
            break
    assert file.info["memory"]["peak"] <= 48 << 20
    assert len(pylist(table, "one_integers", 99_999_990, 100_000_000)) == 10


@pytest.mark.skipif(not os.path.exists(IMPORTED), reason="../shared/corpus is not there")
def test_untyped_collections_are_lists_of_structs():
    file = mlaas.open(IMPORTED)
    table = file["Events"]
    kind = pa.table(table.select(["_collection1"])).schema.field(0).type
    assert pa.types.is_list(kind) and pa.types.is_struct(kind.value_type)
    counts = [len(row) for row in pylist(table, "_collection1")]
    assert counts == pylist(table, "nElectron")


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists(CONFORM), reason="../shared/tools and ../shared/corpus are not there")
@pytest.mark.parametrize("corpus, least", [("corpus", "99.9"), ("corpus/made", "99")])
def test_corpus(corpus, least):
    command = [sys.executable, CONFORM, os.path.join(SHARED, corpus), "--kind", "rntuple", "--min", least]
    run = subprocess.run([*command, "--list", "different"], capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
