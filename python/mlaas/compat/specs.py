"""The original's first pass: which branches there are, their ranges and lengths, and its two kinds of spec files.

It keeps the original's habits: the scan goes in whole steps of the chunk and so may look past nevts, a NaN in the first
step spoils a range for good and later hides its step, an empty list leaves the range at (1e15, -1e15). It must not know
how chunks are mixed or how vectors are built.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .failures import failure

DEFAULT_IDENTIFIER = ["run", "event", "luminosityBlock"]
EMPTY_RANGE = (1e15, -1e15)
BLOCK_ENTRIES = 8192  # entries decoded in one call where the chunks are smaller


@dataclass
class Selection:
    """What the params say about branches. `identifier` may be a string: the original then tests for substrings."""

    identifier: Any = field(default_factory=lambda: list(DEFAULT_IDENTIFIER))
    selected: list[str] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Selection:
        excluded = params.get("exclude_branches") or []
        if isinstance(excluded, str):
            excluded = _names_of(excluded)
        return cls(
            identifier=params.get("identifier") or list(DEFAULT_IDENTIFIER),
            selected=list(params.get("selected_branches") or []),
            excluded=list(excluded),
        )

    def branches(self, table: Any, where: str) -> list[str]:
        """Branches read of a table, in the order of its spec: the selected ones as listed, else those of the tree."""
        columns = list(table.columns)
        if not self.selected:
            return [name for name in columns if name not in self.excluded]
        for name in self.selected:
            if name not in columns:
                text = f"no branch {name!r} in the tree (selected_branches takes a list of names)"
                raise failure("NotFoundError", "KeyError", text, where)
        return self.selected


def _names_of(text: str) -> list[str]:
    """exclude_branches as text: the lines of that file, or names between commas, blanks kept."""
    if os.path.isfile(text):
        with open(text, encoding="utf-8") as lines:
            return [line.replace("\n", "") for line in lines]
    return text.split(",")


@dataclass
class FileSpecs:
    """Names and ranges of one file, or of all when merged, in the order of reading."""

    jdim: dict[str, int] = field(default_factory=dict)
    minv: dict[str, float] = field(default_factory=dict)
    maxv: dict[str, float] = field(default_factory=dict)
    fkeys: list[str] = field(default_factory=list)
    jkeys: list[str] = field(default_factory=list)
    nans: dict[str, float] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, specs: Mapping[str, Any], where: str = "specs") -> FileSpecs:
        missing = [key for key in cls.__dataclass_fields__ if key not in specs]
        if missing:
            raise failure("FormatError", "KeyError", f"no key {missing[0]!r}: not a spec file of MLaaS4HEP", where)
        return cls(*(specs[key] for key in cls.__dataclass_fields__))

    def to_dict(self) -> dict[str, Any]:
        return {key: getattr(self, key) for key in self.__dataclass_fields__}

    def flat_keys(self, identifier: Any) -> list[str]:
        """Flat branches that are features. A plain `in`, so that an identifier given as a string drops substrings."""
        return sorted(key for key in self.fkeys if key not in identifier)

    def jagged_keys(self) -> list[str]:
        return sorted(self.jkeys)

    def columns(self, identifier: Any) -> list[str]:
        """Names of the vector's slots."""
        slots = [f"{key}_{slot}" for key in self.jagged_keys() for slot in range(self.jdim[key])]
        return self.flat_keys(identifier) + slots


