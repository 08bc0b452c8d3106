"""The original's generator: several files, their specs, and chunks of events mixed by share. The only module here that
opens files and writes spec files. It must not know about models.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import _errors
from .._places import expand
from .events import EventReader, mask_of, stack
from .failures import failure
from .recipe import recipe_text
from .specs import FileSpecs, Selection, merge_specs, merged_nans, scan_file, specs_text
from .takes import Takes

GLOBAL_SPECS = "global-specs.json"


@dataclass
class Chunk:
    """One chunk: rows x columns with NaN for missing, mask 1 = missing, integer labels, [file, events] in order.

    `file` and `entry` say where each row came from: number in the list of files, and entry of its tree.
    """

    x: np.ndarray
    mask: np.ndarray
    y: np.ndarray
    columns: list[str]
    per_file: list[tuple[str, int]]
    file: np.ndarray
    entry: np.ndarray

    def __len__(self) -> int:
        return len(self.x)

    def filled(self) -> np.ndarray:
        """A copy of x with every NaN set to 0: what the original's trainer works on."""
        return np.where(self.mask == 1, self.x.dtype.type(0), self.x)


def split_rows(y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row numbers of train, validation and test (64/16/20): 20 % of all, then 20 % of the rest, stratified, seed 21."""
    from sklearn.model_selection import train_test_split

    rules = {"test_size": 0.2, "random_state": 21, "shuffle": True}
    try:
        kept, test = train_test_split(np.arange(len(y)), stratify=y, **rules)
        # the original hands over a column of floats here: the order of the classes, so the result, depends on it
        column = np.asarray(y)[kept].astype(np.float64).reshape(-1, 1)
        train, validation = train_test_split(kept, stratify=column, **rules)
    except ValueError as error:
        text = f"a chunk of {len(y)} rows cannot be split by class ({error})"
        raise failure("ArgumentError", "ValueError", text) from error
    return train, validation, test


class CompatLoader:
    """Chunks of mixed files exactly as the original's RootDataGenerator made them.

    files, labels: lists of equal length; params: the original's keys (nevts, chunk_size, branch, identifier,
    selected_branches, exclude_branches, batch_size, redirector; chunk_size -1: all in one chunk, as the original's
    fork does). specs: the content of a spec file. folder: where spec files are read from and written to, as the
    original does in the current folder; None keeps them in memory. opener: from a path to a file whose items are tables
    (default mlaas.open). dtype: of Chunk.x.

    It can be iterated once. `done` counts the events read of each file, `warnings` tells what the original hides.
    """

    def __init__(
        self,
        files: Sequence[str] | str,
        labels: Sequence[Any] | str,
        params: Mapping[str, Any] | None = None,
        *,
        specs: Mapping[str, Any] | None = None,
        folder: str | None = ".",
        opener: Callable[[str], Any] | None = None,
        dtype: Any = np.float64,
    ):
        params = params or {}
        self.files = [files] if isinstance(files, str) else list(files)
        self._redirector = redirector_of(params)
        self.labels = labels if isinstance(labels, str) else dict(zip(self.files, labels))
        self.nevts = params.get("nevts", -1)
        self.chunk_size = params.get("chunk_size", 1000)
        self._step = sys.maxsize if self.chunk_size == -1 else self.chunk_size
        self.batch_size = params.get("batch_size", 256)
        self.selection = Selection.from_params(params)
        self.warnings: list[str] = []
        self._tree = params.get("branch", "Events")
        self._remote = params.get("remote")
        self._dtype = np.dtype(dtype)
        self._opener = opener
        self._store = _SpecStore(folder)
        self._entries: dict[str, int] = {}
        self._readers: dict[str, EventReader] = {}
        self._prepare(specs)

    @property
    def columns(self) -> list[str]:
        """Names of the slots of a vector, in order."""
        return self.specs.columns(self.selection.identifier)

    @property
    def quotas(self) -> dict[str, int]:
        """Events to read of each file."""
        return dict(self._takes.quotas)

    @property
    def takes(self) -> dict[str, int]:
        """Events of each file in one chunk, by plan."""
        return dict(self._takes.takes)

    @property
    def done(self) -> dict[str, int]:
        """Events booked as read so far, of each file."""
        return dict(self._takes.done)

    @property
    def total(self) -> int:
        """Entries of all files."""
        return self._takes.total

    def __len__(self) -> int:
        """What the original's len() gave: whole batches in nevts, or in the first file when nevts is -1."""
        events = self._entries[self.files[0]] if self.nevts == -1 else self.nevts
        return math.floor(events / self.batch_size)

    def __iter__(self) -> Iterator[Chunk]:
        while not self._takes.finished:
            yield self._chunk()

    def split(self, chunk: Chunk) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Row numbers of train, validation and test of a chunk."""
        return split_rows(chunk.y)

    def recipe_text(self) -> str:
        """recipe.json that makes this run's vectors, NaN as 0, of any table with the same branches."""
        reader = next((self._readers[name] for name in self.files if self._entries[name]), None)
        if reader is None or not self.columns:
            raise _errors.ArgumentError("there is no event, or no column, so there is nothing a recipe could make")
        return recipe_text(self.specs, self.selection.identifier, reader.types(), self._path)

    # ---- chunks ---------------------------------------------------------------------------------

    def _chunk(self) -> Chunk:
        parts, labels, per_file, entries = [], [], [], []
        for name, events in self._takes.chunk():
            label = self._label(name)
            entries.append(np.arange(self._takes.done[name], self._takes.done[name] + events))
            parts.append(self._readers[name].read(events))
            self._takes.count(name, events)
            labels.append(np.full(events, _integer(label, name), dtype=np.int64))
            per_file.append((name, events))
        x = stack(parts)
        counts = [events for _, events in per_file]
        file = np.repeat([self.files.index(name) for name, _ in per_file], counts).astype(np.int32)
        x_typed = x.astype(self._dtype, copy=False)
        return Chunk(x_typed, mask_of(x), stack(labels), self.columns, per_file, file, stack(entries))

    def _label(self, name: str) -> Any:
        if isinstance(self.labels, str):
            text = f"labels is the text {self.labels!r}: a branch cannot be the label, give one label for each file"
            raise failure("ArgumentError", "AttributeError", text, name)
        if name not in self.labels:
            raise failure("ArgumentError", "KeyError", "there are fewer labels than files", name)
        return self.labels[name]

    # ---- preparation ----------------------------------------------------------------------------

    def _prepare(self, given: Mapping[str, Any] | None) -> None:
        if not self.files:
            raise failure("ArgumentError", "IndexError", "the list of files is empty")
        if self._store.find_global():
            self.warnings.append(f"{GLOBAL_SPECS} was found in the folder and is used, whatever data it was made for")
        self._scan_all(given)
        self.specs = FileSpecs.from_dict(self._store.read_global(), GLOBAL_SPECS)
        for reader in self._readers.values():
            reader.load_specs(self.specs)
        wanted = sum(self._entries[name] for name in self.files) if self.nevts == -1 else self.nevts
        chunk_size = wanted if self.chunk_size == -1 else self.chunk_size
        self._takes = Takes(self.files, self._entries, self.nevts, chunk_size)

    def _scan_all(self, given: Mapping[str, Any] | None) -> None:
        """First pass over all files; given or found specs take the place of the scan. Writes the spec files."""
        merged = FileSpecs()
        events = {"total": 0}
        for name in self.files:
            table = self._table(name)
            given = given or self._store.find_global()
            if given:
                specs = FileSpecs.from_dict(given)
            else:
                specs = scan_file(table, self.selection, self.nevts, self._step, name)
            events[name] = table.num_entries
            events["total"] += table.num_entries
            if name == self.files[0]:
                merged = replace(deepcopy(specs), nans={})
            else:
                merge_specs(merged, specs, name)
                merged.nans = merged_nans(merged)
            if len(self.files) == 1 or (name == self.files[-1] and name != self.files[0]):
                self._store.write(GLOBAL_SPECS, specs_text(merged, events=events))
            self._store.write(_spec_name(name), specs_text(specs, self.selection.identifier))

    def _table(self, name: str) -> Any:
        """Opens a file and its tree, and makes its reader."""
        table = open_table(name, self._tree, self._opener, self._redirector, self._remote)
        self._path = self._tree or table.path.partition(";")[0]
        self._entries[name] = table.num_entries
        self._readers[name] = EventReader(table, name, self.selection, self._step)
        return table


