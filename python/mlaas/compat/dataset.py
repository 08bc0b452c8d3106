"""The original's chunks as a data set that mlaas.train can work on. It must not know frameworks.

Every loader reads the files again, chunk by chunk, with the specs of the first: memory holds one chunk at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _errors
from .._recipe import Recipe
from .loader import Chunk, CompatLoader, split_rows
from .takes import Takes, check_end

PARTS = ("train", "validation", "test")
PADDING, MISSING = 1, 2


@dataclass
class CompatBatch:
    """Some rows of a part of a chunk, with the fields of a mlaas.Batch."""

    x: np.ndarray
    mask: np.ndarray
    y: np.ndarray
    file: np.ndarray
    entry: np.ndarray
    part: np.ndarray
    index: int

    @property
    def inputs(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        return {"x": (self.x, self.mask)}

    @property
    def rows(self) -> int:
        return len(self.y)

    @property
    def w(self) -> np.ndarray:
        """The original has no weights."""
        return np.ones(len(self.y), np.float32)

    raw_w = w


class PartedChunk:
    """A chunk split into train, validation and test rows."""

    def __init__(self, chunk: Chunk, num_flat: int, batch_size: int):
        self._chunk, self._batch_size = chunk, batch_size
        self._rows = dict(zip(PARTS, split_rows(chunk.y)))
        self._x = chunk.filled()
        kinds = np.where(np.arange(chunk.x.shape[1]) < num_flat, MISSING, PADDING).astype(np.uint8)
        self._mask = chunk.mask.astype(np.uint8) * kinds

    def batches(self, part: str, seed: tuple[int, ...] | None = None, first: int = 0) -> Iterator[CompatBatch]:
        """Batches of a part in the order of the split, or shuffled by a seed; numbered from `first`."""
        rows = self._rows[part]
        if seed is not None:
            rows = np.random.default_rng(seed).permutation(rows)
        number = np.int8(PARTS.index(part))
        for start in range(0, len(rows), self._batch_size):
            some = rows[start : start + self._batch_size]
            chunk = self._chunk
            yield CompatBatch(
                x=self._x[some],
                mask=self._mask[some],
                y=chunk.y[some].astype(np.float32),
                file=chunk.file[some],
                entry=chunk.entry[some],
                part=np.full(len(some), number),
                index=first + start // self._batch_size,
            )


class CompatDataset:
    """A mlaas.Dataset's files and params read the original's way: its recipe, chunks, and loaders of the three parts.

    `folder`: where spec files are read from and written to, as the original does; None: nowhere.
    """

    def __init__(self, dataset: Any, folder: str | None = "."):
        self._dataset = dataset
        self.params = dataset.params
        self.files = dataset.files
        self.classes = dataset.classes
        self.dropped: list[Any] = []
        self._urls = list(getattr(dataset, "_files", None) or [item["url"] for item in self.files])
        self._labels = [item.get("label") for item in self.files]
        if any(label is None or isinstance(label, str) for label in self._labels):
            raise _errors.ArgumentError("compat needs one integer label for each file, as the original did")
        first = CompatLoader(self._urls, self._labels, self.params, folder=folder)
        self._specs = first.specs.to_dict()
        self._num_flat = len(first.specs.flat_keys(first.selection.identifier))
        self._entries = {name: int(item["entries"]) for name, item in zip(self._urls, self.files)}
        self.recipe = Recipe.from_json(first.recipe_text())
        self.warnings = first.warnings

    def scan(self, progress: Any = None) -> CompatDataset:
        """It was scanned when it was made."""
        return self

    def open_file(self, index: int) -> Any:
        """One of the files, as mlaas.Dataset opens it."""
        return self._dataset.open_file(index)

    @property
    def batch_size(self) -> int:
        return int(self.params.get("batch_size") or 256)

    def original(self) -> CompatLoader:
        """The original's chunks once more, in single precision, with the specs of the first scan."""
        return CompatLoader(self._urls, self._labels, self.params, specs=self._specs, folder=None, dtype=np.float32)

    def chunks(self, batch_size: int | None = None) -> Iterator[PartedChunk]:
        """The original's chunks, each split."""
        for chunk in self.original():
            if len(chunk) == 0:
                return
            yield PartedChunk(chunk, self._num_flat, batch_size or self.batch_size)

    def sizes(self) -> list[tuple[int, ...]]:
        """Rows of train, validation and test in each chunk, by arithmetic alone."""
        chunk_size = self.params.get("chunk_size", 1000)
        whole = sum(self._entries.values()) if self.params["nevts"] == -1 else self.params["nevts"]
        chunk_size = whole if chunk_size == -1 else chunk_size
        plan = Takes(self._urls, self._entries, self.params["nevts"], chunk_size)
        labels = dict(zip(self._urls, self._labels))
        sizes = []
        while not plan.finished:
            y = []
            for name, events in plan.chunk():
                check_end(name, self._entries[name], plan.done[name], events, chunk_size)
                plan.count(name, events)
                y.append(np.full(events, int(labels[name])))
            sizes.append(tuple(len(rows) for rows in split_rows(np.concatenate(y))))
        return sizes

    def loader(self, split: str = "train", shuffle: bool | None = None, batch_size: int | None = None) -> PartLoader:
        return PartLoader(self, split, shuffle, batch_size)


class PartLoader:
    """One part of all chunks, in batches that do not cross chunks."""

    def __init__(self, dataset: CompatDataset, split: str, shuffle: bool | None, batch_size: int | None):
        if split not in PARTS:
            raise _errors.ArgumentError(f"split {split!r} is none of {', '.join(PARTS)}")
        self.dataset, self.split, self.recipe = dataset, split, dataset.recipe
        self.epoch = 0
        self._shuffle = (split == "train" and bool(dataset.params.get("shuffle", True))) if shuffle is None else shuffle
        self._batch_size = batch_size or dataset.batch_size
        self._rows = [sizes[PARTS.index(split)] for sizes in dataset.sizes()]

    @property
    def features(self) -> list[str]:
        return self.recipe.features()

    @property
    def num_rows(self) -> int:
        return sum(self._rows)

    def __len__(self) -> int:
        return sum(-(-rows // self._batch_size) for rows in self._rows)

    def __iter__(self) -> Iterator[CompatBatch]:
        epoch, self.epoch = self.epoch, self.epoch + 1
        first = 0
        for number, chunk in enumerate(self.dataset.chunks(self._batch_size)):
            seed = (int(self.dataset.params.get("seed") or 0), epoch, number) if self._shuffle else None
            for batch in chunk.batches(self.split, seed, first):
                yield batch
                first = batch.index + 1

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def state_dict(self) -> dict[str, int]:
        return {"epoch": self.epoch}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.epoch = state["epoch"]

    def cancel(self) -> None:
        """Nothing runs beside the caller."""

    close = cancel