def lists_of(value: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """(offsets, values) of a column of lists of numbers; None for anything else."""
    if not isinstance(value, tuple) or not is_numbers(value[1]) or value[1].ndim != 1:
        return None
    return value[0], value[1]


def is_numbers(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "biuf"


def scanned_entries(entries: int, nevts: int, chunk_size: int) -> tuple[int, int]:
    """(step, stop): the scan reads entries [0, stop) in steps."""
    wanted = entries if nevts == -1 else nevts
    step = min(chunk_size, entries)
    if wanted < step:
        return wanted, wanted
    if step == 0:
        return 0, 0
    steps = -(-min(wanted, entries) // step)
    return step, min(entries, steps * step)


def scan_file(table: Any, selection: Selection, nevts: int, chunk_size: int, where: str = "") -> FileSpecs:
    """The first pass over one file."""
    specs = FileSpecs()
    entries = table.num_entries
    if entries and (nevts == 0 or nevts < -1 or chunk_size < 1):
        text = f"nevts {nevts} with chunk_size {chunk_size} leaves no step to scan (nevts -1 means all)"
        raise failure("ArgumentError", "ValueError", text, where)
    step, stop = scanned_entries(entries, nevts, chunk_size)
    if stop == 0:
        return specs
    for number, columns in enumerate(_steps(table, selection.branches(table, where), step, stop)):
        if number == 0:
            _name_keys(specs, columns, where)
        for name, value in columns.items():
            _widen(specs, name, value)
    specs.nans = {key: _image_of_zero(low, specs.maxv[key], 0) for key, low in specs.minv.items()}
    return specs


def _steps(table: Any, names: Sequence[str], step: int, stop: int) -> Iterator[dict[str, Any]]:
    """The columns of each step, decoded in blocks of whole steps."""
    block = step * max(1, BLOCK_ENTRIES // step)
    for first in range(0, stop, block):
        columns = table.arrays(list(names), first, min(first + block, stop), library="np")
        for start in range(0, min(block, stop - first), step):
            yield {name: slice_column(columns[name], start, start + step) for name in names}


def slice_column(value: Any, start: int, stop: int) -> Any:
    """Rows of a column; what is neither numbers nor lists of them comes back as it is."""
    lists = lists_of(value)
    if lists is None:
        return value[start:stop] if isinstance(value, np.ndarray) else value
    offsets = lists[0][start : stop + 1]
    return offsets - offsets[0], lists[1][offsets[0] : offsets[-1]]


def _name_keys(specs: FileSpecs, columns: Mapping[str, Any], where: str) -> None:
    """The first step decides what is flat and what is a list."""
    for name, value in columns.items():
        if lists_of(value) is not None:
            specs.jkeys.append(name)
            specs.jdim[name] = 0
        elif is_numbers(value):
            specs.fkeys.append(name)
        else:
            text = f"branch {name!r} holds neither numbers nor lists of numbers: name it in exclude_branches"
            raise failure("UnsupportedError", "TypeError", text, where)
        specs.minv[name], specs.maxv[name] = _range_of(value)


def _widen(specs: FileSpecs, name: str, value: Any) -> None:
    """Comparisons as the original writes them: false for NaN, so the range keeps or ignores it."""
    low, high = _range_of(value)
    if low < specs.minv[name]:
        specs.minv[name] = low
    if high > specs.maxv[name]:
        specs.maxv[name] = high
    lists = lists_of(value)
    if lists is not None:
        specs.jdim[name] = max(specs.jdim[name], int(np.diff(lists[0]).max(initial=0)))


def _range_of(value: Any) -> tuple[float, float]:
    lists = lists_of(value)
    values = value if lists is None else lists[1]
    return (float(values.min()), float(values.max())) if values.size else EMPTY_RANGE


def _image_of_zero(low: float, high: float, constant: float) -> float:
    return constant if high == low else (0 - low) / (high - low)


def merge_specs(merged: FileSpecs, other: FileSpecs, where: str = "") -> None:
    """Widens `merged` by the specs of the next file; the keys stay those of the first file."""
    for key in merged.maxv:
        if key not in other.maxv or (key in merged.jkeys and key not in other.jdim):
            text = (
                f"branch {key!r} of the first file is missing here, or is no list here: the keys are those of the first"
            )
            raise failure("SchemaError", "KeyError", text, where)
        if other.maxv[key] > merged.maxv[key]:
            merged.maxv[key] = other.maxv[key]
        if other.minv[key] < merged.minv[key]:
            merged.minv[key] = other.minv[key]
        if key in merged.jkeys and other.jdim[key] > merged.jdim[key]:
            merged.jdim[key] = other.jdim[key]


def merged_nans(merged: FileSpecs) -> dict[str, float]:
    """As written for several files; here a constant keeps its value (in the specs of one file it is 0)."""
    return {key: _image_of_zero(merged.minv[key], high, high) for key, high in merged.maxv.items()}


def specs_text(specs: FileSpecs, identifier: Any = None, events: Mapping[str, int] | None = None) -> str:
    """The text of a spec file, byte for byte: of one file (names sorted, no identifiers), or with `events` of all."""
    content = specs.to_dict()
    if events is None:
        content["fkeys"], content["jkeys"] = specs.flat_keys(identifier), specs.jagged_keys()
    else:
        content["events"] = dict(events)
    return json.dumps(content)
