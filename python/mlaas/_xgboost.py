"""A loader as XGBoost's data iterator. What it delivers: see _views.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import xgboost

from ._views import Layout

if TYPE_CHECKING:
    from ._batch import Batch, Batches


class LoaderIter(xgboost.DataIter):
    """Batches of a mlaas.Loader, for ``xgboost.QuantileDMatrix(iter)``; labels and weights go along.

    XGBoost goes over the data several times and needs the same order each time, so all passes deliver the epoch at
    which the loader was when this object was made. Inputs are laid side by side, padded ones slot by slot.
    """

    def __init__(self, loader: Batches, missing: bool, weights: bool | None) -> None:
        super().__init__()
        self.loader = loader
        self.missing = missing
        self.weights = Layout(loader, False, weights, real=True).weights
        self.feature_names = [name for row in loader.recipe.inputs for name in _columns(loader, row)]
        self._epoch = loader.epoch
        self._batches: Iterator[Batch] | None = None

    def reset(self) -> None:
        self.loader.set_epoch(self._epoch)
        self._batches = None

    def next(self, input_data: Callable[..., Any]) -> bool:
        if self._batches is None:
            self._batches = iter(self.loader)
        batch = next(self._batches, None)
        if batch is None:
            return False
        more = {"weight": batch.w} if self.weights else {}
        input_data(data=self._matrix(batch), label=batch.y, feature_names=self.feature_names, **more)
        return True

    def _matrix(self, batch: Batch) -> np.ndarray:
        columns = []
        for x, mask in batch.inputs.values():
            if self.missing:
                x[mask != 0] = np.nan
            columns.append(x.reshape(len(x), -1))
        return columns[0] if len(columns) == 1 else np.concatenate(columns, axis=1)


def _columns(loader: Batches, row: dict[str, Any]) -> list[str]:
    features = loader.recipe.features(row["name"])
    if not row["padded"]:
        return features
    return [f"{feature}_{slot}" for slot in range(row["slots"]) for feature in features]
