"""NumPy: .npy with records or with rows of numbers (columns f0, f1, ...), .npz with a column in each array. Objects
that only Python's pickle could read are refused.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.lib import format as npy

from .._errors import FormatError, LimitError, SchemaError, UnsupportedError
from . import _shape, _spool
from ._arrays import arrow_array, arrow_type
from ._needs import need
from ._place import Place
from ._rows import Rows, even_parts
from ._spooled import spooled

_MOST_COLUMNS = 100_000
_PIECE_BYTES = 8 << 20


class _Header:
    """What stands in front of an array."""

    def __init__(self, file: Any, name: str) -> None:
        version = npy.read_magic(file)
        read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(version)
        if version == (3, 0):
            shape, fortran, dtype = npy._read_array_header(file, version)  # type: ignore[attr-defined]
        elif read is None:
            raise UnsupportedError(f"{name} is of version {version} of NumPy's format, which is not known")
        else:
            shape, fortran, dtype = read(file)
        if dtype.hasobject:
            raise UnsupportedError(f"{name} holds Python objects, which could run anything: save it with a type")
        self.shape, self.fortran, self.dtype = tuple(shape), fortran, dtype
        if fortran and len(self.shape) > 2:
            raise UnsupportedError(f"{name} has {len(self.shape)} dimensions in Fortran's order; save it in C's")
        if fortran and len(self.shape) < 2:
            self.fortran = False
        if any(size < 0 for size in self.shape):
            raise FormatError(f"{name} has the shape {self.shape}")
        self.row_bytes = dtype.itemsize
        for size in self.shape[1:]:
            self.row_bytes *= size


class NpyRows(Rows):
    """One array in a file: any rows of it can be had."""

    def __init__(self, place: Place) -> None:
        arrow = need("pyarrow", "NumPy files")
        self._place = place
        file = _Reading(place.open())
        self._header = header = _Header(file, "the array")
        if not header.shape:
            raise FormatError("the array is a single number, not rows")
        self._start = file.tell()
        self.num_rows = header.shape[0]
        if self._start + self.num_rows * header.row_bytes > place.size:
            raise FormatError(
                f"an array of shape {header.shape} should take {self.num_rows * header.row_bytes} bytes; the file ends "
                "before: is it truncated?"
            )
        width = header.shape[1] if len(header.shape) > 1 and header.dtype.names is None else 1
        if width > _MOST_COLUMNS:
            raise LimitError(f"the array has {width} columns; at most {_MOST_COLUMNS} are read")
        self._is_plain = header.dtype.names is None
        if self._is_plain:
            kind = arrow_type(header.dtype, header.shape[2:])
            self.schema = arrow.schema([arrow.field(f"f{i}", kind, nullable=False) for i in range(width)])
        else:
            kind = arrow_type(header.dtype)
            if len(header.shape) > 1:
                kind = arrow.struct(
                    [arrow.field(p.name, arrow_type(header.dtype[p.name], header.shape[1:])) for p in kind]
                )
            self.schema = arrow.schema([arrow.field(part.name, part.type, nullable=False) for part in kind])
        self.parts = even_parts(self.num_rows, header.row_bytes) if self.num_rows else []

    def open_reader(self, columns: list[_shape.Column]) -> Any:
        return self._place.open(), sorted({column.top for column in columns})

    def part(self, reader: Any, i: int) -> Any:
        arrow = need("pyarrow", "NumPy files")
        file, tops = reader
        start, stop = self.parts[i], self.end(i)
        fields = [self.schema.field(top) for top in tops]
        if self._header.fortran:
            arrays = [arrow_array(self._column(file, top, start, stop), part.type) for top, part in zip(tops, fields)]
        else:
            block = self._block(file, start, stop)
            arrays = [arrow_array(self._pick(block, top, part.name), part.type) for top, part in zip(tops, fields)]
        return arrow.Table.from_arrays(arrays, schema=arrow.schema(fields))

    def _pick(self, block: np.ndarray, top: int, name: str) -> np.ndarray:
        if not self._is_plain:
            return block[name]
        return block[:, top] if block.ndim > 1 else block

    def _block(self, file: Any, start: int, stop: int) -> np.ndarray:
        shape = (stop - start, *self._header.shape[1:])
        if not self._header.row_bytes:
            return np.zeros(shape, self._header.dtype)
        data = file.read_at((stop - start) * self._header.row_bytes, self._start + start * self._header.row_bytes)
        return np.frombuffer(data, self._header.dtype, np.prod(shape, dtype=np.int64)).reshape(shape)

    def _column(self, file: Any, top: int, start: int, stop: int) -> np.ndarray:
        item = self._header.dtype.itemsize
        data = file.read_at((stop - start) * item, self._start + (top * self.num_rows + start) * item)
        return np.frombuffer(data, self._header.dtype, stop - start)

    def row_bytes(self, column: _shape.Column) -> int:
        return (
            super().row_bytes(column) if not self._is_plain else self._header.row_bytes // max(len(self.schema), 1) + 1
        )


class _Reading:
    """read() as NumPy's header parser wants it: as many bytes as asked for, or an end."""

    def __init__(self, file: Any) -> None:
        self.file = file

    def read(self, size: int) -> bytes:
        return self.file.read(min(size, 1 << 24))

    def tell(self) -> int:
        return self.file.tell()


