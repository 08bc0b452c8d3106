"""The original's chunks as a data set for mlaas.train: parts are those of the split, each row once."""

from types import SimpleNamespace

import mlaas
import numpy as np
import pytest
from golden_cases import place_files
from mlaas.compat import CompatLoader
from mlaas.compat.dataset import CompatDataset

FILES = ["special_a.root", "special_b.root"]
PARAMS = {"branch": "boosted/events", "nevts": -1, "chunk_size": 100, "batch_size": 30, "shuffle": True, "seed": 3}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place_files(FILES, tmp_path)
    return tmp_path


def given(labels=(1, 0)):
    """What CompatDataset takes from a mlaas.Dataset."""
    files = [{"url": name, "entries": n, "label": y} for name, n, y in zip(FILES, (300, 250), labels)]
    return SimpleNamespace(params=PARAMS, files=files, classes=[0, 1])


def rows_of(loader):
    return [(int(f), int(e)) for batch in loader for f, e in zip(batch.file, batch.entry)]


def test_parts_are_disjoint_and_complete():
    dataset = CompatDataset(given())
    parts = {name: rows_of(dataset.loader(name)) for name in ("train", "validation", "test")}
    assert [len(rows) for rows in parts.values()] == [352, 88, 110]
    assert {name: dataset.loader(name).num_rows for name in parts} == {name: len(rows) for name, rows in parts.items()}
    whole = [row for rows in parts.values() for row in rows]
    assert sorted(whole) == [(f, e) for f, n in enumerate((300, 250)) for e in range(n)]


def test_rows_hold_the_vectors_of_the_original(folder):
    chunk = next(iter(CompatLoader(FILES, [1, 0], PARAMS, folder=None)))
    dataset = CompatDataset(given())
    assert dataset.recipe.features() == chunk.columns
    assert (folder / "global-specs.json").exists()
    where = {(int(f), int(e)): i for i, (f, e) in enumerate(zip(chunk.file, chunk.entry))}
    _, validation, _ = (chunk.filled().astype(np.float32)[rows] for rows in CompatLoader.split(None, chunk))
    batches = list(dataset.loader("validation"))
    assert len(batches) == len(dataset.loader("validation")) == 6 and batches[3].index == 3
    np.testing.assert_array_equal(batches[0].x, validation)
    rows = [where[int(f), int(e)] for f, e in zip(batches[0].file, batches[0].entry)]
    np.testing.assert_array_equal(batches[0].mask != 0, chunk.mask[rows] == 1)
    np.testing.assert_array_equal(batches[0].y, chunk.y[rows])
    flat = len(dataset.recipe.branches) - 6
    assert set(np.unique(batches[0].mask[:, :flat])) <= {0, 2} and set(np.unique(batches[0].mask[:, flat:])) <= {0, 1}


def test_epochs_shuffle_within_chunks_and_repeat_by_seed():
    dataset = CompatDataset(given())
    loader = dataset.loader("train")
    first, second = rows_of(loader), rows_of(loader)
    assert first != second and sorted(first[:64]) == sorted(second[:64])
    loader.set_epoch(0)
    assert rows_of(loader) == first
    assert rows_of(dataset.loader("train", shuffle=False)) != first


def test_labels_by_branch_are_refused():
    with pytest.raises(mlaas.ArgumentError, match="one integer label for each file"):
        CompatDataset(given(labels=("flag", "flag")))
