"""Arrow batches as NumPy, Awkward or pandas, without an Arrow library.

Batches are copied out one by one, so that the caller gets memory of its own and the library's ceiling holds however
much is asked for. Knows Arrow's layout; does not know where the batches come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ._errors import ArgumentError, UnsupportedError


class Jagged(NamedTuple):
    """Lists of different length: row i is ``values[offsets[i]:offsets[i + 1]]``.

    ``offsets`` is int64 with one entry more than there are rows, from 0. ``values`` is an array, Jagged again for lists
    of lists, or a dict of these for lists of structs (of a map: "key" and "value").
    """

    offsets: np.ndarray
    values: Any

    @property
    def counts(self) -> np.ndarray:
        """Length of each row, int64."""
        return np.diff(self.offsets)

    def row(self, i: int) -> Any:
        """Values of row i: a view (of lists of lists: Jagged with copied offsets)."""
        start, stop = int(self.offsets[i]), int(self.offsets[i + 1])
        return _slice(self.values, start, stop)


def _slice(values: Any, start: int, stop: int) -> Any:
    if isinstance(values, dict):
        return {name: _slice(member, start, stop) for name, member in values.items()}
    if not isinstance(values, Jagged):
        return values[start:stop]
    inner = values.offsets[start : stop + 1]
    return Jagged(inner - inner[0], _slice(values.values, int(inner[0]), int(inner[-1])))


# A node is what _core.Array.describe gives: (name, format, length, offset, null_count, buffers, children).


def _bits(buffer: Any, start: int, count: int) -> np.ndarray:
    whole = np.unpackbits(np.asarray(buffer)[start // 8 : (start + count + 7) // 8], bitorder="little")
    return whole[start % 8 : start % 8 + count].view(np.bool_)


class _Valid:
    """Which rows are there."""

    def __init__(self) -> None:
        self.chunks: list[np.ndarray] = []
        self.missing = False

    def add(self, node: tuple, start: int, count: int) -> None:
        missing = bool(node[4]) and node[5][0] is not None
        self.missing |= missing
        self.chunks.append(_bits(node[5][0], start + node[3], count) if missing else np.ones(count, np.bool_))

    def masked(self, ak: Any, content: Any) -> Any:
        """An awkward content with the missing rows left out."""
        if not self.missing:
            return content
        return ak.contents.ByteMaskedArray(ak.index.Index8(_join(self.chunks).view(np.int8)), content, True)


def _row(values: Any, i: int) -> Any:
    if isinstance(values, dict):
        return {name: _row(member, i) for name, member in values.items()}
    return values.row(i) if isinstance(values, Jagged) else values[i]


class _Option:
    """Lists, strings or structs of which some are missing."""

    def __init__(self, node: tuple, content: Any) -> None:
        self.valid = _Valid()
        self.content = content

    def add(self, node: tuple, start: int, count: int) -> None:
        self.valid.add(node, start, count)
        self.content.add(node, start, count)

    def numpy(self) -> Any:
        values = self.content.numpy()
        return self._rows(values) if self.valid.missing else values

    def _rows(self, values: Any) -> Any:
        if isinstance(values, dict):
            return {name: self._rows(member) for name, member in values.items()}
        there = _join(self.valid.chunks)
        if isinstance(values, np.ndarray) and values.dtype != object:
            absent = np.broadcast_to(~there.reshape(-1, *[1] * (values.ndim - 1)), values.shape)
            return np.ma.MaskedArray(values, absent | np.ma.getmaskarray(values))
        rows = np.empty(len(there), object)
        for i in range(len(there)):
            rows[i] = _row(values, i)
        return np.ma.MaskedArray(rows, ~there)

    def awkward(self, ak: Any) -> Any:
        return self.valid.masked(ak, self.content.awkward(ak))


class _Leaf:
    """Numbers and bool; masked where the column has nulls."""

    def __init__(self, node: tuple) -> None:
        self.chunks: list[np.ndarray] = []
        self.valid = _Valid()

    def add(self, node: tuple, start: int, count: int) -> None:
        _, form, _, offset, _, buffers, _ = node
        self.valid.add(node, start, count)
        start += offset
        if form == "b":
            self.chunks.append(_bits(buffers[1], start, count))
        elif buffers[1] is None:
            raise UnsupportedError(f"{node[0]}: Arrow type {form!r} cannot be shown as an array; use pyarrow.table()")
        else:
            self.chunks.append(np.asarray(buffers[1])[start : start + count].copy())

    def numpy(self) -> np.ndarray:
        values = _join(self.chunks)
        return np.ma.MaskedArray(values, ~_join(self.valid.chunks)) if self.valid.missing else values

    def awkward(self, ak: Any) -> Any:
        return self.valid.masked(ak, ak.contents.NumpyArray(_join(self.chunks)))


class _Offsets:
    """Offsets of lists and strings, rebased so that the batches follow each other."""

    def __init__(self) -> None:
        self.chunks = [np.zeros(1, np.int64)]
        self.total = 0

    def add(self, node: tuple, start: int, count: int) -> tuple[int, int]:
        """Takes rows [start, start + count); returns the range of their values."""
        if count == 0:  # an empty array may come without offsets
            return 0, 0
        start += node[3]
        offsets = np.asarray(node[5][1])[start : start + count + 1].astype(np.int64)
        self.chunks.append(offsets[1:] + (self.total - offsets[0]))
        self.total = int(self.chunks[-1][-1])
        return int(offsets[0]), int(offsets[-1])

    def whole(self) -> np.ndarray:
        return _join(self.chunks)


class _List:
    def __init__(self, node: tuple) -> None:
        self.offsets = _Offsets()
        self.content = _collector(node[6][0])

    def add(self, node: tuple, start: int, count: int) -> None:
        first, last = self.offsets.add(node, start, count)
        self.content.add(node[6][0], first, last - first)

    def numpy(self) -> Jagged:
        return Jagged(self.offsets.whole(), self.content.numpy())

    def awkward(self, ak: Any) -> Any:
        return ak.contents.ListOffsetArray(ak.index.Index64(self.offsets.whole()), self.content.awkward(ak))


class _Text:
    """Strings: bytes that are not UTF-8 become lone surrogates in str (errors="surrogateescape" turns them back)."""

    def __init__(self, node: tuple) -> None:
        self.offsets = _Offsets()
        self.bytes: list[np.ndarray] = []
        self.binary = node[1] in ("z", "Z")

    def add(self, node: tuple, start: int, count: int) -> None:
        first, last = self.offsets.add(node, start, count)
        self.bytes.append(np.asarray(node[5][2])[first:last].copy())

    def numpy(self) -> np.ndarray:
        offsets, data = self.offsets.whole(), _join(self.bytes).tobytes()
        out = np.empty(len(offsets) - 1, object)
        for i in range(len(out)):
            piece = data[offsets[i] : offsets[i + 1]]
            out[i] = piece if self.binary else piece.decode("utf-8", "surrogateescape")
        return out

    def awkward(self, ak: Any) -> Any:
        inner, outer = ("byte", "bytestring") if self.binary else ("char", "string")
        content = ak.contents.NumpyArray(_join(self.bytes), parameters={"__array__": inner})
        return ak.contents.ListOffsetArray(
            ak.index.Index64(self.offsets.whole()), content, parameters={"__array__": outer}
        )


class _Fixed:
    """A fixed number of values per row: one more dimension."""

    def __init__(self, node: tuple) -> None:
        self.size = int(node[1][3:])
        self.rows = 0
        self.content = _collector(node[6][0])

    def add(self, node: tuple, start: int, count: int) -> None:
        self.rows += count
        self.content.add(node[6][0], (start + node[3]) * self.size, count * self.size)

    def _shaped(self, values: Any) -> Any:
        if isinstance(values, dict):
            return {name: self._shaped(member) for name, member in values.items()}
        if isinstance(values, Jagged):
            return Jagged(np.arange(self.rows + 1, dtype=np.int64) * self.size, values)
        return values.reshape((self.rows, self.size, *values.shape[1:]))

    def numpy(self) -> Any:
        return self._shaped(self.content.numpy())

    def awkward(self, ak: Any) -> Any:
        return ak.contents.RegularArray(self.content.awkward(ak), self.size, self.rows)


class _Struct:
    def __init__(self, node: tuple) -> None:
        self.members = {child[0]: _collector(child) for child in node[6]}
        self.rows = 0

    def add(self, node: tuple, start: int, count: int) -> None:
        self.rows += count
        for child, member in zip(node[6], self.members.values()):
            member.add(child, start + node[3], count)

    def numpy(self) -> dict[str, Any]:
        return {name: self.members[name].numpy() for name in self.members}

    def awkward(self, ak: Any) -> Any:
        return ak.contents.RecordArray(
            [member.awkward(ak) for member in self.members.values()], list(self.members), self.rows
        )


_KINDS = {"+l": _List, "+L": _List, "+m": _List, "+s": _Struct, "u": _Text, "U": _Text, "z": _Text, "Z": _Text}


def _collector(node: tuple) -> Any:
    kind = _Fixed if node[1].startswith("+w:") else _KINDS.get(node[1], _Leaf)
    return kind(node) if kind is _Leaf else _Option(node, kind(node))


def _join(chunks: list[np.ndarray]) -> np.ndarray:
    """One array of all chunks; the list is emptied, so that at most one column is there twice."""
    whole = chunks[0] if len(chunks) == 1 else np.concatenate(chunks)
    chunks[:] = [whole]
    return whole


def _flat(columns: dict[str, Any]) -> dict[str, Any]:
    """Members of structs by their dotted names."""
    flat: dict[str, Any] = {}
    for name, values in columns.items():
        if isinstance(values, dict):
            flat.update({f"{name}.{member}": inner for member, inner in _flat(values).items()})
        else:
            flat[name] = values
    return flat


def _frame(columns: dict[str, Any]) -> Any:
    import pandas as pd

    flat = _flat(columns)
    for name, values in list(flat.items()):
        if isinstance(values, np.ma.MaskedArray) and values.dtype == object:
            absent, values = np.ma.getmaskarray(values), values.data.copy()
            values[absent] = None
        if isinstance(values, Jagged) or values.ndim > 1:
            rows = len(values.offsets) - 1 if isinstance(values, Jagged) else len(values)
            series = np.empty(rows, object)
            for i in range(rows):
                series[i] = values.row(i) if isinstance(values, Jagged) else values[i]
            values = series
        if values.dtype == object:  # else pandas makes text of it, which bytes that are not UTF-8 cannot be
            flat[name] = pd.Series(values, dtype=object)
    return pd.DataFrame(flat)


def collect(batches: Iterable[Any], library: str) -> Any:
    """All rows of the batches (at least one, of _core.Array) as a dict of arrays ("np"), ak.Array or DataFrame."""
    whole: Any = None
    for batch in batches:
        node = batch.describe()
        whole = whole or _Struct(node)
        whole.add(node, 0, len(batch))
    if library == "ak":
        import awkward as ak

        return ak.Array(whole.awkward(ak))
    columns = whole.numpy()
    return columns if library == "np" else _frame(columns)


def batch_size(size: int | None) -> int:
    """Rows of the batches that were asked for, 0 where nobody did. Raises ArgumentError."""
    if size is not None and size <= 0:
        raise ArgumentError(f"batches of {size} rows were asked for; the size must be positive")
    return size or 0


def record_batches(arrays: Iterable[Any]) -> Iterator[Any]:
    """As pyarrow.RecordBatch where pyarrow is installed, else as they are."""
    try:
        from pyarrow import record_batch
    except ImportError:
        yield from arrays
        return
    for array in arrays:
        yield record_batch(array)