# ---- archives ----


def _spool_of(place: Place) -> _spool.Spool:
    arrow = need("pyarrow", "NumPy files")
    with place.python_file() as file, zipfile.ZipFile(file) as archive:
        names = [info.filename for info in archive.infolist() if info.filename.endswith(".npy")]
        files = {name.removesuffix(".npy"): archive.open(name) for name in names}
        headers = {name: _Header(member, name) for name, member in files.items()}
        headers = {name: header for name, header in headers.items() if header.shape}
        lengths = {header.shape[0] for header in headers.values()}
        if len(lengths) > 1:
            shown = ", ".join(f"{name} {header.shape[0]}" for name, header in list(headers.items())[:10])
            raise SchemaError(f"the arrays of an archive are columns, but they differ in length: {shown}")
        for name, header in headers.items():
            if header.fortran and header.shape[1] > 1:
                raise UnsupportedError(f"{name} is in Fortran's order; save it in C's (numpy.ascontiguousarray)")
        schema = arrow.schema(
            [arrow.field(name, arrow_type(h.dtype, h.shape[1:]), nullable=False) for name, h in headers.items()]
        )
        return _spool.write(_batches(files, headers, schema, lengths.pop() if lengths else 0), schema)


def _batches(files: dict, headers: dict, schema: Any, length: int) -> Iterator[Any]:
    arrow = need("pyarrow", "NumPy files")
    starts = even_parts(length, sum(header.row_bytes for header in headers.values()))
    for start, stop in zip(starts, [*starts[1:], length]):
        arrays = []
        for part in schema:
            header = headers[part.name]
            shape = (stop - start, *header.shape[1:])
            data = _exactly(files[part.name], (stop - start) * header.row_bytes, part.name)
            values = np.frombuffer(data, header.dtype).reshape(shape) if data else np.zeros(shape, header.dtype)
            arrays.append(arrow_array(values, part.type))
        yield arrow.RecordBatch.from_arrays(arrays, schema=schema)


def _exactly(member: Any, size: int, name: str) -> bytes:
    data = member.read(size)
    if len(data) < size:
        raise FormatError(f"{name} ends before its last row: is the file truncated?")
    return data


def rows(place: Place, name: str) -> Rows:
    if place.head.startswith(b"PK"):
        return spooled(place, lambda: _spool_of(place))
    if place.size == 0:
        raise FormatError("the file is empty")
    return NpyRows(place)
