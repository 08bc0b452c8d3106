"""From the types that a file has to those that a table shows: structs become columns of their members ("jets.pt"), all
kinds of lists become lists, numbers keep their type, what is missing becomes NaN. Knows no format.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .._errors import FormatError, LimitError, SchemaError, UnsupportedError
from ._needs import need

MOST_ITEMS = 2**31 - 1
DEEPEST = 50  # Arrow's own files hold 64 levels
MOST_COLUMNS = 1_000_000


@dataclass
class Column:
    """One column of a table: a leaf of the file's schema."""

    name: str
    top: int  # which field of the file's schema it is in
    path: tuple[str, ...]  # members of structs, from there on
    type_name: str  # as the file has it
    leaf: Any = None  # the type of the values
    depth: int = 0  # lists around them
    unsupported: str | None = None
    nulls: bool = False  # values may be missing
    kind: Any = None  # the Arrow type that comes out
    nullable: bool = False  # texts only
    width: int = field(default=0)  # bytes of a value
    ordinal: int = 0  # which leaf of the file's schema it is, in its order


def _list_like(arrow: Any, kind: Any) -> bool:
    types = arrow.types
    return (
        types.is_list(kind)
        or types.is_large_list(kind)
        or types.is_fixed_size_list(kind)
        or types.is_list_view(kind)
        or types.is_large_list_view(kind)
    )


def _storage(arrow: Any, kind: Any) -> Any:
    """What is below extension types, dictionaries and run lengths."""
    for _ in range(DEEPEST):
        if isinstance(kind, arrow.BaseExtensionType):
            kind = kind.storage_type
        elif arrow.types.is_dictionary(kind) or arrow.types.is_run_end_encoded(kind):
            kind = kind.value_type
        else:
            return kind
    raise UnsupportedError("a type is nested too deep")


