"""Tables of formats that can only be read from the beginning to the end: turned once into a mapped temporary file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import _shape, _spool
from ._needs import need
from ._place import Place
from ._rows import Rows


class SpooledRows(Rows):
    mapped = True

    def __init__(self, spool: _spool.Spool) -> None:
        self._spool = spool
        self.schema = spool.schema
        self.parts, self.num_rows = [], 0
        for length in spool.lengths:
            self.parts.append(self.num_rows)
            self.num_rows += length
        self._bytes = [0] * len(self.schema)
        for i in range(len(self.parts)):
            for k, column in enumerate(spool.batch(i).columns):
                self._bytes[k] += column.nbytes

    def open_reader(self, columns: list[_shape.Column]) -> Any:
        return [self.schema.field(top).name for top in sorted({column.top for column in columns})]

    def part(self, reader: Any, i: int) -> Any:
        arrow = need("pyarrow", "files of other formats than ROOT")
        return arrow.Table.from_batches([self._spool.batch(i).select(reader)])

    def row_bytes(self, column: _shape.Column) -> int:
        return self._bytes[column.top] // max(self.num_rows, 1) + 1


def spooled(place: Place, make: Callable[[], _spool.Spool], name: str = "", passes: bool = False) -> SpooledRows:
    """The rows that `make` gives, made at the first need only. `passes`: it streams the file more than once."""

    def made() -> _spool.Spool:
        if passes:
            place.keep()
        try:
            return make()
        finally:
            place.let_go()

    return SpooledRows(_spool.once((*place.identity, name), made))
