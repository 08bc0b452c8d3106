"""Files for the tests of files and tables: one made by uproot, and a few small ones that ROOT wrote."""

from __future__ import annotations

import os

import awkward as ak
import numpy as np
import uproot

DATA = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data")

#: Written by ROOT 6: nested vectors; leaf lists; strings; cycles of one name; trees without entries; many clusters.
NESTED, LEAF_LISTS, STRINGS, CYCLES, EMPTY, CLUSTERS = (
    os.path.join(DATA, f"{name}.root")
    for name in ("vectors-nested", "leaf-lists", "strings-split0", "cycles", "empty", "clusters-merged")
)

NUMBERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64", "bool")


def write_kinds(path: str, rows: int = 1000, baskets: int = 4) -> dict:
    """A tree "dir/kinds" with every kind of number, a fixed array and counted arrays; returns what was written."""
    rng = np.random.default_rng(5)
    lengths = rng.poisson(2.0, rows)
    columns = {name: rng.integers(0, 100, rows).astype(name) for name in NUMBERS}
    columns["fixed"] = rng.normal(size=(rows, 3)).astype(np.float32)
    columns["pt"] = ak.unflatten(rng.exponential(50, lengths.sum()).astype(np.float32), lengths)
    columns["id"] = ak.unflatten(rng.integers(-5, 5, lengths.sum()).astype(np.int32), lengths)
    with uproot.recreate(path) as file:
        types = {
            name: values.type if isinstance(values, ak.Array) else np.dtype((values.dtype, values.shape[1:]))
            for name, values in columns.items()
        }
        tree = file.mktree("dir/kinds", types, title="all kinds")
        for part in range(baskets):
            cut = slice(part * rows // baskets, (part + 1) * rows // baskets)
            tree.extend({name: values[cut] for name, values in columns.items()})
    return columns


def same(ours, expected) -> bool:
    """Equal values, whatever made them."""
    return ak.array_equal(ak.Array(ours), ak.Array(expected), dtype_exact=False, check_parameters=False)