class _Walk:
    def __init__(self) -> None:
        self.arrow = need("pyarrow", "files of other formats than ROOT")
        self.columns: list[Column] = []
        self.leaves = 0

    def go(self, kind: Any, name: str, top: int, path: tuple[str, ...], lists: int, nulls: bool, shown: str) -> None:
        arrow, kind = self.arrow, _storage(self.arrow, kind)
        if len(path) + lists > DEEPEST:
            raise LimitError(f"column {name[:100]!r} is nested deeper than {DEEPEST} levels")
        if arrow.types.is_struct(kind) and kind.num_fields:
            parts = [kind.field(i) for i in range(kind.num_fields)]
            if len({part.name for part in parts}) < len(parts):
                raise SchemaError(f"a member of {name!r} has the name of another one")
            for part in parts:
                missing = nulls or part.nullable
                here = "list<" * lists + str(part.type) + ">" * lists
                self.go(part.type, f"{name}.{part.name}", top, (*path, part.name), lists, missing, here)
        elif _list_like(arrow, kind):
            inside = kind.value_field
            self.go(inside.type, name, top, path, lists + 1, inside.nullable, shown)
        else:
            self.leaf(kind, name, top, path, lists, nulls, shown)

    def leaf(self, kind: Any, name: str, top: int, path: tuple[str, ...], lists: int, nulls: bool, shown: str) -> None:
        arrow = self.arrow
        column = Column(name, top, path, shown[:200], kind, lists, nulls=nulls, ordinal=self.leaves)
        self.leaves += _parquet_leaves(arrow, kind)
        if len(self.columns) >= MOST_COLUMNS:
            raise LimitError(f"the table has more than {MOST_COLUMNS} columns")
        types = arrow.types
        if not name:
            column.unsupported = "it has no name"
        elif types.is_boolean(kind) or types.is_integer(kind) or types.is_float32(kind) or types.is_float64(kind):
            column.kind = kind
        elif types.is_float16(kind):
            column.kind = arrow.float32()
        elif types.is_decimal(kind) or types.is_null(kind):
            column.kind = arrow.float64()
        elif types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
            column.kind, column.nullable = arrow.string(), nulls and lists == 0
        else:
            column.unsupported = f"{kind} is neither a number, a text nor a list of them"[:200]
        if column.kind is not None and not types.is_string(column.kind):
            column.width = max(column.kind.bit_width // 8, 1)
        self.columns.append(column)


def _parquet_leaves(arrow: Any, kind: Any) -> int:
    """Columns of a Parquet file below a type that has no columns here."""
    if arrow.types.is_map(kind):
        return _parquet_leaves(arrow, kind.key_type) + _parquet_leaves(arrow, kind.item_type)
    if arrow.types.is_struct(kind):
        return sum(_parquet_leaves(arrow, kind.field(i).type) for i in range(kind.num_fields))
    return _parquet_leaves(arrow, kind.value_type) if _list_like(arrow, kind) else 1


def columns_of(schema: Any) -> list[Column]:
    """The columns that a table of this schema has. Raises SchemaError, LimitError."""
    walk, seen = _Walk(), set()
    for top, part in enumerate(schema):
        if part.name in seen:
            raise SchemaError(f"there are two columns called {part.name!r}")
        seen.add(part.name)
        walk.go(part.type, part.name, top, (), 0, part.nullable, str(part.type))
    return walk.columns


def settle(columns: list[Column], has_nulls: Callable[[list[Column]], list[bool]]) -> None:
    """Whole numbers and truth values that are missing somewhere become doubles; `has_nulls` is asked where the schema
    does not rule it out."""
    arrow = need("pyarrow", "files of other formats than ROOT")
    asked = [
        column
        for column in columns
        if column.kind is not None
        and column.nulls
        and (arrow.types.is_integer(column.kind) or arrow.types.is_boolean(column.kind))
    ]
    if not asked:
        return
    for column, found in zip(asked, has_nulls(asked)):
        column.nulls = found
        if found:
            column.kind, column.width = arrow.float64(), 8


def shown_type(column: Column) -> Any:
    """The Arrow type of a column, lists included."""
    arrow = need("pyarrow", "files of other formats than ROOT")
    kind = column.kind if column.kind is not None else arrow.null()
    for _ in range(column.depth if column.kind is not None else 0):
        kind = arrow.list_(arrow.field("item", kind, nullable=False))
    return kind


def schema_of(columns: list[Column]) -> Any:
    """The schema that the table shows."""
    arrow = need("pyarrow", "files of other formats than ROOT")
    return arrow.schema(
        [
            arrow.field(column.name or "?", shown_type(column), nullable=column.nullable or column.kind is None)
            for column in columns
        ]
    )


# ---- values ----


def _plain(arrow: Any, array: Any) -> Any:
    """Without extension types, dictionaries and run lengths."""
    for _ in range(DEEPEST):
        kind = array.type
        if isinstance(kind, arrow.BaseExtensionType):
            array = array.storage
        elif arrow.types.is_dictionary(kind):
            array = array.dictionary_decode()
        elif arrow.types.is_run_end_encoded(kind):
            array = arrow.compute.run_end_decode(array)
        else:
            break
    return array


def _offsets(arrow: Any, array: Any) -> Any:
    """32-bit offsets of the lists, which begin at 0 and fit array.flatten(); a missing list is an empty one."""
    import numpy

    lengths = arrow.compute.list_value_length(array)
    if lengths.null_count:
        lengths = arrow.compute.fill_null(lengths, 0)
    ends = numpy.cumsum(lengths.to_numpy(zero_copy_only=False), dtype=numpy.int64)
    if len(ends) and ends[-1] > MOST_ITEMS:
        raise LimitError(f"{len(ends)} lists have {int(ends[-1])} items; {MOST_ITEMS} fit: read fewer rows at a time")
    return arrow.array(numpy.concatenate([[0], ends]).astype(numpy.int32))


def pick(array: Any, path: tuple[str, ...]) -> Any:
    """The values of a leaf, still as the file has them, below lists that begin at 0 and are never missing."""
    arrow = need("pyarrow", "files of other formats than ROOT")
    array = _plain(arrow, array)
    if arrow.types.is_struct(array.type) and path:
        return pick(array.flatten()[array.type.get_field_index(path[0])], path[1:])
    if _list_like(arrow, array.type):
        return arrow.ListArray.from_arrays(_offsets(arrow, array), pick(array.flatten(), path))
    return array


def _values(arrow: Any, column: Column, array: Any) -> Any:
    """The leaf's values in the type that the column shows, none missing."""
    if array.type != column.kind:
        try:
            array = array.cast(column.kind)
        except arrow.ArrowInvalid as error:
            raise FormatError(f"column {column.name}: {error}") from error
    if array.null_count == 0 or column.nullable:
        return array
    if arrow.types.is_floating(array.type):
        return arrow.compute.fill_null(array, float("nan"))
    if arrow.types.is_string(array.type):
        return arrow.compute.fill_null(array, "")
    raise FormatError(f"column {column.name}: a value is missing where the file said that none is")


def _wrap(arrow: Any, column: Column, array: Any, depth: int) -> Any:
    if depth == 0:
        return _values(arrow, column, array)
    item = arrow.field("item", _deep(arrow, column, depth - 1), nullable=False)
    inner = _wrap(arrow, column, array.values, depth - 1)
    return arrow.ListArray.from_arrays(array.offsets, inner, type=arrow.list_(item))


def _deep(arrow: Any, column: Column, depth: int) -> Any:
    kind = column.kind
    for _ in range(depth):
        kind = arrow.list_(arrow.field("item", kind, nullable=False))
    return kind


def extract(column: Column, array: Any) -> Any:
    """The column's values out of an array of its field of the file's schema."""
    arrow = need("pyarrow", "files of other formats than ROOT")
    need("pyarrow.compute", "files of other formats than ROOT")
    if isinstance(array, arrow.ChunkedArray):
        array = array.combine_chunks() if array.num_chunks != 1 else array.chunk(0)
    return _wrap(arrow, column, pick(array, column.path), column.depth)


def missing(column: Column, array: Any) -> bool:
    """Whether a value of this leaf is missing in the array."""
    arrow = need("pyarrow", "files of other formats than ROOT")
    need("pyarrow.compute", "files of other formats than ROOT")
    if isinstance(array, arrow.ChunkedArray):
        array = array.combine_chunks() if array.num_chunks != 1 else array.chunk(0)
    found = pick(array, column.path)
    for _ in range(column.depth):
        found = found.values
    return found.null_count > 0
