"""The course of a training as the original ran it: all epochs on one chunk, then all on the next. Only with `compat`.

No resume: a training that was killed starts again.
"""
from __future__ import annotations

import time

from . import _fit


def chunks(trainer, run) -> list:
    """Trains chunk by chunk where the model can, else on the training parts of all chunks at once."""
    if not trainer.streams:
        return trainer.fit(run)
    if run.params.get("training") == "standard":
        return _fit.stream(trainer, run)
    for number, chunk in enumerate(run.dataset.chunks()):
        rows = chunk.num_rows("train") * run.epochs
        with run.progress.step(f"chunk {number + 1}", rows) as step:
            for epoch in range(run.epochs):
                run.record(trainer, chunk=number, **_epoch(trainer, run, chunk, number, epoch, step))
    return run.history


def _epoch(trainer, run, chunk, number, epoch, step) -> dict:
    start = time.monotonic()
    seed = (int(run.params.get("seed") or 0), epoch, number) if run.params.get("shuffle", True) else None
    trainer.begin_epoch()
    for batch in chunk.batches("train", seed):
        trainer.train_batch(batch)
        step.update(batch.rows)
    values = {"epoch": number * run.epochs + epoch, **trainer.end_epoch()}
    values["seconds"] = round(time.monotonic() - start, 3)
    values.update(_fit.validation_values(trainer, _fit.score_part(trainer, chunk.batches("validation"))))
    step.values.update({k: v for k, v in values.items() if k not in ("epoch", "seconds") and v is not None})
    return values
