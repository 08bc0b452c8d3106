"""JSON: an object for each event, one a line or one after the other, or a list of them. What an event does not have is
missing there.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any

from .._errors import FormatError, LimitError
from . import _shape, _spool
from ._needs import need
from ._place import Place
from ._rows import Rows
from ._spooled import spooled

_BLOCK = 4 << 20
_CHUNK_ROWS = 1 << 14
_LONGEST = 256 << 20  # characters of one event
_EXACT = 2.0**53


class _Inexact(Exception):
    """Numbers so large that a whole one may have been rounded."""


# ---- the quick way: pyarrow's parser ----


def _is_nested_deep(place: Place) -> bool:
    """Whether it may be nested deeper than pyarrow's parser bears. Brackets in texts count too: that errs on the safe
    side."""
    import numpy

    stream, depth = place.text(), 0
    step = numpy.zeros(256, numpy.int64)
    step[[ord("{"), ord("[")]], step[[ord("}"), ord("]")]] = 1, -1
    while block := stream.read(_BLOCK):
        depths = numpy.cumsum(step[numpy.frombuffer(block, numpy.uint8)])
        if depth + int(depths.max()) > _shape.DEEPEST:
            return True
        depth = max(depth + int(depths[-1]), 0)
    return False


def _quick(place: Place) -> _spool.Spool:
    parser = need("pyarrow.json", "JSON files")
    with parser.open_json(
        place.text(), parser.ReadOptions(use_threads=False, block_size=_BLOCK), parser.ParseOptions()
    ) as reader:
        columns = _shape.columns_of(reader.schema)
        return _spool.write(_exact(reader, columns), reader.schema)


def _exact(batches: Any, columns: list[_shape.Column]) -> Iterator[Any]:
    arrow, compute = need("pyarrow", "JSON files"), need("pyarrow.compute", "JSON files")
    doubles = [column for column in columns if column.leaf is not None and arrow.types.is_float64(column.leaf)]
    for batch in batches:
        for column in doubles:
            values = _shape.pick(batch.column(column.top), column.path)
            for _ in range(column.depth):
                values = values.values
            largest = compute.max(compute.abs(values)).as_py()
            if largest is not None and largest >= _EXACT:
                raise _Inexact
        yield batch


# ---- the thorough way: Python's parser ----


class _Text:
    """The decoded text of a file, as much of it as is needed."""

    def __init__(self, place: Place) -> None:
        self.stream = place.text()
        self.decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self.buffer, self.at, self.ended = "", 0, False

    def more(self) -> bool:
        if self.ended:
            return False
        if len(self.buffer) - self.at > _LONGEST:
            raise FormatError(f"an event has more than {_LONGEST} characters")
        block = self.stream.read(_BLOCK)
        self.ended = not block
        self.buffer, self.at = self.buffer[self.at :] + self.decode(block, self.ended), 0
        return True

    def peek(self) -> str:
        """The next character that is no blank; "" at the end."""
        while True:
            while self.at < len(self.buffer) and self.buffer[self.at] in " \t\r\n":
                self.at += 1
            if self.at < len(self.buffer):
                return self.buffer[self.at]
            if not self.more():
                return ""

    def value(self, row: int) -> Any:
        """The next value, whole."""
        while True:
            try:
                value, end = _decoder.raw_decode(self.buffer, self.at)
            except json.JSONDecodeError as error:
                if self.more():
                    continue
                raise FormatError(f"event {row}: {error.msg} (line {error.lineno}, column {error.colno})") from error
            if end < len(self.buffer) or not self.more():  # a number might go on
                self.at = end
                return value


_decoder = json.JSONDecoder()


def _objects(place: Place) -> Iterator[dict]:
    text, row = _Text(place), 0
    in_list = text.peek() == "["
    text.at += in_list
    while next_one := text.peek():
        if in_list and next_one == "]":
            text.at += 1
            if text.peek():
                raise FormatError(f"something follows the list of {row} events")
            return
        if in_list and row:
            if next_one != ",":
                raise FormatError(f"a comma is missing behind event {row - 1}")
            text.at += 1
            text.peek()
        value = text.value(row)
        if not isinstance(value, dict):
            raise FormatError(f"event {row} is a {type(value).__name__}, not an object of names and values")
        yield value
        row += 1
    if in_list:
        raise FormatError(f"the list of events does not end; {row} were read")


def _chunks(place: Place) -> Iterator[list]:
    held: list = []
    for value in _objects(place):
        held.append(value)
        if len(held) == _CHUNK_ROWS:
            yield held
            held = []
    if held:
        yield held


def _thorough(place: Place) -> _spool.Spool:
    arrow = need("pyarrow", "JSON files")
    kinds: Any = arrow.struct([])
    for chunk in _chunks(place):
        kind = _array(arrow, chunk, None).type
        parts = [arrow.schema(list(kinds)), arrow.schema(list(kind))]
        kinds = arrow.struct(list(arrow.unify_schemas(parts, promote_options="permissive")))
    schema = arrow.schema(list(kinds))
    _shape.columns_of(schema)
    return _spool.write(
        (arrow.RecordBatch.from_struct_array(_array(arrow, chunk, kinds)) for chunk in _chunks(place)), schema
    )


def _array(arrow: Any, chunk: list, kind: Any) -> Any:
    try:
        return arrow.array(chunk, kind)
    except (arrow.ArrowInvalid, arrow.ArrowTypeError, OverflowError) as error:
        if "recursion" in str(error):
            raise LimitError(f"an event is nested deeper than {_shape.DEEPEST} levels") from error
        raise FormatError(f"values of one name are of different kinds: {error}") from error


def _spool_of(place: Place) -> _spool.Spool:
    arrow = need("pyarrow", "JSON files")
    if _Text(place).peek() != "[" and not _is_nested_deep(place):
        try:
            return _quick(place)
        except (arrow.ArrowInvalid, arrow.ArrowNotImplementedError, _Inexact):
            pass  # the other parser either reads it or says what is wrong with it
    return _thorough(place)


def rows(place: Place, name: str) -> Rows:
    if place.size == 0:
        raise FormatError("the file is empty")
    return spooled(place, lambda: _spool_of(place), passes=True)
