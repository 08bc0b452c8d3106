"""The recipe (mlaas-recipe, version 1) of a compat run: with it a bundle makes the vectors that training saw.

It must not read events: types and specs are given. Lists longer than the specs knew, which end the original's run, are
cut by the recipe's width, so that prediction goes on.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from .specs import FileSpecs

#: Arrow's letters for NumPy's kinds and sizes.
FORMATS = dict(zip("b1 i1 u1 i2 u2 i4 u4 i8 u8 f4 f8".split(), "bcCsSiIlLfg"))


def recipe_text(specs: FileSpecs, identifier: Any, types: Mapping[str, np.dtype], table: str) -> str:
    """recipe.json with one flat input "x", NaN and padding 0, and the original's arithmetic."""
    flat = [_column(specs, key, types[key]) for key in specs.flat_keys(identifier)]
    lists = [
        {**_column(specs, key, types[key]), "width": specs.jdim[key]} for key in specs.jagged_keys() if specs.jdim[key]
    ]
    recipe = {
        "format": "mlaas-recipe",
        "version": 1,
        "table": table,
        "arithmetic": "compat",
        "pad": 0,
        "inputs": [{"name": "x", "kind": "flat", "columns": flat + lists}],
    }
    return json.dumps(recipe)


def _column(specs: FileSpecs, key: str, dtype: np.dtype) -> dict[str, Any]:
    low, high = specs.minv[key], specs.maxv[key]
    kind = f"{dtype.kind}{dtype.itemsize}"
    return {"branch": key, "type": FORMATS[kind], "scaler": "minmax", "min": _number(low), "max": _number(high)}


def _number(value: float) -> float | str:
    """JSON has no numbers for these."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value
