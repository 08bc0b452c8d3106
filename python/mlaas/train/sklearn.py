"""scikit-learn, and whatever has its interface: streamed by `partial_fit` where that exists, else collected in memory.

The inputs are scaled by the recipe, so a StandardScaler in front is not needed (and harmless).
"""

from __future__ import annotations

import inspect
import os
import pickle
import time

import joblib
import numpy as np

from .._errors import ArgumentError, Error, LimitError, UnsupportedError
from .._model import Model
from ._base import Predictor, Trainer, check_width, describe_inputs
from ._fit import open_part, score_part, validation_values

MODEL_FILE, ONNX_FILE = "model.joblib", "model.onnx"
PROBE_ROWS, PROBE_CLOSE = 256, 1e-5  # what the ONNX file has to be equal on, and how equal
ROW_EXTRA = 32  # bytes of label, weight and index beside the features


def scores_of(model, x, regression: bool):
    """Probability of class 1 (two classes) or of each class; predictions of a regression."""
    if regression:
        return np.asarray(model.predict(x), dtype=np.float32).reshape(len(x), -1)[:, 0]
    try:
        score = np.asarray(model.predict_proba(x), dtype=np.float32)
    except AttributeError:
        margin = np.asarray(model.decision_function(x), dtype=np.float64)
        if margin.ndim == 1:
            return (1 / (1 + np.exp(-margin))).astype(np.float32)
        margin = np.exp(margin - margin.max(axis=1, keepdims=True))
        return (margin / margin.sum(axis=1, keepdims=True)).astype(np.float32)
    return score[:, 1] if score.shape[1] == 2 else score


def takes_weight(method) -> bool:
    return "sample_weight" in inspect.signature(method).parameters


