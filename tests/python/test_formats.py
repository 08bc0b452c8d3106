"""Files of other formats go through the same statistics, recipe and loader as ROOT files."""

from __future__ import annotations

import awkward as ak
import mlaas
import numpy as np
import pyarrow as pa
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


WRITERS = {"parquet": write_parquet}


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """{format: path} of the same events."""
    folder, columns = tmp_path_factory.mktemp("formats"), events()
    paths = {"root": str(folder / "x.root")}
    write_root(paths["root"], columns)
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
        for key in ("type", "counter", "shape"):  # the last depends on the file's identity
            column.pop(key, None)
    return columns


@pytest.mark.parametrize("format", WRITERS)
def test_same_batches_as_root(made, format):
    for ours, roots in zip(batches(made[format]), batches(made["root"])):
        assert ours.dtype == roots.dtype and np.array_equal(ours, roots, equal_nan=True)


@pytest.mark.parametrize("format", WRITERS)
def test_same_statistics_as_root(made, format):
    ours, roots = statistics(made[format]), statistics(made["root"])
    assert set(ours) == set(roots) and "jet_pt" in ours
    assert ours == roots


@pytest.mark.parametrize("format", WRITERS)
def test_table_is_a_table_like_any_other(made, format):
    table = mlaas.open(made[format])[None]
    columns = events()
    assert table.columns == list(columns)
    assert table.num_entries == ROWS
    arrays = table.arrays(["event", "jet_pt"], 100, 900, library="ak")
    assert ak.all(arrays["event"] == columns["event"][100:900])
    assert ak.array_equal(arrays["jet_pt"], columns["jet_pt"][100:900])
    assert pa.table(table.select(["mass"]))["mass"].to_numpy().tobytes() == columns["mass"].tobytes()


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
