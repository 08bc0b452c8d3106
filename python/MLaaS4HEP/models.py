"""Trainer and train_model as scripts of the original know them: all epochs on one chunk, then on the next.

Where the original trained nothing (torch) or refused (scikit-learn), this trains. mlaas.train makes true epochs over
all data, weights, metrics and a bundle: prefer it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import mlaas
import numpy as np
from mlaas.compat import split_rows

from .generator import RootDataGenerator, file_type
from .utils import load_code

__all__ = ["Trainer", "file_type", "train_model"]


def _framework(model: Any) -> str:
    roots = {kind.__module__.split(".")[0] for kind in type(model).__mro__}
    for name in ("torch", "xgboost", "sklearn"):
        if name in roots:
            return name
    if roots & {"keras", "tensorflow"}:
        return "keras"
    text = f"{type(model).__module__}.{type(model).__name__} is no model of Keras, PyTorch, scikit-learn or XGBoost"
    raise mlaas.ArgumentError(text)


class Trainer:
    """fit, predict and save for a model of any framework. Predictions are the model's own output."""

    def __init__(self, model: Any, verbose: int = 0):
        self.model = model
        self.verbose = verbose
        self.framework = _framework(model)
        self._optimizer: Any = None
        if verbose:
            print(model.summary() if hasattr(model, "summary") else model)

    def fit(self, x_train: np.ndarray, y_train: np.ndarray, **kwds: Any) -> None:
        """Trains on a chunk. Keras takes all of `kwds`; torch epochs, batch_size and shuffle; others none."""
        if self.framework == "keras":
            self.model.fit(x_train, y_train, verbose=self.verbose, **kwds)
        elif self.framework == "torch":
            self._fit_torch(np.asarray(x_train, np.float32), np.asarray(y_train, np.float32), **kwds)
        elif hasattr(self.model, "partial_fit"):
            self.model.partial_fit(x_train, np.ravel(y_train), classes=self._classes(y_train))
        else:
            text = f"{type(self.model).__name__} cannot learn chunk by chunk; mlaas.train gives it all data at once"
            raise mlaas.UnsupportedError(text)

    def _classes(self, y_train: np.ndarray) -> np.ndarray:
        """Of the first chunk: scikit-learn wants them before it has seen all data."""
        return getattr(self.model, "classes_", np.unique(y_train))

    def _fit_torch(self, x, y, epochs=1, batch_size=50, shuffle=True, validation_data=None) -> None:
        """Binary cross entropy on the model's probabilities, Adam with rate 1e-3."""
        import torch

        del validation_data
        self._optimizer = self._optimizer or torch.optim.Adam(self.model.parameters(), lr=1e-3)
        loss_of = torch.nn.BCELoss()
        y = y.reshape(len(y), -1)
        self.model.train()
        for _ in range(epochs):
            order = torch.randperm(len(x)) if shuffle else torch.arange(len(x))
            for rows in order.split(batch_size):
                rows = rows.numpy()
                self._optimizer.zero_grad()
                loss = loss_of(self.model(torch.as_tensor(x[rows])), torch.as_tensor(y[rows]))
                loss.backward()
                self._optimizer.step()

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Scores of rows; NaN counts as 0, as in training."""
        x = np.nan_to_num(np.asarray(x), nan=0.0)
        if self.framework == "keras":
            return self.model.predict(x, verbose=0)
        if self.framework == "torch":
            import torch

            self.model.eval()
            with torch.no_grad():
                return self.model(torch.as_tensor(x.astype(np.float32))).numpy()
        return self.model.predict_proba(x) if hasattr(self.model, "predict_proba") else self.model.predict(x)

    def save(self, fout: str) -> None:
        """Keras: its own format by the suffix; torch and scikit-learn: the whole object."""
        if self.framework == "keras":
            self.model.save(fout)
        elif self.framework == "torch":
            import torch

            torch.save(self.model, fout)
        else:
            import joblib

            joblib.dump(self.model, fout)


def train_model(
    model: Any,
    files: Sequence[str],
    labels: Sequence[Any] | str,
    preproc: Any = None,
    params: Mapping[str, Any] | None = None,
    specs: Mapping[str, Any] | None = None,
    fout: str | None = None,
    dtype: str | None = None,
) -> Trainer:
    """Trains on chunks, 64 % of each, validated on 16 %; returns the trainer.

    model: Python file with model(idim), or that function. preproc and dtype are taken and, as ever, unused for ROOT.
    """
    del preproc, dtype
    params = params or {}
    make_model = load_code(model, "model") if isinstance(model, str) else model
    generator = RootDataGenerator(list(files), labels, params, specs)
    keywords = {key: params.get(key, value) for key, value in (("epochs", 10), ("batch_size", 50), ("shuffle", True))}
    trainer: Trainer | None = None
    for x, mask, y in generator:
        if len(x) == 0:
            break
        if trainer is None:
            trainer = Trainer(make_model(x.shape[1]), verbose=params.get("verbose", 0))
        train, validation, _ = split_rows(y)
        x = np.where(mask == 1, 0.0, x)
        targets = y.astype(np.float64).reshape(-1, 1)
        trainer.fit(x[train], targets[train], **keywords, validation_data=(x[validation], targets[validation]))
    if trainer is None:
        raise mlaas.ArgumentError(f"no events in {json.dumps(list(files))}")
    if fout:
        trainer.save(fout)
    return trainer
