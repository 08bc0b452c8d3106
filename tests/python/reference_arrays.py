"""The physics samples of ../shared/data/tth as NumPy arrays read by uproot, split as a bundle's recipe splits them."""

from __future__ import annotations

import json
import os

import numpy as np
import uproot

SHARED = os.path.join(os.path.dirname(__file__), "..", "..", "..", "shared", "data")
FOLDER = os.path.join(SHARED, "tth")
PARAMS = {
    "branch": "boosted/events",
    "identifier": ["runNo", "evtNo", "lumi"],
    "exclude_branches": ["genEvtWeight"],
    "scaler": "minmax",
    "epochs": 5,
    "batch_size": 100,
    "leak_guard": "error",
}
SAMPLING = 0.0025  # what the AUC of a 20 % test part moves from one split to another (five folds of reference-auc.json)


def available() -> bool:
    return os.path.isdir(FOLDER)


def sample():
    """(files, labels)"""
    names = sorted(name for name in os.listdir(FOLDER) if name.endswith(".root"))
    return [os.path.join(FOLDER, name) for name in names], [int("ttH" in name) for name in names]


def reference(model: str) -> float:
    """Mean test AUC of a row of reference-auc.json."""
    with open(os.path.join(SHARED, "golden", "reference-auc.json"), encoding="utf-8") as stream:
        flat = json.load(stream)["flat"]
    row = flat[model] if model in flat else flat["five_folds"][model]
    found = row.get("auc_test", row.get("auc"))
    return found["mean"] - found["std"]


def arrays(bundle):
    """{part: (x scaled to 0..1, y)} by uproot and NumPy; only the part of each entry comes from the bundle's recipe."""
    x, y, part = [], [], []
    files, labels = sample()
    for name, label in zip(files, labels):
        tree = uproot.open(name)["boosted/events"]
        x.append(
            np.column_stack(
                [tree[branch].array(library="np").astype(np.float64) for branch in bundle.recipe.features()]
            )
        )
        y.append(np.full(len(x[-1]), label))
        ident = next(item["id"] for item in bundle.info["training"]["files"] if item["url"] == name)
        part.append(bundle.recipe.split(ident, 0, len(x[-1])))
    x, y, part = np.concatenate(x), np.concatenate(y), np.concatenate(part)
    x = ((x - x.min(axis=0)) / (x.max(axis=0) - x.min(axis=0))).astype(np.float32)
    return {name: (x[part == k], y[part == k]) for k, name in enumerate(("train", "validation", "test"))}
