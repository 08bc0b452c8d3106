"""Dataset: many files as one, their statistics, the recipe made of them, and loaders."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import _core
from ._errors import ArgumentError
from ._file import File
from ._html import html_table
from ._places import Files, Remote, expand, hidden
from ._recipe import Recipe, Specs, _plain, params_text
from ._units import Limits, parse_bytes, parse_limits

if TYPE_CHECKING:
    from ._loader import Loader

Labels = str | os.PathLike[str] | float | Sequence[float] | None


def _lines(path: str) -> list[str]:
    with open(path, encoding="utf-8") as file:
        lines = (line.strip() for line in file)
        return [line for line in lines if line and not line.startswith("#")]


def file_names(files: Files) -> list[str]:
    """The files that are meant, see mlaas.Dataset."""
    return expand(files).names


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


def label_values(labels: Labels) -> Any:
    """A list of numbers (one for each file), the name of a branch, or None."""
    if labels is None or isinstance(labels, (int, float)):
        return labels if labels is None else [labels]
    if not isinstance(labels, (str, os.PathLike)):
        return [_plain(value) if hasattr(value, "tolist") else value for value in labels]
    text = os.fsdecode(labels)
    words = _lines(text) if os.path.isfile(text) else [word.strip() for word in text.split(",")]
    try:
        return [_number(word) for word in words]
    except ValueError:
        if len(words) == 1 and not os.path.isfile(text):
            return text
        raise ArgumentError(
            f"labels must be numbers, one for each file, or the name of one branch; {text!r} gives "
            + ", ".join(words[:5])
        ) from None


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _number(word: str) -> int | float:
    try:
        return int(word)
    except ValueError:
        return float(word)


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
        from ._loader import Loader

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
