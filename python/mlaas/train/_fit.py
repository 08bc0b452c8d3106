"""The course of a training: epochs, validation, early stopping, checkpoints, and the scores of a part of the data.

Works on any trainer and any object with the loader's interface; knows no framework and no file format.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from typing import Any, TextIO

import numpy as np

from .. import metrics
from ._checkpoint import disk_error

EVALUATION_ROWS = 4096


class Log:
    """JSON lines, each with the time and what happened; flushed at once, so a kill loses nothing."""

    def __init__(self, path: str, append: bool = False):
        self.path = path
        try:
            self.stream: TextIO | None = open(path, "a" if append else "w", encoding="utf-8")
        except OSError as error:
            raise disk_error(path, error) from error

    def write(self, event: str, **values):
        """Nothing after a first failure: that one is what has to be heard."""
        if self.stream is None:
            return
        line = {"time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "event": event, **values}
        try:
            self.stream.write(json.dumps(line, default=str) + "\n")
            self.stream.flush()
        except OSError as error:
            self.close()
            raise disk_error(self.path, error) from error

    def close(self):
        stream, self.stream = self.stream, None
        if stream:
            with contextlib.suppress(OSError):  # what could not be written was said by write
                stream.close()


@dataclass
class Scores:
    """Scores of a part of the data with what is needed to judge them."""

    score: np.ndarray
    index: np.ndarray
    w: np.ndarray
    raw_w: np.ndarray
    loss: float | None = None

    def metrics(self, task, params=None) -> dict:
        if task.regression:
            return metrics.regression(self.index, self.score, self.raw_w)
        asked = (params or {}).get("metrics")
        threshold = asked.get("threshold", 0.5) if isinstance(asked, dict) else 0.5
        return metrics.classification(self.index, self.score, len(task.classes), self.raw_w, threshold)


def open_part(dataset, split: str, **how):
    """A loader for scoring: larger batches than those of the training, which frameworks run faster."""
    rows = max(int(dataset.params.get("batch_size") or 0), EVALUATION_ROWS)
    return dataset.loader(split, batch_size=rows, **how)


def score_part(trainer, loader, step=None, max_rows: int | None = None) -> Scores:
    """Runs a model over a part of the data; with `max_rows` over the first so many rows of it."""
    parts, losses, rows = [], [], 0
    for batch in loader:
        score, loss = trainer.evaluate_batch(batch)
        losses.append(loss)
        parts.append((score, trainer.task.index(batch.y), np.array(batch.w), np.array(batch.raw_w)))
        rows += len(batch.y)
        if step:
            step.update(len(batch.y))
        if max_rows and rows >= max_rows:
            break
    if not parts:
        empty = np.zeros(0, dtype=np.float32)
        return Scores(empty, np.zeros(0, dtype=np.intp), empty, empty)
    score, index, w, raw_w = (np.concatenate(column) for column in zip(*parts))
    loss = float(np.sum(losses)) / rows if None not in losses else trainer.loss(index, score, w)
    return Scores(score, index, w, raw_w, loss)


@dataclass
class Run:
    """Everything that a training needs beside the trainer."""

    dataset: Any
    params: dict
    progress: Any
    log: Log
    checkpoint: Any
    memory: int = 0
    history: list = field(default_factory=list)
    state: dict | None = None

    @property
    def epochs(self) -> int:
        return int(self.params.get("epochs") or 10)

    @property
    def patience(self) -> int:
        asked = self.params.get("early_stopping") or 0
        return int(asked.get("patience", 5) if isinstance(asked, dict) else asked)

    @property
    def monitor(self) -> tuple:
        """(what early stopping looks at, the least gain that counts)."""
        asked = self.params.get("early_stopping")
        asked = asked if isinstance(asked, dict) else {}
        return asked.get("monitor") or "val_loss", float(asked.get("min_delta") or 0)

    def record(self, trainer, **values):
        """One line of the history, also into the log."""
        self.history.append(values)
        self.log.write("epoch", **values)


def validation_values(trainer, scores: Scores) -> dict:
    """What the history keeps of a validation."""
    if not len(scores.index):
        return {}
    values = {"val_loss": scores.loss}
    if trainer.task.regression:
        values["val_rmse"] = metrics.regression(scores.index, scores.score)["rmse"]
        return values
    result = metrics.classification(scores.index, scores.score, len(trainer.task.classes), scores.raw_w)
    values.update(val_auc=result["auc"], val_accuracy=result["accuracy"])
    if "weighted" in result:
        values["val_auc_weighted"] = result["weighted"]["auc"]
    return values


class Best:
    """The best epoch so far by what early stopping looks at (training loss without validation), kept on disk."""

    def __init__(self, folder: str, monitor=("val_loss", 0.0), state: dict | None = None):
        state = state or {}
        self.folder, (self.key, self.gain) = folder, monitor
        self.value, self.epoch = state.get("value", float("inf")), state.get("epoch", -1)

    def offer(self, trainer, epoch: int, values: dict):
        value = values.get(self.key, values.get("loss"))
        if value is not None and ("auc" in self.key or "accuracy" in self.key):
            value = -value
        if value is not None and value < self.value - (self.gain if self.epoch >= 0 else 0):
            self.value, self.epoch = value, epoch
            temporary = tempfile.mkdtemp(dir=os.path.dirname(self.folder))
            trainer.save_state(temporary)
            shutil.rmtree(self.folder, ignore_errors=True)
            os.rename(temporary, self.folder)

    def state(self) -> dict:
        return {"value": self.value, "epoch": self.epoch} if self.epoch >= 0 else {}


def _train_epoch(trainer, loader, run, epoch):
    with run.progress.step(f"epoch {epoch + 1}/{run.epochs}", loader.num_rows) as step:
        start = time.monotonic()
        trainer.begin_epoch()
        for batch in loader:
            trainer.train_batch(batch)
            step.update(batch.rows)
        values = {"epoch": epoch, **trainer.end_epoch()}
        values["seconds"] = round(time.monotonic() - start, 3)
        validation = open_part(run.dataset, "validation")
        values.update(validation_values(trainer, score_part(trainer, validation)))
        validation.close()
        step.values.update({k: v for k, v in values.items() if k not in ("epoch", "seconds") and v is not None})
    return values


def stream(trainer, run: Run) -> list:
    """True epochs over all training data; every epoch validated, logged and checkpointed."""
    loader = run.dataset.loader("train")
    best = Best(os.path.join(run.checkpoint.folder, "best"), run.monitor, (run.state or {}).get("best"))
    every = run.params.get("checkpoint", 1)
    first = 0
    if run.state:
        trainer.load_state(run.checkpoint.model_folder())
        run.history[:] = run.state["history"]
        first = run.state["epoch"] + 1
        loader.load_state_dict(run.state["loader"])
        run.progress.say(f"resumed after epoch {first}")
    try:
        for epoch in range(first, run.epochs):
            if run.patience and best.epoch >= 0 and epoch - best.epoch > run.patience:
                run.progress.say(f"stopped early: no better {best.key} for {run.patience} epochs")
                break
            loader.set_epoch(epoch)
            run.record(trainer, **_train_epoch(trainer, loader, run, epoch))
            if run.patience:
                best.offer(trainer, epoch, run.history[-1])
            loader.set_epoch(epoch + 1)
            if not every or (epoch + 1) % int(every):
                continue
            run.checkpoint.save(
                {"epoch": epoch, "history": run.history, "best": best.state(), "loader": loader.state_dict()},
                trainer.save_state,
            )
    finally:
        loader.close()
    if run.patience and best.epoch >= 0 and best.epoch != run.history[-1]["epoch"]:
        trainer.load_state(best.folder)
        run.progress.say(f"kept epoch {best.epoch + 1}, the one of the best {best.key}")
    return run.history
