"""What every trainer shares: the task (classes, scores), the views of a batch, and the contract that they fill.

Knows batches and recipes, but no framework.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._errors import ArgumentError, SchemaError

VALID = 0


@dataclass
class Task:
    """What is learnt: the values of the label that are classes (empty for a regression)."""

    classes: list

    @property
    def regression(self) -> bool:
        return not self.classes

    @property
    def num_outputs(self) -> int:
        return 1 if len(self.classes) <= 2 else len(self.classes)

    def index(self, y):
        """Class number 0, 1 ... of labels, int64; labels themselves (float32) for a regression."""
        if self.regression:
            return np.ascontiguousarray(y, dtype=np.float32)
        classes = np.asarray(self.classes, dtype=np.float32)
        index = np.searchsorted(classes, y)
        index[index == len(classes)] = 0
        if not np.array_equal(classes[index], y):
            wrong = np.asarray(y)[classes[index] != y][0]
            raise SchemaError(f"label {wrong:g} is none of the classes {self.classes}")
        return index


def make_task(dataset) -> Task:
    classes = sorted(float(value) for value in (dataset.classes or []))
    if len(classes) == 1:
        raise ArgumentError(f"every file has label {classes[0]:g}; a classifier needs two classes or more")
    return Task(classes)


def wanted_inputs(names, inputs):
    """Which arrays a model that names its inputs wants: [(name, input, is_mask)]; None if a name does not fit."""
    known = {}
    for item in inputs:
        known[item["name"]] = (item["name"], item["name"], False)
        known[item["name"] + "_mask"] = (item["name"] + "_mask", item["name"], True)
    if len(inputs) == 1:
        known.setdefault("mask", ("mask", inputs[0]["name"], True))
    wanted = [known.get(name) for name in names]
    return None if None in wanted else wanted


def slot_valid(mask):
    """Of a padded input's mask (rows x slots x features): which slots hold an object, rows x slots bool."""
    mask = np.asarray(mask)
    return (mask != 1).any(axis=2) if mask.ndim == 3 else mask == VALID


def check_width(expected, inputs, where: str):
    """Raises if a model was built for another number of columns than the data has."""
    features = inputs[0]["features"]
    if expected is not None and expected != features:
        raise ArgumentError(
            f"{where}: the model takes {expected} columns, the data has {features}; "
            "build it from the argument of model(idim)"
        )


def flat_scores(score):
    """Scores as float32, one column as a plain vector."""
    score = np.asarray(score, dtype=np.float32)
    return score[:, 0] if score.ndim == 2 and score.shape[1] == 1 else score


class Predictor:
    """Scores of a trained model. `inputs`: {name: (x, mask)} -> float32 (rows,) or (rows, classes)."""

    def predict(self, inputs):
        raise NotImplementedError


class Trainer(Predictor):
    """One framework's way to train. A subclass says with `streams` whether it learns batch by batch."""

    framework = ""
    streams = True

    def __init__(self, user, task: Task, recipe, params: dict, say):
        self.user, self.model, self.task, self.recipe = user, user.model, task, recipe
        self.params, self.say = params, say
        self.inputs = recipe.inputs
        self.notes: list[str] = []

    def note(self, text: str):
        """Says something once and keeps it for model.json."""
        if text not in self.notes:
            self.notes.append(text)
            self.say(text)

    # Streaming trainers.
    def begin_epoch(self):
        pass

    def train_batch(self, batch):
        """Learns from a batch; may return before the work is done."""
        raise NotImplementedError

    def end_epoch(self) -> dict:
        """Training metrics of the epoch, at least "loss" where the framework has one."""
        return {}

    def evaluate_batch(self, batch):
        """Scores of a batch and its summed training loss (None: computed from all scores by `loss`)."""
        return self.predict(batch.inputs), None

    # Trainers that take everything at once.
    def fit(self, run) -> list:
        """Trains from `run` (see _fit.Run); returns the history."""
        raise NotImplementedError

    def loss(self, index, score, w) -> float | None:
        """Validation loss from scores: cross entropy or squared error with the training weights."""
        return mean_loss(self.task, index, score, w)

    def save_state(self, folder: str):
        """All that is needed to go on training, written into a folder."""
        raise NotImplementedError

    def load_state(self, folder: str):
        raise NotImplementedError

    def export(self, folder: str) -> dict:
        """Writes the model files; returns back_end, file, inputs, outputs for model.json."""
        raise NotImplementedError


def mean_loss(task: Task, index, score, w) -> float | None:
    total = float(np.sum(w, dtype=np.float64))
    if not len(index) or not total:
        return None
    score = np.asarray(score, dtype=np.float64)
    if task.regression:
        return float(np.sum(w * (score.reshape(len(index), -1)[:, 0] - index) ** 2) / total)
    tiny = 1e-7
    if score.ndim == 1 or score.shape[1] == 1:
        score = score.reshape(-1)
        right = np.where(index == 1, score, 1 - score)
    else:
        right = score[np.arange(len(index)), index]
    return float(np.sum(-w * np.log(np.clip(right, tiny, 1.0))) / total)


def describe_inputs(recipe, mask: str = "none") -> list:
    """The inputs of a recipe as model.json gives them; `mask`: none, or nan where masked slots are handed as NaN."""
    result = []
    for item in recipe.inputs:
        shape = [-1, item["slots"], item["features"]] if item["padded"] else [-1, item["features"]]
        result.append(
            {"name": item["name"], "recipe_input": item["name"], "dtype": "float32", "shape": shape, "mask": mask}
        )
    return result
