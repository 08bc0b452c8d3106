"""Arrow files, streams and Feather, in either of its versions."""

from __future__ import annotations

from typing import Any

from .._errors import FormatError
from . import _shape, _spool
from ._needs import need
from ._place import Place
from ._rows import Rows
from ._spooled import spooled

_PIECE_ROWS = 1 << 16


class ArrowRows(Rows):
    """A file of record batches, each of them a part."""

    def __init__(self, place: Place) -> None:
        self._ipc = need("pyarrow.ipc", "Arrow files")
        self._place = place
        self.schema = self._open([]).schema
        first = self._open([0] if len(self.schema) else [])
        self._batches, self.parts, self.num_rows = [], [], 0
        for i in range(first.num_record_batches):
            length = first.get_batch(i).num_rows
            if length:
                self._batches.append(i)
                self.parts.append(self.num_rows)
                self.num_rows += length

    def _open(self, fields: list[int]) -> Any:
        options = self._ipc.IpcReadOptions(included_fields=fields or None, use_threads=False)
        return self._ipc.open_file(self._place.open(mapped=True), options=options)

    def open_reader(self, columns: list[_shape.Column]) -> Any:
        return self._open(sorted({column.top for column in columns}))

    def part(self, reader: Any, i: int) -> Any:
        arrow = need("pyarrow", "Arrow files")
        batch = reader.get_batch(self._batches[i])
        batch.validate(full=True)  # the file says where lists begin; nothing else would check it
        return arrow.Table.from_batches([batch])

    def pieces(self, reader: Any, i: int) -> Any:
        batch = self.part(reader, i).to_batches()[0]
        for start in range(0, batch.num_rows, _PIECE_ROWS):
            yield batch.slice(start, _PIECE_ROWS)


def _checked(batches: Any) -> Any:
    for batch in batches:
        batch.validate(full=True)
        yield batch


def _stream(place: Place) -> _spool.Spool:
    with need("pyarrow.ipc", "Arrow files").open_stream(place.text()) as reader:
        return _spool.write(_checked(reader), reader.schema)


def _old_feather(place: Place) -> _spool.Spool:
    table = need("pyarrow.feather", "Feather files").read_table(place.open())
    return _spool.write(_checked(table.to_batches(_PIECE_ROWS)), table.schema)


def rows(place: Place, name: str) -> Rows:
    if place.head.startswith(b"ARROW1"):
        return ArrowRows(place)
    if place.head.startswith(b"FEA1"):
        return spooled(place, lambda: _old_feather(place))
    if place.size == 0:
        raise FormatError("the file is empty")
    return spooled(place, lambda: _stream(place))