class SklearnTrainer(Trainer):
    framework = "sklearn"

    def __init__(self, user, task, recipe, params, say):
        super().__init__(user, task, recipe, params, say)
        if len(self.inputs) != 1 or self.inputs[0]["padded"]:
            raise UnsupportedError("scikit-learn takes one flat input; remove `inputs` from the parameters")
        if task.regression and hasattr(self.model, "predict_proba"):
            raise ArgumentError(
                f"{type(self.model).__name__} is a classifier and the label has no classes; "
                "give a regressor, or labels per file"
            )
        self.input = self.inputs[0]["name"]
        check_width(getattr(self.model, "n_features_in_", None), self.inputs, user.source or "model")
        self.streams = hasattr(self.model, "partial_fit")
        self.method = self.model.partial_fit if self.streams else self.model.fit
        self.weighted = takes_weight(self.method)
        self.drop_negative, self.started = False, False

    def _learn(self, x, y, w):
        """Calls fit or partial_fit with weights; a model that refuses negative ones gets the rows without them."""
        keep = w >= 0 if self.drop_negative else slice(None)
        x, y, w = x[keep], y[keep], w[keep]
        extra = {"sample_weight": w} if self.weighted and not np.all(w == 1) else {}
        if not self.weighted and not np.all(w == 1):
            self.note(f"{type(self.model).__name__} takes no weights: trained without them")
        if self.streams and not self.started and not self.task.regression:
            extra["classes"] = np.arange(len(self.task.classes))
        try:
            self.method(x, y, **extra)
            self.started = True
        except ValueError as error:
            if self.drop_negative or "negative" not in str(error).lower() or not (w < 0).any():
                raise ArgumentError(f"{type(self.model).__name__} cannot be trained: {error}") from error
            self.drop_negative = True
            self.note(
                f"{type(self.model).__name__} refuses negative weights: rows with a negative weight are not "
                "used for training (negative_weights: abs uses their size)"
            )
            self._learn(x, y, w)

    def train_batch(self, batch):
        self._learn(batch.inputs[self.input][0], self.task.index(batch.y), batch.w)

    def _collect(self, run):
        """All training rows as one array, if they fit under the ceiling."""
        loader = open_part(run.dataset, "train")
        width = self.inputs[0]["features"]
        rows = loader.num_rows
        need = rows * (width * 4 + ROW_EXTRA)
        if run.memory and need > run.memory:
            loader.close()
            raise LimitError(
                f"{type(self.model).__name__} has no partial_fit, so its {rows} training rows "
                f"of {width} columns must be held at once: {need / 1e6:.0f} MB, the ceiling is "
                f"{run.memory / 1e6:.0f} MB; raise memory, set nevents, or take a model that streams"
            )
        x = np.empty((rows, width), dtype=np.float32)
        y, w = np.empty(rows, np.float32), np.empty(rows, np.float32)
        row = 0
        with run.progress.step("collect", rows) as step:
            for batch in loader:
                stop = row + len(batch.y)
                x[row:stop], y[row:stop], w[row:stop] = batch.inputs[self.input][0], batch.y, batch.w
                row = stop
                step.update(len(batch.y))
        loader.close()
        return x[:row], self.task.index(y[:row]), w[:row]

    def fit(self, run):
        x, y, w = self._collect(run)
        if not len(y):
            raise ArgumentError("no training rows: all entries were dropped or the train share is 0")
        start = time.monotonic()
        with run.progress.step(f"fit {type(self.model).__name__}") as step:
            self._learn(x, y, w)
            values = {"epoch": 0, "seconds": round(time.monotonic() - start, 3)}
            validation = open_part(run.dataset, "validation")
            values.update(validation_values(self, score_part(self, validation)))
            validation.close()
            step.values.update({k: v for k, v in values.items() if k.startswith("val") and v is not None})
        run.record(self, **values)
        return run.history

    def predict(self, inputs):
        return scores_of(self.model, inputs[self.input][0], self.task.regression)

    def save_state(self, folder):
        with open(os.path.join(folder, "sklearn.pickle"), "wb") as stream:
            pickle.dump((self.model, self.drop_negative), stream)

    def load_state(self, folder):
        with open(os.path.join(folder, "sklearn.pickle"), "rb") as stream:
            self.model, self.drop_negative = pickle.load(stream)
        self.method, self.started = (self.model.partial_fit if self.streams else self.model.fit), True

    def export(self, folder):
        joblib.dump(self.model, os.path.join(folder, MODEL_FILE))
        result = {
            "back_end": "python",
            "file": MODEL_FILE,
            "inputs": describe_inputs(self.recipe),
            "outputs": [{"name": "score", "dtype": "float32", "shape": [-1, self.task.num_outputs]}],
        }
        onnx = self._export_onnx(os.path.join(folder, ONNX_FILE))
        if onnx:
            scores = self._scores(onnx, os.path.join(folder, ONNX_FILE))
            result.update(back_end="onnx", file=ONNX_FILE, outputs=onnx, **({"scores": scores} if scores else {}))
        return {**result, "native_file": MODEL_FILE, "regression": self.task.regression}

    def _scores(self, outputs, path):
        """Which of the ONNX file's outputs is what `scores_of` gives; None where none is (margins, coarse sums)."""
        if self.task.regression:
            found = {"output": outputs[0]["name"]}
        elif hasattr(self.model, "predict_proba") and len(outputs) == 2:
            found = {"output": outputs[1]["name"], **({"column": 1} if len(self.task.classes) == 2 else {})}
        else:
            return None
        x = np.random.default_rng(0).normal(0.5, 0.5, size=(PROBE_ROWS, self.inputs[0]["features"])).astype(np.float32)
        try:
            with Model(path, "onnxruntime") as model:
                made = model.run(x)[found["output"]]
        except Error:  # no ONNX Runtime here: whoever has one trusts the converter
            return found
        made = made[:, found["column"]] if "column" in found else made
        wanted = scores_of(self.model, x, self.task.regression)
        largest = float(np.max(np.abs(made.reshape(wanted.shape) - wanted) / (1 + np.abs(wanted))))
        if largest <= PROBE_CLOSE:
            return found
        self.note(
            f"the ONNX file's scores are coarser, by up to {largest:.1e}: mlaas predicts with scikit-learn itself"
        )
        return None

    def _export_onnx(self, path):
        """Writes the ONNX file; returns its outputs, or None where the converter does not know the model."""
        try:
            import skl2onnx

            kinds = [(self.input, skl2onnx.common.data_types.FloatTensorType([None, self.inputs[0]["features"]]))]
            options = {} if self.task.regression or not hasattr(self.model, "predict_proba") else {"zipmap": False}
            made = skl2onnx.convert_sklearn(self.model, initial_types=kinds, options=options, target_opset=15)
        except Exception as error:  # the converter raises all sorts for models that it does not know
            first = str(error).strip().splitlines()
            self.note(f"no ONNX file: {type(error).__name__}: {first[0] if first else ''}")
            return None
        with open(path, "wb") as stream:
            stream.write(made.SerializeToString())
        return [
            {
                "name": item.name,
                "dtype": "int64" if "label" in item.name else "float32",
                "shape": [-1] + [d.dim_value for d in item.type.tensor_type.shape.dim[1:]],
            }
            for item in made.graph.output
        ]


class SavedPredictor(Predictor):
    def __init__(self, folder, info):
        self.model = joblib.load(os.path.join(folder, info["native_file"]))
        self.input, self.regression = info["inputs"][0]["recipe_input"], info["regression"]

    def predict(self, inputs):
        return scores_of(self.model, inputs[self.input][0], self.regression)


def load(folder, info) -> Predictor:
    return SavedPredictor(folder, info)


TRAINER = SklearnTrainer
