"""What a bundle predicts with: its model in C by a back end, or, where none can load it, the framework in Python.

Knows what model.json says of inputs, masks and outputs; no framework.
"""

from __future__ import annotations

import importlib
import logging
import os

import numpy as np

from ._errors import ArgumentError, NotFoundError, UnsupportedError
from ._model import Model
from .train._base import Predictor, flat_scores, slot_valid

log = logging.getLogger("mlaas")
_said: set[str] = set()


class CorePredictor(Predictor):
    """Scores of a bundle's model run in C."""

    def __init__(self, folder: str, info: dict, backend: str | None = None, options: dict | None = None):
        threads = len(os.sched_getaffinity(0))
        self.model = Model(folder, backend, threads=threads, options=options)
        self.order = self._match(info["inputs"])
        self.output, self.column = self._find_scores(info)

    def _match(self, items: list) -> list:
        """model.json's description of each of the model's inputs, in the model's order."""
        by_name = {item["name"]: item for item in items}
        inputs = self.model.inputs
        if all(given.name in by_name for given in inputs):
            return [(given, by_name[given.name]) for given in inputs]
        if len(items) == len(inputs) == 1:
            return [(inputs[0], items[0])]
        there = ", ".join(given.name for given in inputs)
        raise UnsupportedError(
            f"{self.model.path}: the model's inputs are {there}, model.json has {', '.join(by_name)}"
        )

    def _find_scores(self, info: dict) -> tuple:
        scores = info.get("scores")
        if scores:
            return scores["output"], scores.get("column")
        if len(self.model.outputs) != 1:
            names = ", ".join(output.name for output in self.model.outputs)
            raise UnsupportedError(f"{self.model.path}: model.json does not say which of {names} are the scores")
        return self.model.outputs[0].name, None

    def _value(self, given, item: dict, inputs: dict):
        x, mask = inputs[item["recipe_input"]]
        kind = item.get("mask", "none")
        if kind == "valid":
            valid = slot_valid(mask) if len(item["shape"]) == 2 else np.asarray(mask) == 0
            return valid.astype(given.dtype)
        if kind == "padding":
            return ~slot_valid(mask)
        if kind == "nan" and np.any(mask):
            x = np.array(x, dtype=np.float32)
            self.model.apply_mask(x, mask)
        return x

    def predict(self, inputs):
        outputs = self.model.run([self._value(given, item, inputs) for given, item in self.order])
        scores = outputs[self.output]
        return flat_scores(scores if self.column is None else scores[:, self.column])


def _by_framework(folder: str, info: dict) -> Predictor:
    framework = info["training"]["framework"]
    try:
        module = importlib.import_module(f".train.{framework}", __package__)
    except ImportError as error:
        raise UnsupportedError(f"{folder}: needs {framework}, which is not installed: {error}") from error
    return module.load(folder, info)


def open_predictor(folder: str, info: dict, backend: str | None = None, options: dict | None = None) -> Predictor:
    """backend: one of the plug-ins, "python" for the framework that trained the model, None for what can run it."""
    if backend == "python":
        if options:
            raise ArgumentError("options are for back ends in C, not for python")
        return _by_framework(folder, info)
    try:
        return CorePredictor(folder, info, backend, options)
    except (UnsupportedError, NotFoundError) as error:
        if backend or options:
            raise
        reason = str(error)
    try:
        made = _by_framework(folder, info)
    except UnsupportedError as error:
        raise UnsupportedError(f"{error.message}; and in C: {reason}") from error
    if reason not in _said:
        _said.add(reason)
        log.warning("%s runs the model in Python: %s", info["training"]["framework"], reason)
    return made
