"""Event vectors as the original builds them: order, normalisation and mask. It must not know about other files.

Flat values are scaled in double; lists of float in float, rounded at each step; constants stay as they are. Missing is
NaN in the vector and 1 in the mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .failures import failure
from .specs import BLOCK_ENTRIES, FileSpecs, Selection, is_numbers, lists_of
from .takes import check_end

FLOAT_LIMIT = 3.4e38  # beyond it NumPy 1 no longer took a number for a float


class EventReader:
    """Reads the events of one file in order, as vectors of width len(columns)."""

    def __init__(self, table: Any, name: str, selection: Selection, chunk_size: int):
        self.name = name
        self.entries = table.num_entries
        self.position = 0
        self._table = table
        self._selection = selection
        self._chunk_size = chunk_size
        self.load_specs(FileSpecs())

    def load_specs(self, specs: FileSpecs) -> None:
        self._specs = specs
        self._flat = specs.flat_keys(self._selection.identifier)
        self._jagged = specs.jagged_keys()
        self.width = len(self._flat) + sum(specs.jdim[key] for key in self._jagged)
        self._first = 0
        self._block = np.empty((0, self.width))
        self._too_long: tuple[int, str] | None = None

    def types(self) -> dict[str, np.dtype]:
        """Type of the values of each branch, as the file has it."""
        columns = self._table.arrays(self._flat + self._jagged, 0, 1, library="np")
        return {key: (lists_of(value) or (None, value))[1].dtype for key, value in columns.items()}

    def read(self, events: int) -> np.ndarray:
        """The next `events` events, rows x width, float64. Raises where the original would."""
        events = max(events, 0)
        have = min(events, self.entries - self.position)
        x = np.empty((have, self.width))
        done = 0
        while done < have:
            rows = self._rows(have - done)
            x[done : done + len(rows)] = rows
            done += len(rows)
        check_end(self.name, self.entries, self.position, events - have, self._chunk_size)
        return x

    def _rows(self, most: int) -> np.ndarray:
        """Events from here on, as far as the decoded block goes."""
        if not self._first <= self.position < self._first + len(self._block):
            self._decode()
        start = self.position - self._first
        rows = self._block[start : start + most]
        self.position += len(rows)
        if self._too_long and self._too_long[0] < self.position:
            raise failure("SchemaError", "ValueError", self._too_long[1], self.name)
        return rows

    def _decode(self) -> None:
        keys = self._flat + self._jagged
        readable = self._selection.branches(self._table, self.name)
        for key in keys:
            if key not in readable:
                text = f"the specs name branch {key!r}, which is not read here: they were made for other data or params"
                raise failure("StaleError", "UnboundLocalError", text, self.name)
        self._first = self.position
        stop = min(self.entries, self.position + BLOCK_ENTRIES)
        columns = self._table.arrays(keys, self.position, stop, library="np") if keys else {}
        self._check(columns)
        self._block = np.full((stop - self._first, self.width), np.nan)
        with np.errstate(all="ignore"):
            for slot, key in enumerate(self._flat):
                self._block[:, slot] = self._scale(key, columns[key].astype(np.float64))
            self._fill_lists(columns)

    def _check(self, columns: dict[str, Any]) -> None:
        for key in self._flat:
            if not is_numbers(columns[key]) or columns[key].ndim != 1:
                text = f"branch {key!r} holds several numbers in an event, the specs say one"
                raise failure("SchemaError", "TypeError", text, self.name)
        for key in self._jagged:
            if lists_of(columns[key]) is None:
                text = f"branch {key!r} holds no list of numbers, the specs say that it does"
                raise failure("SchemaError", "TypeError", text, self.name)
        self._too_long = self._find_too_long(columns)

    def _find_too_long(self, columns: dict[str, Any]) -> tuple[int, str] | None:
        """The first event whose list does not fit, which ends the run (one value into no slot just vanishes)."""
        found = []
        for key in self._jagged:
            counts = np.diff(columns[key][0])
            too_long = np.flatnonzero((counts > self._specs.jdim[key]) & (counts != 1))
            if len(too_long):
                found.append((self._first + int(too_long[0]), key, counts[too_long[0]]))
        if not found:
            return None
        entry, key, count = min(found, key=lambda item: item[0])
        room = self._specs.jdim[key]
        return entry, f"entry {entry}: {count} values in {key!r}, the specs have room for {room}"

    def _fill_lists(self, columns: dict[str, Any]) -> None:
        slot = len(self._flat)
        for key in self._jagged:
            offsets, values = columns[key]
            scaled = self._scale(key, values if values.dtype == np.float32 else values.astype(np.float64))
            counts = np.diff(offsets)
            rows = np.repeat(np.arange(len(counts)), counts)
            places = np.arange(len(values)) - np.repeat(offsets[:-1], counts)
            fits = places < self._specs.jdim[key]
            self._block[rows[fits], slot + places[fits]] = scaled[fits]
            slot += self._specs.jdim[key]

    def _scale(self, key: str, values: np.ndarray) -> np.ndarray:
        low, high = self._specs.minv[key], self._specs.maxv[key]
        if high == low:
            return values
        centered = values - _as_number(values, low)
        return centered / _as_number(centered, high - low)


def _as_number(values: np.ndarray, number: float) -> Any:
    """A number as NumPy 1 took it beside an array: in the array's type, unless it is too large for a float."""
    too_large = values.dtype == np.float32 and np.isfinite(number) and abs(number) >= FLOAT_LIMIT
    return np.float64(number) if too_large else values.dtype.type(number)


def mask_of(x: np.ndarray) -> np.ndarray:
    """1 where a value is missing."""
    return np.isnan(x).astype(np.int64)


def stack(parts: Sequence[np.ndarray]) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
