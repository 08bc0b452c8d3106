"""Avro: records one after the other, read by fastavro."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from .._errors import FormatError, LimitError
from . import _shape, _spool
from ._needs import need
from ._place import Place
from ._rows import Rows
from ._spooled import spooled

_CHUNK_ROWS = 1 << 13
_PLAIN = {
    "null": "null",
    "boolean": "bool",
    "int": "int32",
    "long": "int64",
    "float": "float",
    "double": "double",
    "bytes": "binary",
    "string": "string",
    "fixed": "binary",
    "enum": "string",
}
#: Of two kinds of numbers the one that holds both.
_NUMBERS = ("int", "long", "float", "double")


class _Types:
    """Arrow types of an Avro schema, and what makes values of one fit the other."""

    def __init__(self) -> None:
        self.arrow = need("pyarrow", "Avro files")
        self.named: dict[str, Any] = {}

    def of(self, schema: Any, depth: int = 0) -> Any:
        arrow = self.arrow
        if depth > _shape.DEEPEST:
            raise LimitError(f"the schema is nested deeper than {_shape.DEEPEST} levels, or holds itself")
        if isinstance(schema, list):
            return self.union(schema, depth)
        if isinstance(schema, str):
            return arrow.type_for_alias(_PLAIN[schema]) if schema in _PLAIN else self.of(self.named[schema], depth + 1)
        kind = schema["type"]
        if isinstance(kind, (dict, list)):
            return self.of(kind, depth + 1)
        if "name" in schema and kind in ("record", "error", "enum", "fixed"):
            self.named[schema["name"]] = schema
        if kind in ("record", "error"):
            return arrow.struct([arrow.field(f["name"], self.of(f["type"], depth + 1)) for f in schema["fields"]])
        if kind == "array":
            return arrow.list_(self.of(schema["items"], depth + 1))
        if kind == "map":
            return arrow.map_(arrow.string(), self.of(schema["values"], depth + 1))
        return self.logical(schema, kind, depth)

    def logical(self, schema: dict, kind: str, depth: int) -> Any:
        arrow = self.arrow
        match schema.get("logicalType"):
            case "decimal":
                return arrow.decimal128(schema["precision"], schema.get("scale", 0))
            case "date":
                return arrow.date32()
            case "time-millis" | "time-micros":
                return arrow.time64("us")
            case "timestamp-millis" | "timestamp-micros":
                return arrow.timestamp("us", "UTC")
            case "local-timestamp-millis" | "local-timestamp-micros":
                return arrow.timestamp("us")
            case "uuid":
                return arrow.string()
        return self.of(kind, depth + 1)

    def union(self, schema: list, depth: int) -> Any:
        """With null of something: that. Of numbers: the widest. Else a text, which holds the value as JSON."""
        parts = [part for part in schema if part != "null"]
        if len(parts) == 1:
            return self.of(parts[0], depth + 1)
        if parts and all(isinstance(part, str) and part in _NUMBERS for part in parts):
            widest = max(parts, key=_NUMBERS.index)
            return self.of("double" if widest == "float" and len(parts) > 1 else widest)
        return self.arrow.string() if parts else self.arrow.null()


def _fit(value: Any, kind: Any, arrow: Any) -> Any:
    """A value as Arrow wants it: maps as pairs, what has no type of its own as JSON."""
    if value is None:
        return None
    if arrow.types.is_struct(kind):
        return {part.name: _fit(value.get(part.name), part.type, arrow) for part in kind}
    if arrow.types.is_map(kind):
        return [(key, _fit(item, kind.item_type, arrow)) for key, item in value.items()]
    if arrow.types.is_list(kind):
        return [_fit(item, kind.value_type, arrow) for item in value]
    if arrow.types.is_string(kind) and not isinstance(value, str):
        return json.dumps(value, default=str)
    return value


def _is_plain(kind: Any, arrow: Any) -> bool:
    if arrow.types.is_struct(kind):
        return all(_is_plain(part.type, arrow) for part in kind)
    if arrow.types.is_list(kind):
        return _is_plain(kind.value_type, arrow)
    return not (arrow.types.is_map(kind) or arrow.types.is_string(kind))


def _batches(reader: Any, schema: Any, wrap: bool) -> Iterator[Any]:
    arrow = need("pyarrow", "Avro files")
    kind, row = arrow.struct(list(schema)), 0
    held: list[dict] = []
    fit = [part for part in kind if not _is_plain(part.type, arrow)]

    def batch() -> Any:
        try:
            return arrow.RecordBatch.from_struct_array(arrow.array(held, kind))
        except (arrow.ArrowInvalid, arrow.ArrowTypeError, OverflowError) as error:
            raise FormatError(f"events {row - len(held)} to {row}: {error}") from error

    for record in reader:
        value = {"value": record} if wrap else record
        for part in fit:
            value[part.name] = _fit(value.get(part.name), part.type, arrow)
        held.append(value)
        row += 1
        if len(held) == _CHUNK_ROWS:
            yield batch()
            held.clear()
    if held:
        yield batch()


def _spool_of(place: Place) -> _spool.Spool:
    avro, arrow = need("fastavro", "Avro files"), need("pyarrow", "Avro files")
    with place.python_file(True) as file:
        try:
            reader = avro.reader(file)
            kind = _Types().of(reader.writer_schema)
            wrap = not arrow.types.is_struct(kind)
            schema = arrow.schema([arrow.field("value", kind)] if wrap else list(kind))
            return _spool.write(_batches(reader, schema, wrap), schema)
        except (KeyError, IndexError, TypeError, AttributeError, StopIteration, OverflowError) as error:
            raise FormatError(f"this is no sound Avro file: {type(error).__name__} {error}") from error


def rows(place: Place, name: str) -> Rows:
    if place.size == 0:
        raise FormatError("the file is empty")
    return spooled(place, lambda: _spool_of(place))
