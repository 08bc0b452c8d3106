"""Dataset, many files as one, and Loader: whole, shuffled, padded, normalised batches of it, ready to train on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from . import _core
from ._batch import Batch
from ._errors import ArgumentError, StateError
from ._file import File
from ._html import html_table
from ._labels import Labels, label_values
from ._places import Files, Remote, expand, hidden
from ._recipe import Recipe, Specs, params_text
from ._units import Limits, parse_bytes, parse_limits

if TYPE_CHECKING:
    from torch.utils.data import IterableDataset

    from ._xgboost import LoaderIter


def _merged(text: str, remote: Remote | None) -> tuple[str, dict[str, Any]]:
    """Parameters with the options for servers on top, and the effective ones."""
    effective = json.loads(_core.params_check(text))
    if not remote:
        return text, effective
    try:
        given = {**json.loads(text), "remote": {**(effective["remote"] or {}), **remote}}
        text = json.dumps(given, default=os.fspath)
    except TypeError as error:
        raise ArgumentError(f"remote: {error}") from error
    return text, json.loads(_core.params_check(text))


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


class Dataset:
    """Many files as one data set.

    files: a list, a text file with one name a line, or a comma list; names are paths, URLs, patterns ("data/*.root",
    "root://host//dir/*.root"), or lists of replicas of one file. labels: a number for each file or pattern (or a text
    file with them), the name of a branch, or None. params: a dict or the path of params.json (``mlaas.param_table()``).
    memory, threads, limits, remote: as in mlaas.open, for everything that is made of this data set. specs: statistics
    made earlier (Specs or path), instead of a scan. recipe: apply that recipe and read its branches only, for
    prediction; rename: {branch of the recipe: branch in these files}.

    Raises what opening a file raises, and NotFoundError, SchemaError, ArgumentError, StaleError (specs of other files).
    Once scanned it does not change and may be shared by threads. Pickles carry the statistics, so a copy in another
    process does not scan again; a forked child opens it again by itself.
    """

    def __init__(
        self,
        files: Files,
        labels: Labels = None,
        params: Mapping[str, Any] | str | os.PathLike[str] | None = None,
        *,
        memory: int | str | None = None,
        threads: int | None = None,
        limits: Limits | None = None,
        remote: Remote | None = None,
        specs: Specs | str | os.PathLike[str] | None = None,
        recipe: Recipe | str | None = None,
        rename: Mapping[str, str] | None = None,
    ) -> None:
        if specs is not None and recipe is not None:
            raise ArgumentError("specs and recipe exclude each other: a recipe needs no statistics")
        self._params, effective = _merged(params_text(params), remote)
        places = expand(files, effective["redirector"], effective["remote"])
        self._files = places.names
        values = label_values(labels)
        self._labels = None if values is None else json.dumps(places.spread(values) if _is_list(values) else values)
        if _is_list(effective["weight"]):
            self._params = json.dumps({**effective, "weight": places.spread(effective["weight"])})
        self._limits = (parse_bytes(memory), int(threads or 0), parse_limits(limits))
        self._how = {"memory": memory, "threads": threads, "limits": limits, "remote": effective["remote"] or None}
        self._specs = Specs.read(specs) if isinstance(specs, (str, os.PathLike)) else specs
        self._recipe = Recipe(recipe) if isinstance(recipe, str) else recipe
        self._rename = json.dumps(dict(rename)) if rename else None
        self._missed: dict[tuple[str, int], dict[str, Any]] = {}
        self._core: Any = None
        self._process = 0
        self._complete = False
        self._description: dict[str, Any] | None = None
        self._open()

    def _open(self) -> Any:
        """The handle of this process, with specs or recipe where they are there already."""
        if self._process == os.getpid():
            return self._core
        core = _core.Dataset(self._files, self._labels, self._params, *self._limits)
        if self._recipe is not None and self._specs is None:
            core.set_recipe(self._recipe._core, self._rename)
            self._complete = True
        elif self._specs is not None:
            core.set_specs(self._specs._core)
            self._complete = True
        self._core, self._process, self._description = core, os.getpid(), None
        return core

    def _ready(self) -> Any:
        """The handle, scanned."""
        core = self._open()
        if not self._complete:
            self.scan()
        return core

    def scan(self, progress: Callable[[int, int], Any] | None = None) -> Dataset:
        """One pass over all entries for the statistics; done by itself at the first need. ``progress(done, total)`` is
        called now and then with numbers of entries. Ctrl-C stops it. Returns the data set."""
        core = self._open()
        if not self._complete:
            core.scan(progress)
            self._specs = Specs(core.specs())
            self._complete, self._description = True, None
        return self

    def _describe(self) -> dict[str, Any]:
        core = self._ready()
        if self._description is None:
            self._description = json.loads(core.describe())
        return self._description

    @property
    def params(self) -> dict[str, Any]:
        """The effective parameters."""
        return json.loads(self._open().describe())["params"]

    @property
    def files(self) -> list[dict[str, Any]]:
        """For each file: url, id, entries, quota (entries that are used), label."""
        return self._describe()["files"]

    def open_file(self, index: int) -> File:
        """One of the files, opened as the data set does: with its limits and its way to servers."""
        return File(self._files[index], **self._how)  # type: ignore[arg-type]

    @property
    def classes(self) -> list[Any]:
        """The labels that occur, ascending."""
        return self._describe()["classes"]

    @property
    def dropped(self) -> list[dict[str, Any]]:
        """Branches that are not used: name and reason."""
        return self._describe()["dropped"]

    @property
    def warnings(self) -> list[str]:
        return self._describe()["warnings"]

    @property
    def lost(self) -> list[dict[str, Any]]:
        """Files that were left out as bad (parameter on_bad_file): url, stage, status, reason, entries (None where
        unknown) and index. Files that stopped being readable in mid-epoch: url, stage, rows that were left out
        (by all loaders of that part, in all their epochs), reason and index."""
        return [*json.loads(self._open().describe())["lost"], *self._missed.values()]

    def _miss(self, split: str, rows: list[dict[str, Any]], told: dict[int, int]) -> None:
        """Adds what a loader left out to what others did; `told` is how much of it was added before."""
        for row in rows:
            before = self._missed.get((split, row["index"]), {"rows": 0})["rows"]
            more = row["rows"] - told.get(row["index"], 0)
            told[row["index"]] = row["rows"]
            self._missed[split, row["index"]] = {**row, "rows": before + more, "stage": f"epochs of {split}"}

    @property
    def weights(self) -> Any:
        """Sums of the weights by class."""
        return self._describe().get("weights")

    @property
    def source(self) -> dict[str, int]:
        """What reading has cost so far, by every loader: requests (system calls, or messages to servers), ranges (of
        which many become one request), bytes (asked for), delivered (bytes that came, wanted or not), hits (ranges that
        were there or on their way when asked for), retries, failovers."""
        return json.loads(self._open().describe())["source"]

    @property
    def sources(self) -> list[dict[str, int]]:
        """The same of each file."""
        return json.loads(self._open().describe())["sources"]

    @property
    def specs(self) -> Specs | None:
        """The statistics; scans if need be. None where a recipe was given."""
        self._ready()
        return self._specs

    @property
    def recipe(self) -> Recipe:
        """The recipe; scans if need be."""
        core = self._ready()
        if self._recipe is None:
            self._recipe = Recipe._of(core.recipe())
        return self._recipe

    @property
    def memory(self) -> dict[str, int]:
        """held, peak and ceiling in bytes, and the number of threads."""
        return self._open().memory()

    def loader(
        self,
        split: str = "train",
        shuffle: bool | None = None,
        rank: int = 0,
        world: int = 1,
        batch_size: int | None = None,
    ) -> Loader:
        """A mlaas.Loader of one part: "train", "validation", "test" or "all"."""
        return Loader(split=split, dataset=self, shuffle=shuffle, rank=rank, world=world, batch_size=batch_size)

    def __getstate__(self) -> dict[str, Any]:
        hidden = {"_core": None, "_process": 0, "_description": None}
        return {**self.__dict__, **hidden}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __repr__(self) -> str:
        state = "scanned" if self._complete else "not scanned yet"
        names = ", ".join(os.path.basename(hidden(name)) for name in self._files[:3]) + (
            ", ..." if len(self._files) > 3 else ""
        )
        return f"<mlaas.Dataset of {len(self._files)} files ({names}), {state}>"

    def _repr_html_(self) -> str:
        rows = [(f["url"], f["entries"], f["quota"], f["label"]) for f in json.loads(self._open().describe())["files"]]
        return html_table(repr(self), ("file", "entries", "used", "label"), rows)


def specs(
    files: Files,
    params: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    *,
    memory: int | str | None = None,
    threads: int | None = None,
    limits: Limits | None = None,
    remote: Remote | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> Specs:
    """Statistics of the files in one parallel pass."""
    dataset = Dataset(files, None, params, memory=memory, threads=threads, limits=limits, remote=remote).scan(progress)
    made = dataset.specs
    assert made is not None
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
