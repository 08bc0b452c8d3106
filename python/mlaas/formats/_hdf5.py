"""HDF5: a group whose datasets have the same length is a table, a column in each dataset. Compound types give a column
for each member, further dimensions and variable lengths give lists.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from .._errors import FormatError, LimitError, SchemaError, UnsupportedError
from . import _shape
from ._arrays import arrow_array, arrow_type
from ._needs import need
from ._place import Place
from ._rows import Rows, even_parts

_MOST_GROUPS = 10_000
_MOST_RATIO, _SMALL = 5000, 1 << 20  # deflate reaches a thousandth
_MOST_SHARED = 16  # lists that lie in the same bytes of the file
_DEFLATE, _SHUFFLE, _FLETCHER32 = 1, 2, 3


class _Files:
    """An open file; HDF5 wants a path or a file of Python's kind."""

    def __init__(self, place: Place) -> None:
        self.h5 = need("h5py", "HDF5 files")
        self._own = None if place.path is not None else place.python_file()
        self._place = place
        self._raw: Any = None
        try:
            self.file = self.h5.File(place.path if self._own is None else self._own, "r")
        except OSError as error:
            raise FormatError(f"this is no sound HDF5 file: {error}") from error

    def raw(self, offset: int, length: int) -> bytes:
        """Bytes of the file as they lie there."""
        file: Any = self._raw or self._place.python_file()
        self._raw = file
        file.seek(offset)
        return file.read(length)

    def close(self) -> None:
        self.file.close()
        for file in (self._own, self._raw):
            if file is not None:
                file.close()


def _datasets(h5: Any, group: Any) -> dict[str, Any]:
    """Its datasets that have rows. Links to elsewhere are not followed: the file is not to be trusted with that."""
    found = {}
    for name in group:
        if isinstance(group.get(name, getlink=True), h5.HardLink):
            item = group[name]
            if isinstance(item, h5.Dataset) and item.shape:
                found[name] = item
    return found


def tables(place: Place) -> list[str]:
    """Paths of the groups that hold datasets; "" for the file's only table where that is its root."""
    files = _Files(place)
    try:
        found = []

        def look(name: str, item: Any) -> None:
            if isinstance(item, files.h5.Group) and _datasets(files.h5, item):
                found.append(name)
            if len(found) > _MOST_GROUPS:
                raise FormatError(f"the file has more than {_MOST_GROUPS} groups")

        root = bool(_datasets(files.h5, files.file))
        files.file.visititems(look)
    finally:
        files.close()
    if root:
        return [".", *found] if found else [""]
    return found


class Hdf5Rows(Rows):
    def __init__(self, place: Place, name: str) -> None:
        arrow = need("pyarrow", "HDF5 files")
        self._place, self._group = place, name if name not in ("", ".") else "/"
        files = self._files = _Files(place)
        self._h5 = files.h5
        datasets = _datasets(self._h5, files.file[self._group])
        lengths = {key: item.shape[0] for key, item in datasets.items()}
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"{key} {length}" for key, length in list(lengths.items())[:10])
            raise SchemaError(f"the datasets of group {self._group} are columns, but they differ in length: {shown}")
        self.num_rows = next(iter(lengths.values()), 0)
        self._single = len(datasets) == 1 and next(iter(datasets.values())).dtype.names is not None
        fields = []
        self._sources: list[str] = []
        for key, item in datasets.items():
            kind = self._type(item)
            if self._single and arrow.types.is_struct(kind):  # as PyTables writes its tables
                fields += [arrow.field(part.name, part.type, nullable=False) for part in kind]
                self._sources += [key] * kind.num_fields
            else:
                fields.append(arrow.field(key, kind, nullable=False))
                self._sources.append(key)
        self.schema = arrow.schema(fields)
        row = sum(max(item.dtype.itemsize, 1) * int(np.prod(item.shape[1:])) for item in datasets.values())
        for key, item in datasets.items():
            _check_claim(key, item)
        self.parts = even_parts(self.num_rows, row) if self.num_rows else []
        self._row_bytes = {key: item.dtype.itemsize * int(np.prod(item.shape[1:])) for key, item in datasets.items()}

    def _type(self, item: Any) -> Any:
        arrow, h5 = need("pyarrow", "HDF5 files"), self._h5
        dtype, kind = item.dtype, None
        if h5.check_string_dtype(dtype):
            kind = arrow.string()
        elif (inner := h5.check_vlen_dtype(dtype)) is not None:
            kind = arrow.list_(arrow.field("item", arrow_type(np.dtype(inner)), nullable=False))
        elif (values := h5.check_enum_dtype(dtype)) is not None and dtype.kind != "b":
            kind = arrow_type(np.dtype(dtype.str)) if values else arrow.binary()
        if kind is None:
            kind = arrow_type(dtype, item.shape[1:])
        elif len(item.shape) > 1:
            kind = arrow.binary()  # texts and lists of varying length in more dimensions
        return kind

    def open_reader(self, columns: list[_shape.Column]) -> Any:
        return _Files(self._place), sorted({column.top for column in columns})

    def part(self, reader: Any, i: int) -> Any:
        arrow = need("pyarrow", "HDF5 files")
        files, tops = reader
        start, stop = self.parts[i], self.end(i)
        fields = [self.schema.field(top) for top in tops]
        group = files.file[self._group]
        kept: dict[str, Any] = {}
        arrays = []
        for top, part in zip(tops, fields):
            key = self._sources[top]
            if key not in kept:
                kept[key] = self._read(files, group[key], start, stop)
            values = kept[key][part.name] if self._single else kept[key]
            arrays.append(self._arrow(values, part.type))
        return arrow.Table.from_arrays(arrays, schema=arrow.schema(fields))

    def _read(self, files: _Files, item: Any, start: int, stop: int) -> np.ndarray:
        try:
            _check_lists(files, item, start, stop, self._place.size)
            if self._h5.check_string_dtype(item.dtype):
                return item.asstr(errors="surrogateescape")[start:stop]
            return item[start:stop]
        except (OSError, RuntimeError, zlib.error) as error:
            raise FormatError(f"dataset {item.name}: {error}") from error

    def _arrow(self, values: np.ndarray, kind: Any) -> Any:
        arrow = need("pyarrow", "HDF5 files")
        if arrow.types.is_string(kind) and values.dtype.kind == "O":
            return arrow.array([str(text) for text in values], kind)
        if arrow.types.is_list(kind):
            lengths = np.array([len(row) for row in values], np.int64)
            if lengths.sum() > _shape.MOST_ITEMS:
                raise UnsupportedError(f"{len(values)} lists have {lengths.sum()} items; {_shape.MOST_ITEMS} fit")
            flat = np.concatenate(list(values)) if lengths.sum() else np.zeros(0, kind.value_type.to_pandas_dtype())
            offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
            return arrow.ListArray.from_arrays(arrow.array(offsets), arrow_array(flat, kind.value_type), type=kind)
        return arrow_array(values, kind)

    def row_bytes(self, column: _shape.Column) -> int:
        return max(super().row_bytes(column), self._row_bytes[self._sources[column.top]] if not self._single else 0)

    def close_reader(self, reader: Any) -> None:
        reader[0].close()

    def close(self) -> None:
        self._files.close()


