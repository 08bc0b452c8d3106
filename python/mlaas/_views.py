"""A loader as each framework wants it: whole batches, handed over without a copy.

What is yielded: ``(inputs, y)``, or ``(inputs, y, w)`` where the loader is weighted (weights=True or False overrules).
``y`` and ``w`` are float32 of shape (rows,). ``inputs`` is the one tensor x, or a dict by name where there are several
inputs or masks: {"jets": x, "jets_mask": mask}.

masks: None gives masks of padded inputs only, False none. Otherwise "slots" (one bool for each slot, rows x slots; for
a flat input one for each value) or "values" (one for each value, the shape of x); True is "slots". The convention is
the framework's: **Keras and TensorFlow: True is real, False is padding; torch: True is padding, to be ignored** (as in
key_padding_mask). With "values" also missing values (NaN, sentinels) count as padding, with "slots" only absent slots.
XGBoost has no masks; padding and missing values can become NaN, which it treats as missing.

Labels are float32 whatever the loss: torch's cross_entropy wants y.long(). No view gathers rows or copies x, y, w:
torch and TensorFlow get the loader's memory by DLPack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ._errors import ArgumentError

if TYPE_CHECKING:
    from ._batch import Batch, Batches


class Layout:
    """Which arrays of a batch are yielded, in which form. Pickles."""

    def __init__(self, loader: Batches, masks: bool | str | None, weights: bool | None, real: bool) -> None:
        if masks not in (None, False, True, "slots", "values"):
            raise ArgumentError(f'masks must be None, False, "slots" or "values", not {masks!r}')
        self.weights = loader.weighted if weights is None else weights
        self.form = "slots" if masks in (None, True) else masks
        self.real = real
        self.inputs = loader.recipe.inputs
        self.masked = [row["name"] for row in self.inputs if masks or masks is None and row["padded"]]
        self.single = len(self.inputs) == 1 and not self.masked

    def mask(self, mask: np.ndarray) -> np.ndarray:
        """bool in the framework's convention; this is made anew, as the loader's mask has three values."""
        if self.form == "slots" and mask.ndim == 3:
            absent = (mask == 1).all(axis=2)
        else:
            absent = mask != 0 if self.form == "values" else mask == 1
        return ~absent if self.real else absent

    def arrays(
        self, batch: Batch, convert: Callable[[np.ndarray], Any], convert_mask: Callable[[np.ndarray], Any]
    ) -> tuple[Any, ...]:
        """What is yielded of a batch; ``convert`` takes the loader's arrays, ``convert_mask`` new ones of bool."""
        if self.single:
            inputs: Any = convert(batch.x)
        else:
            inputs = {}
            for name, (x, mask) in batch.inputs.items():
                inputs[name] = convert(x)
                if name in self.masked:
                    inputs[f"{name}_mask"] = convert_mask(self.mask(mask))
        y = convert(batch.y)
        return (inputs, y, convert(batch.w)) if self.weights else (inputs, y)


class Epochs:
    """Each iter() is one epoch of what ``arrays`` makes of a batch; nothing is read before the first next()."""

    def __init__(self, loader: Batches, arrays: Callable[[Batch], Any]) -> None:
        self.loader = loader
        self.arrays = arrays

    def __iter__(self) -> Iterator[Any]:
        for batch in self.loader:
            yield self.arrays(batch)
