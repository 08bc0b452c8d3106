"""The independent side of the end-to-end tests: the same data by uproot and plain NumPy, nothing of the library's code.

Only the file id is taken from the library; the formula of the split is written again here. No framework is imported.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import uproot
import xxhash

SHARES = (0.64, 0.16, 0.20)


@dataclass
class Flat:
    """Rows of several files, scaled, with their part: 0 train, 1 validation, 2 test."""

    x: np.ndarray
    y: np.ndarray
    part: np.ndarray

    def rows(self, part: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = self.part == part
        return self.x[chosen], self.y[chosen]


def split(file_id: str, entries: int, seed: int = 0) -> np.ndarray:
    """Part of each entry: XXH3-64 of the entry number, keyed by that of the file id, as a share of 2^64."""
    key = xxhash.xxh3_64_intdigest(file_id.encode(), seed)
    hashes = [xxhash.xxh3_64_intdigest(entry.to_bytes(8, "little"), key) for entry in range(entries)]
    share = np.array(hashes, dtype=np.float64) / 2.0**64
    return (share >= SHARES[0]).astype(np.int8) + (share >= SHARES[0] + SHARES[1])


def read_flat(files, labels, tree, features, file_id, scaler="minmax") -> Flat:
    """Features by name, scaled over all rows in double and rounded once. `file_id`: from a path to the id."""
    raw, y, part = [], [], []
    for path, label in zip(files, labels):
        with uproot.open(path) as file:
            columns = file[tree].arrays(features, library="np")
        raw.append(np.stack([columns[name].astype(np.float64) for name in features], axis=1))
        y.append(np.full(len(raw[-1]), float(label)))
        part.append(split(file_id(path), len(raw[-1])))
    raw = np.concatenate(raw)
    if scaler == "minmax":
        center, width = raw.min(axis=0), raw.max(axis=0) - raw.min(axis=0)
    else:
        center, width = raw.mean(axis=0), raw.std(axis=0)
    return Flat(((raw - center) / width).astype(np.float32), np.concatenate(y), np.concatenate(part))


def auc(score, y) -> float:
    """Area under the curve by ranks, ties shared."""
    score, y = np.asarray(score, dtype=np.float64).ravel(), np.asarray(y)
    values, index = np.unique(score, return_inverse=True)
    count = np.bincount(index, minlength=len(values))
    ranks = (np.cumsum(count) - (count - 1) / 2)[index]
    signal = y == 1
    pairs = signal.sum() * (~signal).sum()
    return float((ranks[signal].sum() - signal.sum() * (signal.sum() + 1) / 2) / pairs)


def write_half_flipped(path, rows: int, seed: int, flipped: bool = True) -> str:
    """Two classes in one file: `target` is the label, turned round in every second row, where the weight `use` is 0."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, rows)
    columns = {
        name: rng.normal(shift * truth, 1.0).astype(np.float32) for name, shift in (("a", 1.0), ("b", -0.7), ("c", 0.0))
    }
    wrong = (np.arange(rows) % 2 == 1) & flipped
    columns["target"] = np.where(wrong, 1 - truth, truth).astype(np.int32)
    columns["use"] = np.where(wrong, 0, 1).astype(np.float32)
    with uproot.recreate(path) as file:
        file.mktree("events", {name: values.dtype for name, values in columns.items()}).extend(columns)
    return str(path)


def weight_runs(train, folder, make_model, seeds=(0, 1)):
    """AUC on clean events of three ways to train when half of the labels are turned round; `train` is mlaas.train.

    "clean": on the good half alone, one AUC for each seed; "weighted": weight 0 on the bad half; "unweighted": both
    halves count.
    """
    good = write_half_flipped(folder / "good.root", 3000, 1, flipped=False)
    mixed = write_half_flipped(folder / "mixed.root", 6000, 1)
    clean = write_half_flipped(folder / "clean.root", 4000, 2, flipped=False)
    with uproot.open(clean) as file:
        truth = file["events/target"].array(library="np")

    def run(file, name, seed, **params):
        params = {"epochs": 5, "batch_size": 100, "seed": seed, "leak_guard": "off", **params}
        bundle = train([file], "target", make_model, params, out=str(folder / name), progress=False)
        return auc(bundle.predict([clean]), truth)

    return {
        "clean": [run(good, f"clean{seed}", seed, exclude_branches=["use"]) for seed in seeds],
        "weighted": [run(mixed, f"weighted{seed}", seed, weight="use") for seed in seeds],
        "unweighted": [run(mixed, "unweighted", seeds[0], exclude_branches=["use"])],
    }


def check_weights(found):
    """Weight 0 must do as well as leaving the rows out, within the spread of seeds; without weights nothing works."""
    clean = np.array(found["clean"])
    spread = max(np.ptp(clean), 0.004)
    assert clean.mean() > 0.75
    assert np.mean(found["weighted"]) > clean.mean() - spread, found
    assert found["unweighted"][0] < 0.65, found
