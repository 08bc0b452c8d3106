"""Files of other formats go through the same statistics, recipe and loader as ROOT files."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma

import awkward as ak
import fastavro
import h5py
import mlaas
import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.feather as feather
import pyarrow.orc as orc
import pyarrow.parquet as pq
import pytest
import uproot

ROWS = 3000
#: uproot adds the counters njet_pt and njet_eta, which no other format has.
PARAMS = {
    "identifier": ["run", "event"],
    "split_by": ["run", "event"],
    "exclude_branches": ["njet_*"],
    "batch_size": 256,
}


def events(rows: int = ROWS, seed: int = 3) -> dict:
    """Flat and jagged columns of several types, as NumPy and awkward have them."""
    rng = np.random.default_rng(seed)
    lengths = rng.poisson(2.0, rows)
    return {
        "run": np.full(rows, 7, np.int32),
        "event": np.arange(rows, dtype=np.int64) + 2**60,
        "met": rng.exponential(40, rows).astype(np.float32),
        "mass": rng.normal(91, 3, rows),
        "njet": lengths.astype(np.int32),
        "jet_pt": ak.unflatten(rng.exponential(50, lengths.sum()).astype(np.float32), lengths),
        "jet_eta": ak.unflatten(rng.normal(0, 1, lengths.sum()).astype(np.float32), lengths),
    }


def arrow_table(columns: dict) -> pa.Table:
    return pa.table(
        {
            name: ak.to_arrow(values, list_to32=True, extensionarray=False) if isinstance(values, ak.Array) else values
            for name, values in columns.items()
        }
    )


def write_root(path, columns):
    with uproot.recreate(path) as file:
        types = {name: v.type if isinstance(v, ak.Array) else v.dtype for name, v in columns.items()}
        file.mktree("events", types).extend(columns)


def write_parquet(path, columns):
    pq.write_table(arrow_table(columns), path, row_group_size=700)


def flat(columns: dict) -> dict:
    """What a format without lists can hold."""
    return {name: values for name, values in columns.items() if not isinstance(values, ak.Array)}


def write_arrow(path, columns):
    table = arrow_table(columns)
    with pa.ipc.new_file(path, table.schema) as file:
        file.write_table(table, max_chunksize=700)


def write_arrows(path, columns):
    table = arrow_table(columns)
    with pa.ipc.new_stream(path, table.schema) as file:
        file.write_table(table, max_chunksize=700)


def write_feather(path, columns):
    feather.write_feather(arrow_table(columns), path, chunksize=700)  # compressed with LZ4


def write_orc(path, columns):
    orc.write_table(arrow_table(columns), path, stripe_size=64 << 10)


def as_text(table: pa.Table) -> pa.Table:
    """Floats as doubles, whose text says the same number."""
    return table.cast(
        pa.schema([pa.field(f.name, pa.float64() if f.type == pa.float32() else f.type) for f in table.schema])
    )


def write_csv(path, columns):
    with compressed(path) as file:
        csv.write_csv(as_text(arrow_table(flat(columns))), file)


def write_json(path, columns):
    with compressed(path) as file:
        for row in arrow_table(columns).to_pylist():
            file.write(json.dumps(row).encode() + b"\n")


def write_json_list(path, columns):
    with open(path, "w") as file:
        json.dump(arrow_table(columns).to_pylist(), file, indent=1)


def compressed(path):
    if path.endswith(".gz"):
        return gzip.open(path, "wb")
    if path.endswith(".bz2"):
        return bz2.open(path, "wb")
    if path.endswith(".xz"):
        return lzma.open(path, "wb")
    return pa.output_stream(path)  # zstd by the name


def write_avro(path, columns):
    kinds = {"int32": "int", "int64": "long", "float32": "float", "float64": "double"}
    fields = []
    for name, values in columns.items():
        if isinstance(values, ak.Array):
            fields.append({"name": name, "type": {"type": "array", "items": "float"}})
        else:
            fields.append({"name": name, "type": kinds[values.dtype.name]})
    schema = {"type": "record", "name": "Event", "fields": fields}
    with open(path, "wb") as file:
        fastavro.writer(file, schema, arrow_table(columns).to_pylist(), codec="deflate")


def write_hdf5(path, columns):
    with h5py.File(path, "w") as file:
        group = file.create_group("events")
        for name, values in columns.items():
            if isinstance(values, ak.Array):
                rows = np.empty(len(values), object)
                rows[:] = [np.asarray(row) for row in values]
                group.create_dataset(name, data=rows, dtype=h5py.vlen_dtype(np.float32))
            else:
                group.create_dataset(name, data=values, chunks=(700,), compression="gzip")


def write_npy(path, columns):
    columns = flat(columns)
    records = np.zeros(ROWS, [(name, values.dtype.newbyteorder(">")) for name, values in columns.items()])
    for name, values in columns.items():
        records[name] = values
    np.save(path, records)


def write_npz(path, columns):
    np.savez_compressed(path, **flat(columns))


WRITERS = {
    "parquet": write_parquet,
    "arrow": write_arrow,
    "arrows": write_arrows,
    "feather": write_feather,
    "orc": write_orc,
    "csv": write_csv,
    "csv.gz": write_csv,
    "csv.zst": write_csv,
    "jsonl": write_json,
    "json.bz2": write_json,
    "ndjson.xz": write_json,
    "json": write_json_list,
    "avro": write_avro,
    "h5": write_hdf5,
    "npy": write_npy,
    "npz": write_npz,
}
#: Formats that hold no lists: the events without them are compared.
FLAT = ("csv", "csv.gz", "csv.zst", "npy", "npz")


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """{format: path} of the same events."""
    folder, columns = tmp_path_factory.mktemp("formats"), events()
    paths = {"root": str(folder / "x.root"), "flat": str(folder / "flat.root")}
    write_root(paths["root"], columns)
    write_root(paths["flat"], flat(columns))
    for name, write in WRITERS.items():
        paths[name] = str(folder / f"x.{name}")
        write(paths[name], columns)
    return paths


def batches(path, labels=(1,), **params):
    """All batches of one epoch in order: inputs, masks, parts."""
    loader = mlaas.Loader(files=[path], labels=list(labels), params={**PARAMS, **params}, split="all", shuffle=False)
    with_them = [(np.array(b.x), np.array(b.mask), np.array(b.part), np.array(b.entry)) for b in loader]
    loader.close()
    return [np.concatenate(parts) for parts in zip(*with_them)]


def statistics(path):
    columns = mlaas.specs([path], PARAMS).columns
    for column in columns.values():
        for key in ("type", "counter", "shape", "int_min", "int_max"):  # shape depends on the file's identity
            column.pop(key, None)
    return columns


@pytest.mark.parametrize("format", WRITERS)
def test_same_batches_as_root(made, format):
    for ours, roots in zip(batches(made[format]), batches(made["flat" if format in FLAT else "root"])):
        assert ours.dtype == roots.dtype and np.array_equal(ours, roots, equal_nan=True)


@pytest.mark.parametrize("format", WRITERS)
def test_same_statistics_as_root(made, format):
    ours, roots = statistics(made[format]), statistics(made["flat" if format in FLAT else "root"])
    assert set(ours) == set(roots) and "met" in ours
    assert ours == roots


@pytest.mark.parametrize("format", WRITERS)
def test_table_is_a_table_like_any_other(made, format):
    table = mlaas.open(made[format])[None]
    columns = flat(events()) if format in FLAT else events()
    assert sorted(table.columns) == sorted(columns)
    assert table.num_entries == ROWS
    read = pa.table(table.select(None, 100, 900))
    for name, values in columns.items():
        assert read[name].to_pylist() == ak.to_list(values[100:900]), name
    assert pa.table(table.select(["mass"]))["mass"].to_numpy().tobytes() == columns["mass"].tobytes()
    assert pa.table(table)["event"].type == pa.int64()


def test_structs_become_columns(tmp_path):
    jets = pa.array([[{"pt": 1.5, "id": 2**60 + 1}], [], None, [{"pt": None, "id": 3}, {"pt": 2.5, "id": 4}]])
    pq.write_table(
        pa.table({"jets": jets, "vertex": pa.array([{"x": 1}, {"x": None}, None, {"x": 4}])}), tmp_path / "x.pq"
    )
    table = mlaas.open(tmp_path / "x.pq")[None]
    assert table.columns == ["jets.pt", "jets.id", "vertex.x"]
    arrays = table.arrays(library="ak")
    assert ak.to_list(arrays["jets.id"]) == [[2**60 + 1], [], [], [3, 4]]
    assert str(ak.to_list(arrays["jets.pt"])) == "[[1.5], [], [], [nan, 2.5]]"
    assert str(ak.to_list(arrays["vertex.x"])) == "[1.0, nan, nan, 4.0]"


def test_missing_numbers_are_not_a_number(tmp_path):
    whole = pa.array([None, 1, 2**53], pa.int64())
    pq.write_table(
        pa.table({"i": whole, "b": pa.array([True, None, False]), "f": pa.array([1.0, None, 2.0], pa.float32())}),
        tmp_path / "x.parquet",
    )
    arrays = mlaas.open(tmp_path / "x.parquet")[None].arrays()
    assert np.array_equal(arrays["i"], [np.nan, 1, 2**53], equal_nan=True)
    assert np.array_equal(arrays["b"], [1, np.nan, 0], equal_nan=True)
    assert arrays["f"].dtype == np.float32 and np.isnan(arrays["f"][1])


def test_whole_numbers_that_no_double_holds_are_refused_with_gaps(tmp_path):
    pq.write_table(pa.table({"i": pa.array([None, 2**53 + 1], pa.int64())}), tmp_path / "x.parquet")
    with pytest.raises(mlaas.FormatError, match="column i"):
        mlaas.open(tmp_path / "x.parquet")[None].arrays()


def test_mixed_with_root(made, tmp_path):
    """A ROOT and a Parquet file in one data set give what each of them gives."""
    loader = mlaas.Loader([made["root"], made["parquet"]], [0, 1], PARAMS, split="all", shuffle=False)
    rows = {0: [], 1: []}
    for batch in loader:
        for k in (0, 1):
            rows[k].append(np.array(batch.x)[np.array(batch.file) == k])
    assert np.array_equal(np.concatenate(rows[0]), np.concatenate(rows[1]))
    assert len(np.concatenate(rows[0])) == ROWS


def test_shuffled_epoch_has_every_row_once(made):
    loader = mlaas.Loader([made["parquet"]], [1], {**PARAMS, "split": [1, 0, 0]}, split="train", shuffle=True)
    entries = np.concatenate([np.array(batch.entry) for batch in loader])
    assert len(entries) == ROWS and len(set(entries)) == ROWS and not np.array_equal(entries, np.sort(entries))


def test_truncated_and_empty(made, tmp_path):
    with open(made["parquet"], "rb") as file:
        data = file.read()
    for cut in (0, 3, len(data) // 2, len(data) - 1):
        path = tmp_path / "cut.parquet"
        path.write_bytes(data[:cut])
        with pytest.raises(mlaas.Error, match="cut.parquet") as caught:
            mlaas.open(path)[None].arrays()
        assert caught.value.status in ("FORMAT", "IO")
    with pytest.raises(mlaas.NotFoundError):
        mlaas.open(tmp_path / "absent.parquet")
