"""The original's course of a training: all epochs on one chunk, then the next; 64/16/20 in each chunk. Compat only.

Knows mlaas.compat's chunks and the trainers. The test rows of all chunks together are what `scores` is judged by.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._errors import UnsupportedError
from ._fit import Scores, score_part, validation_values

BATCH_SIZE = 50  # the original's trainer, where the parameters say nothing


@dataclass
class Rows:
    """A batch as the trainers want it, made of a chunk's rows."""

    x: np.ndarray
    y: np.ndarray
    name: str

    def __post_init__(self):
        self.inputs = {self.name: (self.x, np.zeros(self.x.shape, np.uint8))}
        self.w = self.raw_w = np.ones(len(self.y), np.float32)
        self.rows = len(self.y)


def _batches(x, y, rows, size, name):
    for start in range(0, len(rows), size):
        index = rows[start : start + size]
        yield Rows(x[index], y[index], name)


def _chunk_epochs(trainer, run, number, chunk, parts, random):
    """Trains `epochs` epochs on one chunk; the last chunk's record ends the history."""
    train, validation, _ = parts
    x, y = chunk.filled().astype(np.float32), chunk.y.astype(np.float32)
    name, size = trainer.inputs[0]["name"], int(run.params.get("batch_size") or BATCH_SIZE)
    for epoch in range(run.epochs):
        label = f"chunk {number + 1}, epoch {epoch + 1}/{run.epochs}"
        with run.progress.step(label, len(train)) as step:
            trainer.begin_epoch()
            for batch in _batches(x, y, random.permutation(train), size, name):
                trainer.train_batch(batch)
                step.update(batch.rows)
            values = {"epoch": len(run.history), "chunk": number, **trainer.end_epoch()}
            scores = score_part(trainer, _batches(x, y, validation, 4096, name))
            values.update(validation_values(trainer, scores))
            step.values.update({k: v for k, v in values.items() if k not in ("epoch", "chunk") and v is not None})
        run.record(trainer, **values)
    return score_part(trainer, _batches(x, y, parts[2], 4096, name))


def chunks(trainer, run) -> tuple:
    """Trains chunk by chunk; returns the history and the scores of each chunk's test rows by its model."""
    if not trainer.streams:
        raise UnsupportedError(
            f"compat trains chunk by chunk, which {type(trainer.model).__name__} cannot; the original "
            "could not either: leave compat out"
        )
    loader = run.dataset.original()
    random, tests = np.random.default_rng(int(run.params.get("seed") or 0)), []
    for number, chunk in enumerate(loader):
        tests.append(_chunk_epochs(trainer, run, number, chunk, loader.split(chunk), random))

    def joined(name):
        return np.concatenate([getattr(part, name) for part in tests])

    return run.history, Scores(joined("score"), joined("index"), joined("w"), joined("raw_w"))
