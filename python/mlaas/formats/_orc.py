"""ORC: stripes of rows."""

from __future__ import annotations

from typing import Any

from . import _shape
from ._needs import need
from ._place import Place
from ._rows import Rows


class OrcRows(Rows):
    def __init__(self, place: Place) -> None:
        self._orc = need("pyarrow.orc", "ORC files")
        self._place = place
        file = self._open()
        self.schema = file.schema
        self.num_rows = file.nrows
        self.parts, self._stripes, at = [], [], 0
        for i in range(file.nstripes):
            length = file.read_stripe(i, columns=[self.schema.names[0]]).num_rows if self.schema.names else 0
            if length:
                self._stripes.append(i)
                self.parts.append(at)
                at += length
        self.num_rows = at

    def _open(self) -> Any:
        return self._orc.ORCFile(self._place.open())

    def open_reader(self, columns: list[_shape.Column]) -> Any:
        return self._open(), [self.schema.field(top).name for top in sorted({column.top for column in columns})]

    def part(self, reader: Any, i: int) -> Any:
        arrow = need("pyarrow", "ORC files")
        file, names = reader
        return arrow.Table.from_batches([file.read_stripe(self._stripes[i], columns=names)])


def rows(place: Place, name: str) -> Rows:
    return OrcRows(place)
