"""XGBoost: quantised matrices from the loader's batches, boosting with early stopping on the validation part, UBJ.

The loader is not shuffled here: the library reads the data twice and trees do not care. Masked values are handed over
as missing (NaN). XGBoost refuses negative weights, so those rows are left out of the training, and that is said.
"""

from __future__ import annotations

import math
import os
import time

import numpy as np
import xgboost as xgb

from .._errors import ArgumentError, UnsupportedError
from ._base import Predictor, Trainer, describe_inputs
from ._fit import open_part

CHECKPOINT_SECONDS = 10.0
MODEL_FILE = "model.ubj"


def with_missing(inputs, name):
    """Columns of the flat input, NaN where the mask says padding or missing."""
    x, mask = inputs[name]
    return np.where(np.asarray(mask) == 0, x, np.float32(np.nan)) if np.any(mask) else np.ascontiguousarray(x)


class Batches(xgb.DataIter):
    """The loader as XGBoost's iterator: one call, one batch."""

    def __init__(self, loader, trainer, step=None):
        self.loader, self.trainer, self.step, self.iterator = loader, trainer, step, None
        self.seen = self.dropped = 0
        super().__init__(release_data=True)

    def reset(self):
        self.iterator, self.seen = None, 0
        self.loader.set_epoch(0)

    def next(self, input_data):
        if self.iterator is None:
            self.iterator = iter(self.loader)
            if self.step:
                self.step.at(0)  # the library makes several passes; the rows of one are what is counted
        for batch in self.iterator:
            keep = batch.w >= 0
            self.seen += int(np.sum(~keep))
            if self.step:
                self.step.update(len(keep))
            if not keep.any():
                continue
            x = with_missing(batch.inputs, self.trainer.input)
            input_data(
                data=x[keep] if not keep.all() else x,
                weight=np.array(batch.w[keep]),
                label=self.trainer.task.index(batch.y)[keep].astype(np.float32),
            )
            return True
        self.dropped = self.seen  # of a whole pass; the library makes several
        return False


class Watch(xgb.callback.TrainingCallback):
    """After each round: progress, history, now and then a checkpoint."""

    def __init__(self, trainer, run, step, base):
        self.trainer, self.run, self.step, self.base = trainer, run, step, base
        self.start = self.saved = time.monotonic()

    def after_iteration(self, model, epoch, evals_log):
        values = {"epoch": self.base + epoch}
        for part, prefix in (("train", ""), ("validation", "val_")):
            for name, series in (evals_log.get(part) or {}).items():
                value = float(series[-1])
                key = prefix + ("loss" if name in ("logloss", "mlogloss", "rmse") else name)
                values[key] = value if math.isfinite(value) else None
        self.run.record(self.trainer, **values)
        self.step.update(1, **{key: value for key, value in values.items() if key != "epoch" and value is not None})
        if time.monotonic() - self.saved > CHECKPOINT_SECONDS:
            self.trainer.booster = model
            self.run.checkpoint.save({"epoch": values["epoch"], "history": self.run.history}, self.trainer.save_state)
            self.saved = time.monotonic()
        return False