def _check_claim(name: str, item: Any) -> None:
    """A file may claim any number of rows that it does not hold: they would be made of nothing."""
    claimed, held = item.size * max(item.dtype.itemsize, 1), item.id.get_storage_size()
    if claimed > _MOST_RATIO * held + _SMALL:
        raise LimitError(f"dataset {name} claims {claimed} bytes, but {held} are stored of it")


def _check_lists(files: _Files, item: Any, start: int, stop: int, size: int) -> None:
    """The library believes any length of a list or text, and is busy for hours with the bytes that it then clears.
    Lists lie in the file as they are, so they are not longer than it."""
    text, inner = files.h5.check_string_dtype(item.dtype), files.h5.check_vlen_dtype(item.dtype)
    if len(item.shape) != 1 or start >= stop or not (text.length is None if text else inner is not None):
        return
    unit = 1 if text or inner is None else np.dtype(inner).itemsize
    width = item.id.get_type().get_size()  # of a length, an address and a number
    total, most = 0, _MOST_SHARED * size + _SMALL
    for data in _stored(files, item, start, stop, width):
        cells = np.frombuffer(data[: len(data) // width * width], np.uint8).reshape(-1, width)
        total += int(cells[:, :4].copy().view("<u4").sum(dtype=np.int64)) * unit
        if total > most:
            raise FormatError(f"dataset {item.name}: its lists claim {total} bytes, but the file has {size}")


def _stored(files: _Files, item: Any, start: int, stop: int, width: int) -> Any:
    """The cells of these rows, or of some more around them, where they can be had without the library."""
    if item.chunks is None:
        offset = item.id.get_offset()
        if offset is not None:
            yield files.raw(offset + start * width, (stop - start) * width)
        return
    filters = item.id.get_create_plist()
    kinds = [filters.get_filter(i)[0] for i in range(filters.get_nfilters())]
    if not set(kinds) <= {_DEFLATE, _SHUFFLE, _FLETCHER32}:
        return
    rows = item.chunks[0]
    for first in range(start - start % rows, stop, rows):
        chunk = item.id.get_chunk_info_by_coord((first,))
        if chunk.byte_offset is not None:
            data = files.raw(chunk.byte_offset, min(chunk.size, _MOST_RATIO * rows * width))
            applied = [kind for i, kind in enumerate(kinds) if not chunk.filter_mask >> i & 1]
            yield _unfilter(data, applied, rows * width, width)


def _unfilter(data: bytes, kinds: list[int], most: int, width: int) -> bytes:
    for kind in reversed(kinds):
        if kind == _DEFLATE:
            data = zlib.decompressobj().decompress(data, most + 4)
        elif kind == _SHUFFLE:
            data = np.frombuffer(data[: len(data) // width * width], np.uint8).reshape(width, -1).T.tobytes()
        else:
            data = data[:-4]
    return data


def rows(place: Place, name: str) -> Rows:
    return Hdf5Rows(place, name)
