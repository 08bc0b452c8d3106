"""Loader and Batch: whole, shuffled, padded, normalised batches, ready to train on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _core
from ._dataset import Dataset, Labels
from ._errors import ArgumentError, StateError
from ._places import Files, Remote
from ._recipe import Recipe
from ._units import Limits

if TYPE_CHECKING:
    from torch.utils.data import IterableDataset

    from ._xgboost import LoaderIter

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


class Loader:
    """Batches of one part of a data set, made in bounded memory while you train on the ones before.

    files, labels, params, memory, threads, limits, remote: as in mlaas.Dataset, or dataset: one that is there already.
    split: "train", "validation", "test" or "all". shuffle: None as params say ("train" shuffled, the rest in order).
    rank, world: this loader's shard; shards are equally long, so the (rows mod world) last rows of an epoch's order are
    left out. batch_size: None as params say.

    ``for batch in loader`` is one epoch; the next loop is the next epoch, in another order where shuffled. The order
    depends on seed, epoch, rank and world, not on the number of threads. A loop that was left early is not continued:
    the next one starts the next epoch (except after ``load_state_dict``). A loader belongs to one thread at a time;
    ``cancel`` may come from any. After fork() it opens itself again in the child, at the place where it was.
    Raises what Dataset raises, LimitError (names the smallest ceiling that would do), CancelledError.
    """

    def __init__(
        self,
        files: Files | None = None,
        labels: Labels = None,
        params: Mapping[str, Any] | str | os.PathLike[str] | None = None,
        split: str = "train",
        *,
        dataset: Dataset | None = None,
        shuffle: bool | None = None,
        rank: int = 0,
        world: int = 1,
        batch_size: int | None = None,
        memory: int | str | None = None,
        threads: int | None = None,
        limits: Limits | None = None,
        remote: Remote | None = None,
    ) -> None:
        if dataset is None and files is not None:
            dataset = Dataset(files, labels, params, memory=memory, threads=threads, limits=limits, remote=remote)
        elif dataset is None or files is not None:
            raise ArgumentError("give either files or dataset")
        self._dataset = dataset
        self._options = (
            split,
            -1 if shuffle is None else int(bool(shuffle)),
            int(rank),
            int(world),
            int(batch_size or 0),
        )
        self._core: Any = None
        self._process = 0
        self._closed = False
        self._epoch, self._position = 0, 0
        self._resumed = False
        self._turn = 0
        self._state: str | None = None
        self._open()

    # ---- the handle ----

    def _open(self) -> Any:
        if self._closed:
            raise StateError("the loader is closed")
        if self._process == os.getpid():
            return self._core
        core = _core.Loader(self._dataset._ready(), *self._options)
        self._sizes = core.size()
        inputs = self.recipe.inputs
        self._meta = (tuple(row["name"] for row in inputs), tuple(row["padded"] for row in inputs))
        if self._state is not None:
            core.restore(self._state)
        elif self._epoch or self._position:
            place = {"epoch": self._epoch, "batch": self._position}
            core.restore(json.dumps({**json.loads(core.state()), **place}))
        self._core, self._process, self._state = core, os.getpid(), None
        self._told: dict[int, int] = {}  # rows of lost files that the data set knows of
        return core

    def _drop(self) -> None:
        """Gives the handle back after a failure; the next use opens a new one at the start of the epoch."""
        if self._core is not None and self._process == os.getpid():
            self._core.close()
        self._core, self._process, self._position, self._resumed = None, 0, 0, False

    # ---- what it is ----

    @property
    def dataset(self) -> Dataset:
        return self._dataset

    @property
    def recipe(self) -> Recipe:
        return self._dataset.recipe

    @property
    def features(self) -> list[str]:
        """Names of the features of the first input: "nJets", "jetPt_0", "jetPt_1" ..."""
        return self.recipe.features()

    @property
    def split(self) -> str:
        return self._options[0]

    @property
    def rank(self) -> int:
        return self._options[2]

    @property
    def world(self) -> int:
        return self._options[3]

    @property
    def num_rows(self) -> int:
        """Rows of this shard in each epoch, exactly."""
        self._open()
        return self._sizes[0]

    def __len__(self) -> int:
        """Batches of an epoch."""
        self._open()
        return self._sizes[1]

    @property
    def weighted(self) -> bool:
        """True where params name a weight; else every weight is 1."""
        return self._dataset.params.get("weight") is not None

    # ---- epochs ----

    @property
    def epoch(self) -> int:
        """The epoch that is being delivered, or comes next."""
        return self._epoch

    def set_epoch(self, epoch: int) -> None:
        """The next loop delivers this epoch from its start."""
        self._open().set_epoch(epoch)
        self._epoch, self._position, self._resumed = int(epoch), 0, False
        self._turn += 1

    def __iter__(self) -> Iterator[Batch]:
        core = self._open()
        if self._position and not self._resumed:
            self._begin_next_epoch(core)
        self._resumed = False
        self._turn += 1
        return self._batches(core, self._turn)

    def _begin_next_epoch(self, core: Any) -> None:
        """After a loop that took the last batch but did not ask for more (Keras counts), or that was left early."""
        if self._position == self._sizes[1] and core.next() is None:
            self._epoch, self._position = self._epoch + 1, 0
        else:
            self.set_epoch(self._epoch + 1)

    def _batches(self, core: Any, turn: int) -> Iterator[Batch]:
        while True:
            if turn != self._turn:
                raise StateError("another loop over this loader has begun; an older one cannot go on")
            try:
                got = core.next()
            except BaseException:
                self._drop()
                raise
            if got is None:
                self._dataset._miss(self.split, json.loads(core.stats())["lost"], self._told)
                self._epoch, self._position = self._epoch + 1, 0
                return
            self._position = got.index + 1  # batches whose files are all lost are passed over
            yield Batch(got, *self._meta)

    def state_dict(self) -> dict[str, Any]:
        """Where the loader is and what that depends on; JSON values only."""
        return json.loads(self._open().state())

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues with the batch after the last one that was delivered. StaleError if data, seed, batch size or shard
        differ."""
        core = self._open()
        core.restore(json.dumps(dict(state)))
        self._epoch, self._position = int(state["epoch"]), int(state["batch"])
        self._resumed = True
        self._turn += 1

    @property
    def stats(self) -> dict[str, Any]:
        """Rows per second, entries cut per branch, memory, bytes read."""
        return json.loads(self._open().stats())

    def cancel(self) -> None:
        """Stops what runs; a waiting loop raises CancelledError. Any thread."""
        if self._core is not None and self._process == os.getpid():
            self._core.cancel()

    def close(self) -> None:
        """Gives threads and memory back; batches stay valid."""
        self._drop()
        self._closed = True

    def __enter__(self) -> Loader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def shard(self, rank: int, world: int) -> Loader:
        """A loader of part ``rank`` of ``world`` of this one's rows, at the same epoch."""
        split, shuffle, own_rank, own_world, batch_size = self._options
        made = Loader(
            split=split,
            dataset=self._dataset,
            shuffle=None if shuffle < 0 else bool(shuffle),
            rank=own_rank * world + rank,
            world=own_world * world,
            batch_size=batch_size or None,
        )
        made.set_epoch(self._epoch)
        return made

    # ---- for frameworks: what they yield is in _views.py ----

    def torch(self, *, masks: bool | str | None = None, weights: bool | None = None) -> IterableDataset:
        """A torch IterableDataset of ``(inputs, y)`` or ``(inputs, y, w)``, whole batches of tensors on the loader's
        memory: loop over it, or give it to a DataLoader with batch_size=None. Masks: True is padding."""
        from ._torch import LoaderDataset

        return LoaderDataset(self, masks, weights)

    def keras(self, *, masks: bool | str | None = None, weights: bool | None = None) -> Any:
        """What ``fit(x=...)``, ``validation_data=``, ``evaluate`` and ``predict`` of Keras 3 take: whole batches of
        tensors on the loader's memory, weights as sample weights. Masks: True is real."""
        from ._tensorflow import keras

        return keras(self, masks, weights)

    def tf_data(self, *, masks: bool | str | None = None, weights: bool | None = None) -> Any:
        """A tf.data.Dataset of whole batches; one pass over it is one epoch. Masks: True is real."""
        from ._tensorflow import tf_data

        return tf_data(self, masks, weights)

    def xgboost(self, *, missing: bool = False, weights: bool | None = None) -> LoaderIter:
        """An xgboost.DataIter, for QuantileDMatrix. missing=True: padded and missing values become NaN."""
        from ._xgboost import LoaderIter

        return LoaderIter(self, missing, weights)

    def __getstate__(self) -> dict[str, Any]:
        live = self._core is not None and self._process == os.getpid() and self._position
        state = self._core.state() if live else self._state
        return {**self.__dict__, "_core": None, "_process": 0, "_state": state, "_resumed": bool(self._position)}

    def __repr__(self) -> str:
        if self._closed:
            return "<mlaas.Loader, closed>"
        shard = f", shard {self.rank} of {self.world}" if self.world > 1 else ""
        return (
            f"<mlaas.Loader {self.split!r}: {self.num_rows} rows in {len(self)} batches, "
            f"{len(self.features)} features{shard}, epoch {self.epoch}>"
        )
