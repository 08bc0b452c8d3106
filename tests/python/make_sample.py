"""Small made-up physics files for the tests of the training: two classes that overlap, flat and jagged branches."""

from __future__ import annotations

import uuid

import awkward as ak
import numpy as np
import uproot


def write_events(path, rows: int, signal: bool, seed: int, tree: str = "events"):
    """`a`, `b` separate a little, `c` does not; `jet_pt`, `jet_eta` share `njet`; `genw` is a signed weight."""
    rng = np.random.default_rng(seed)
    shift = 0.8 if signal else 0.0
    lengths = rng.poisson(3.0 if signal else 2.5, rows)
    flat = {"a": rng.normal(shift, 1, rows), "b": rng.normal(-shift / 2, 1.5, rows), "c": rng.normal(0, 3, rows)}
    flat = {name: values.astype(np.float32) for name, values in flat.items()}
    pt = rng.exponential(50 + 15 * signal, lengths.sum()).astype(np.float32)
    eta = rng.normal(0, 1, lengths.sum()).astype(np.float32)
    flat["genw"] = (rng.choice([1.0, -1.0], rows, p=[0.85, 0.15]) * (0.01 if signal else 5.0)).astype(np.float32)
    flat["run"] = np.full(rows, 1 + signal, dtype=np.int32)
    flat["event"] = np.arange(rows, dtype=np.int64)
    flat["jet"] = ak.zip({"pt": ak.unflatten(pt, lengths), "eta": ak.unflatten(eta, lengths)})
    # The split is a hash of the file's UUID: with a fixed one the tests train and test on the same rows each time.
    with uproot.recreate(path, uuid_function=lambda: uuid.UUID(int=seed)) as file:
        types = {name: values.type if isinstance(values, ak.Array) else values.dtype for name, values in flat.items()}
        file.mktree(tree, types).extend(flat)
    return str(path)


def write_sample(folder, rows: int = 1500):
    """Two files, signal and background; returns (files, labels)."""
    files = [
        write_events(folder / "signal.root", rows, True, 1),
        write_events(folder / "background.root", rows, False, 2),
    ]
    return files, [1, 0]
