"""Makes the files beside it: two small trees with flat and jagged branches, weights of both signs, labels, identifiers.

    python tests/data/loader/make.py

The branch `key` is the entry number plus a million times the number of the file, so that every row can be told.
"""
from pathlib import Path

import awkward as ak
import numpy as np
import uproot


def make(path, number, entries, cluster, wide):
    random = np.random.default_rng(number)
    counts = random.poisson(2.5, entries)
    total = int(counts.sum())
    columns = {
        "key": np.arange(entries, dtype=np.int32) + 1000000 * number,
        "met": random.normal(50 + 10 * number, 20, entries).astype(np.float32),
        "ht": random.exponential(100, entries).astype(np.float64 if wide else np.float32),
        "tight": random.random(entries) < 0.3,
        "run": np.full(entries, 1 + number, dtype=np.int32),
        "event": np.arange(entries, dtype=np.int64) // 2,
        "target": (random.random(entries) < 0.4).astype(np.float32),
        "weight": random.normal(1, 0.8, entries).astype(np.float32),
        "Jet": ak.zip({
            "pt": ak.unflatten(random.exponential(40, total).astype(np.float32), counts),
            "eta": ak.unflatten(random.normal(0, 2, total).astype(np.float32), counts)}),
    }
    columns["met"][::97] = np.nan
    if number == 1:
        columns["extra"] = np.zeros(entries, dtype=np.int32)
    with uproot.recreate(path, compression=uproot.ZLIB(1)) as file:
        for start in range(0, entries, cluster):
            chunk = {name: values[start:start + cluster] for name, values in columns.items()}
            if start == 0:
                file.mktree("events", {n: v.type if isinstance(v, ak.Array) else v.dtype for n, v in chunk.items()})
            file["events"].extend(chunk)


if __name__ == "__main__":
    here = Path(__file__).parent
    make(here / "a.root", 0, 3000, 700, False)
    make(here / "b.root", 1, 1700, 1700, True)