def redirector_of(params: Mapping[str, Any]) -> str:
    """The redirector under any of its names; "" for none, where the original has that of CMS."""
    for key in ("redirector", "root_directory", "root_redirector"):
        if params.get(key):
            return str(params[key])
    return ""


def open_table(
    name: str,
    tree: str,
    opener: Callable[[str], Any] | None = None,
    redirector: str = "",
    remote: Mapping[str, Any] | None = None,
) -> Any:
    """The tree of a file, or the original's failures. The redirector stands in front of a name that is not here."""
    place = name
    if "://" not in name and not os.path.exists(name):
        if not redirector:
            text = (
                "no such file, and there is no redirector to look for it (key `redirector` of params, or a whole URL)"
            )
            raise failure("NotFoundError", "ImportError", text, name)
        place = expand([name], redirector, remote).names[0]
    if opener is not None:
        file = opener(place)
    else:
        from .._file import open as open_file

        file = open_file(place, remote=remote)
    try:
        return file[tree]
    except (KeyError, _errors.NotFoundError) as error:
        text = f"no tree {tree!r} (key `branch` of params): {error}"
        raise failure("NotFoundError", "KeyError", text, name) from error


class _SpecStore:
    """Spec files of one folder, or of none: written once, never overwritten."""

    def __init__(self, folder: str | None):
        self._folder = folder
        self._texts: dict[str, str] = {}

    def write(self, name: str, text: str) -> None:
        if self._folder is None:
            self._texts.setdefault(name, text)
        elif not os.path.isfile(os.path.join(self._folder, name)):
            with open(os.path.join(self._folder, name), "w", encoding="utf-8") as out:
                out.write(text)

    def find_global(self) -> dict[str, Any] | None:
        if self._folder is None:
            text = self._texts.get(GLOBAL_SPECS)
            return json.loads(text) if text else None
        path = os.path.join(self._folder, GLOBAL_SPECS)
        if not os.path.isfile(path):
            return None
        with open(path, encoding="utf-8") as lines:
            try:
                return json.load(lines)
            except ValueError as error:
                raise failure("FormatError", "JSONDecodeError", f"not JSON: {error}", path) from error

    def read_global(self) -> dict[str, Any]:
        specs = self.find_global()
        if specs is None:
            text = "never written, for the last file is the first one again: list each file once"
            raise failure("ArgumentError", "FileNotFoundError", text, GLOBAL_SPECS)
        return specs


def _spec_name(name: str) -> str:
    return f"specs-{name.split('/')[-1].replace('.root', '')}.json"


def _integer(label: Any, name: str) -> int:
    """Labels are integers: text must be one, a number loses its fraction."""
    try:
        return int(label)
    except (TypeError, ValueError) as error:
        text = f"label {label!r} is no integer (compat knows no other labels)"
        raise failure("ArgumentError", type(error).__name__, text, name) from error
