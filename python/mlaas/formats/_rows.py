"""What every format gives: the rows of one table. One class for formats that are read in groups of rows, which are
decoded whole, and one for those where any range can be had."""

from __future__ import annotations

import os
import threading
from typing import Any

from .._errors import FormatError, LimitError
from . import _shape, _spool
from ._needs import need

#: Bytes of decoded columns that one part of a table aims at, where the format has no parts of its own.
PART_BYTES = 8 << 20
LEAST_PART, MOST_PART = 1024, 1 << 18
_MOST_PARTS = 1 << 20


def even_parts(entries: int, row_bytes: int) -> list[int]:
    """First rows of parts of a table that has none of its own."""
    rows = min(max(PART_BYTES // max(row_bytes, 1), LEAST_PART), MOST_PART)
    if entries // rows > _MOST_PARTS:
        raise LimitError(f"the file claims {entries} rows of {row_bytes} bytes, more than anybody stores")
    return list(range(0, entries, rows))


class Rows:
    """One table as its format has it. A subclass sets `schema` (raw), `num_rows` and `parts` (first rows), and reads.

    `mapped`: what is read lies in a mapped file, so that it costs no memory of ours.
    """

    schema: Any
    num_rows: int
    parts: list[int]
    mapped = False

    def part(self, reader: Any, i: int) -> Any:
        """The decoded part as a pyarrow.Table with the fields that the reader was made for."""
        raise NotImplementedError

    def open_reader(self, columns: list[_shape.Column]) -> Any:
        """What `part` needs to read the fields of these columns. It is used by one thread."""
        raise NotImplementedError

    def part_bytes(self, i: int, columns: list[_shape.Column]) -> int:
        """About how many bytes the part has when it is decoded."""
        rows = self.end(i) - self.parts[i]
        return sum(rows * self.row_bytes(column) for column in columns)

    def row_bytes(self, column: _shape.Column) -> int:
        """About how many bytes a row of the column has when it is decoded."""
        return column.width + 4 if column.depth == 0 else 4 * column.depth + 8 * column.width

    def stored_bytes(self, column: _shape.Column) -> int:
        return 0

    def pieces(self, reader: Any, i: int) -> Any:
        """The part in pieces that need less memory than the whole, as pyarrow.RecordBatches; None where the format
        cannot."""
        return None

    def close_reader(self, reader: Any) -> None:
        pass

    def has_nulls(self, columns: list[_shape.Column]) -> list[bool]:
        """Which of these columns miss values. One pass over them, where the format does not say it itself."""
        found = [False] * len(columns)
        reader = self.open_reader(columns)
        try:
            for i in range(len(self.parts)):
                table = self.part(reader, i)
                for k, column in enumerate(columns):
                    if not found[k]:
                        found[k] = _shape.missing(column, table.column(self.schema.field(column.top).name))
                if all(found):
                    break
        finally:
            self.close_reader(reader)
        return found

    def end(self, i: int) -> int:
        return self.parts[i + 1] if i + 1 < len(self.parts) else self.num_rows

    def close(self) -> None:
        pass


class Reader:
    """Reads ranges of rows: keeps the part that the last range ended in, for the next one begins there."""

    def __init__(self, rows: Rows, columns: list[_shape.Column], claim: Any) -> None:
        self._rows, self._columns, self._claim = rows, columns, claim
        self._reader = rows.open_reader(columns)
        self._kept: tuple[int, Any] | None = None
        self._claimed = 0
        self._names = [rows.schema.field(column.top).name for column in columns]

    def read(self, start: int, stop: int) -> Any:
        """Rows [start, stop) of all columns, as an object with __arrow_c_array__."""
        import bisect

        arrow = need("pyarrow", "files of other formats than ROOT")
        pieces, first = [], max(bisect.bisect_right(self._rows.parts, start) - 1, 0)
        for i in range(first, len(self._rows.parts)):
            begin = self._rows.parts[i]
            if begin >= stop:
                break
            low, high = max(start, begin) - begin, min(stop, self._rows.end(i)) - begin
            if high > low:
                pieces.append(self._columns_of(self._part(i).slice(low, high - low)))
        kinds = _shape.schema_of(self._columns)
        if len(pieces) == 1:
            arrays = pieces[0]
        elif pieces:
            arrays = [arrow.concat_arrays([piece[k] for piece in pieces]) for k in range(len(self._columns))]
        else:
            arrays = [arrow.array([], kind.type) for kind in kinds]
        return _struct(arrow, arrays, kinds, stop - start)

    def _columns_of(self, table: Any) -> list[Any]:
        return [_shape.extract(column, table.column(name)) for column, name in zip(self._columns, self._names)]

    def _part(self, i: int) -> Any:
        if self._kept and self._kept[0] == i:
            return self._kept[1]
        self.trim()
        if self._rows.mapped:
            table = self._rows.part(self._reader, i)
        elif self._take(self._rows.part_bytes(i, self._columns)):
            table = self._rows.part(self._reader, i)
            self._take(table.nbytes - self._claimed)
        else:
            table = self._spooled(i)
        if table.num_rows != self._rows.end(i) - self._rows.parts[i]:
            raise FormatError(
                f"rows {self._rows.parts[i]} to {self._rows.end(i)} are {table.num_rows} when they are decoded"
            )
        self._kept = i, table
        return table

    def _take(self, more: int) -> bool:
        if not self._claim(more):
            return False
        self._claimed += more
        return True

    def _spooled(self, i: int) -> Any:
        """A part that does not fit under the ceiling goes through a mapped file beside it."""
        pieces = self._rows.pieces(self._reader, i)
        if pieces is None:
            wanted = self._rows.part_bytes(i, self._columns)
            raise LimitError(
                f"rows {self._rows.parts[i]} to {self._rows.end(i)} are stored in one piece of some {wanted} bytes, "
                "which does not fit under the memory ceiling: raise it, or write the file with smaller groups of rows"
            )
        return _spool.write(pieces).table()

    def trim(self) -> None:
        """Lets go of what is kept."""
        self._kept = None
        if self._claimed:
            self._claim(-self._claimed)
            self._claimed = 0

    def close(self) -> None:
        self.trim()
        self._rows.close_reader(self._reader)


def _struct(arrow: Any, arrays: list[Any], schema: Any, length: int) -> Any:
    if arrays:
        return arrow.StructArray.from_arrays(arrays, fields=list(schema))
    return arrow.array([{}] * length, arrow.struct([]))


class Table:
    """One table of a file, as the extension module wants it."""

    def __init__(self, rows: Rows, columns: list[_shape.Column]) -> None:
        self._rows, self._columns = rows, columns

    @property
    def num_entries(self) -> int:
        return self._rows.num_rows

    @property
    def clusters(self) -> bytes:
        import array

        return array.array("q", self._rows.parts).tobytes()

    @property
    def schema(self) -> Any:
        return _shape.schema_of(self._columns)

    @property
    def columns(self) -> list[tuple[str, str, str | None, int, int]]:
        rows = self._rows
        return [
            (
                column.name,
                column.type_name,
                column.unsupported,
                rows.stored_bytes(column),
                rows.row_bytes(column) * rows.num_rows,
            )
            for column in self._columns
        ]

    def reader(self, columns: list[int], claim: Any) -> Reader:
        return Reader(self._rows, [self._columns[i] for i in columns], claim)

    def close(self) -> None:
        self._rows.close()


# ---- what was found out about a file is kept: it is opened again for each pass and each lane ----

_known: dict[Any, list[_shape.Column]] = {}
_lock = threading.Lock()


def table_of(rows: Rows, identity: Any) -> Table:
    """The table over these rows; `identity` tells it from others."""
    with _lock:
        columns = _known.get(identity)
    if columns is None:
        columns = _shape.columns_of(rows.schema)
        _shape.settle(columns, rows.has_nulls)
        with _lock:
            if len(_known) > 10_000:
                _known.clear()
            _known[identity] = columns
    return Table(rows, columns)


def _after_fork() -> None:
    """A lock that another thread of the parent held would never be released."""
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
