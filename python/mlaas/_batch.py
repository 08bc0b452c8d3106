"""Batch: some rows, ready to train on; and what a view for a framework needs of who delivers them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from ._recipe import Recipe

_ROW_ARRAYS = ("y", "w", "raw_w", "file", "entry", "part")


class Batch:
    """Some rows, as NumPy views of the loader's memory: writable, 64-byte aligned, with DLPack.

    ``x`` (float32: rows x features, or rows x slots x features for a padded input) and ``mask`` (uint8, same shape: 0
    valid, 1 padding, 2 missing) of the first input; ``inputs``: {name: (x, mask)} of all. One value for each row: ``y``
    (label, float32), ``w`` (training weight, float32), ``raw_w`` (as in the file, signed), ``file`` (index into the
    data set's files, int32), ``entry`` (int64), ``part`` (int8: 0 train, 1 validation, 2 test, -1 none).

    The memory goes back to the loader when the last view dies; it counts against the ceiling until then, so keep few.
    """

    def __init__(self, core: Any, names: tuple[str, ...], padded: tuple[bool, ...]) -> None:
        self._core = core
        self._names = names
        self._padded = padded

    @property
    def rows(self) -> int:
        return self._core.rows

    @property
    def index(self) -> int:
        """Index in the epoch."""
        return self._core.index

    def __len__(self) -> int:
        return self.rows

    @cached_property
    def inputs(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        pairs = (self._core.input(k, padded) for k, padded in enumerate(self._padded))
        return {name: (np.asarray(x), np.asarray(mask)) for name, (x, mask) in zip(self._names, pairs)}

    @property
    def x(self) -> np.ndarray:
        return self.inputs[self._names[0]][0]

    @property
    def mask(self) -> np.ndarray:
        return self.inputs[self._names[0]][1]

    @cached_property
    def y(self) -> np.ndarray:
        return np.asarray(self._core.y)

    @cached_property
    def w(self) -> np.ndarray:
        return np.asarray(self._core.w)

    @cached_property
    def raw_w(self) -> np.ndarray:
        return np.asarray(self._core.raw_w)

    @cached_property
    def file(self) -> np.ndarray:
        return np.asarray(self._core.file)

    @cached_property
    def entry(self) -> np.ndarray:
        return np.asarray(self._core.entry)

    @cached_property
    def part(self) -> np.ndarray:
        return np.asarray(self._core.part)

    def numpy(self) -> Batch:
        """The same batch in memory of its own."""
        copied = object.__new__(Batch)
        copied.__dict__.update({name: getattr(self, name).copy() for name in _ROW_ARRAYS})
        copied.inputs = {name: (x.copy(), mask.copy()) for name, (x, mask) in self.inputs.items()}
        copied._core, copied._names, copied._padded = _Place(self.rows, self.index), self._names, self._padded
        return copied

    def __reduce__(self) -> tuple[Any, ...]:
        copied = self.numpy()
        return _batch_of, (copied.__dict__,)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {x.shape}" for name, (x, _) in self.inputs.items())
        return f"<mlaas.Batch {self.index}: {shapes}>"


class _Place:
    """What a copied batch still knows of its place."""

    def __init__(self, rows: int, index: int) -> None:
        self.rows, self.index = rows, index


def _batch_of(state: dict[str, Any]) -> Batch:
    made = object.__new__(Batch)
    made.__dict__.update(state)
    return made


class Batches(Protocol):
    """Who delivers batches epoch after epoch: mlaas.Loader."""

    @property
    def recipe(self) -> Recipe: ...
    @property
    def weighted(self) -> bool: ...
    @property
    def epoch(self) -> int: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Batch]: ...
    def set_epoch(self, epoch: int) -> None: ...
    def shard(self, rank: int, world: int) -> Batches: ...