class XGBoostTrainer(Trainer):
    framework = "xgboost"
    streams = False

    def __init__(self, user, task, recipe, params, say):
        super().__init__(user, task, recipe, params, say)
        if len(self.inputs) != 1 or self.inputs[0]["padded"]:
            raise UnsupportedError("XGBoost takes one flat input; remove `inputs` from the parameters")
        self.input, self.booster = self.inputs[0]["name"], None
        if not hasattr(self.model, "get_xgb_params"):
            raise ArgumentError(f"model() returned {type(self.model).__name__}; return XGBClassifier or XGBRegressor")
        self.rounds = self.model.get_num_boosting_rounds()
        self.xgb_params = self._parameters(params)

    def _parameters(self, params):
        given = {key: value for key, value in self.model.get_xgb_params().items() if value is not None}
        given.pop("n_estimators", None)
        given.setdefault("seed", given.pop("random_state", int(params.get("seed") or 0)))
        objective = str(given.get("objective", ""))
        if self.task.regression:
            if not objective or "logistic" in objective or "multi" in objective:
                given["objective"] = "reg:squarederror"
        elif len(self.task.classes) > 2:
            given.update(objective="multi:softprob", num_class=len(self.task.classes))
        elif not objective or objective.startswith("multi"):
            given["objective"] = "binary:logistic"
        metric = given.get("eval_metric") or getattr(self.model, "eval_metric", None)
        given["eval_metric"] = metric if metric and not callable(metric) else self._metrics()
        return given

    def _metrics(self):
        if self.task.regression:
            return ["rmse"]
        return ["auc", "logloss"] if len(self.task.classes) == 2 else ["auc", "mlogloss"]

    def _matrix(self, run, split, label, reference=None):
        loader = open_part(run.dataset, split, shuffle=False)
        try:
            if not loader.num_rows:
                return None
            with run.progress.step(label, loader.num_rows) as step:
                batches = Batches(loader, self, step)
                matrix = xgb.QuantileDMatrix(
                    batches, ref=reference, missing=np.nan, max_bin=self.xgb_params.get("max_bin")
                )
            if batches.dropped:
                self.note(
                    f"XGBoost refuses negative weights: {batches.dropped} rows of the {split} part with a "
                    "negative weight are not used (negative_weights: abs uses their size)"
                )
            return matrix
        finally:
            loader.close()

    def fit(self, run):
        train = self._matrix(run, "train", "binning")
        if train is None:
            raise ArgumentError("no training rows: all entries were dropped or the train share is 0")
        validation = self._matrix(run, "validation", "binning validation", train)
        patience = getattr(self.model, "early_stopping_rounds", None) or run.patience
        evals = [(train, "train")] + ([(validation, "validation")] if validation is not None else [])
        callbacks, done = [], 0
        if run.state:
            self.load_state(run.checkpoint.model_folder())
            run.history[:] = run.state["history"]
            done = run.state["epoch"] + 1
            run.progress.say(f"resumed after round {done}")
        if patience and validation is not None:
            callbacks.append(xgb.callback.EarlyStopping(int(patience), save_best=False))
        with run.progress.step("boosting", self.rounds, "rounds") as step:
            step.done = done
            callbacks.append(Watch(self, run, step, done))
            self.booster = xgb.train(
                self.xgb_params,
                train,
                num_boost_round=self.rounds - done,
                evals=evals,
                verbose_eval=False,
                callbacks=callbacks,
                xgb_model=self.booster,
            )
        self._cut()
        return run.history

    def _cut(self):
        """Keeps the trees up to the best round, so that whoever loads the file has the best model."""
        try:
            best = self.booster.best_iteration
        except AttributeError:
            return
        if best + 1 < self.booster.num_boosted_rounds():
            self.booster = self.booster[: best + 1]
            self.note(f"stopped early: {best + 1} rounds kept")

    def predict(self, inputs):
        return predict(self.booster, with_missing(inputs, self.input))

    def save_state(self, folder):
        self.booster.save_model(os.path.join(folder, MODEL_FILE))

    def load_state(self, folder):
        self.booster = xgb.Booster(model_file=os.path.join(folder, MODEL_FILE))

    def export(self, folder):
        self.booster.feature_names = self.recipe.features()
        self.booster.save_model(os.path.join(folder, MODEL_FILE))
        return {
            "back_end": "xgboost",
            "file": MODEL_FILE,
            "inputs": describe_inputs(self.recipe, "nan"),
            "outputs": [{"name": "score", "dtype": "float32", "shape": [-1, self.task.num_outputs]}],
        }


def predict(booster, x):
    return np.asarray(booster.inplace_predict(x, validate_features=False), dtype=np.float32)


class SavedPredictor(Predictor):
    def __init__(self, folder, info):
        self.booster = xgb.Booster(model_file=os.path.join(folder, info["file"]))
        self.input = info["inputs"][0]["recipe_input"]

    def predict(self, inputs):
        return predict(self.booster, with_missing(inputs, self.input))


def load(folder, info) -> Predictor:
    return SavedPredictor(folder, info)


TRAINER = XGBoostTrainer
