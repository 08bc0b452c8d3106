"""Parquet: groups of rows, of which only the columns that are wanted are read."""

from __future__ import annotations

from typing import Any

from . import _shape
from ._needs import need
from ._place import Place
from ._rows import Rows

_PIECE_ROWS = 1 << 16


class _Reader:
    """One reader's file, columns, and the groups of rows that it read and announced last."""

    def __init__(self, file: Any, paths: list[str]) -> None:
        self.file, self.paths = file, paths
        self.last = self.announced = -1


class ParquetRows(Rows):
    def __init__(self, place: Place) -> None:
        self._parquet = need("pyarrow.parquet", "Parquet files")
        self._place = place
        self._file = self._open()
        self.schema = self._file.schema_arrow
        meta = self._file.metadata
        self._meta = meta
        self.num_rows = meta.num_rows
        self._groups = [i for i in range(meta.num_row_groups) if meta.row_group(i).num_rows]
        self.parts, at = [], 0
        for i in self._groups:
            self.parts.append(at)
            at += meta.row_group(i).num_rows
        self.num_rows = at
        self._paths = [meta.schema.column(i).path for i in range(meta.num_columns)]

    def _open(self) -> Any:
        return self._parquet.ParquetFile(
            self._place.open(mapped=True), pre_buffer=self._place.buffers, page_checksum_verification=True
        )

    def _wanted(self, columns: list[_shape.Column]) -> list[str]:
        """Leaves by path; of a field without a leaf of its own here all of it."""
        return sorted({self._paths[column.ordinal] for column in columns})

    def open_reader(self, columns: list[_shape.Column]) -> Any:
        return _Reader(self._open(), self._wanted(columns))

    def part(self, reader: Any, i: int) -> Any:
        self._announce(reader, i)
        return reader.file.read_row_group(self._groups[i], columns=reader.paths, use_threads=False)

    def pieces(self, reader: Any, i: int) -> Any:
        self._announce(reader, i)
        return reader.file.iter_batches(
            _PIECE_ROWS, row_groups=[self._groups[i]], columns=reader.paths, use_threads=False
        )

    def _announce(self, reader: _Reader, i: int) -> None:
        """The pieces of the columns in this group of rows, all of them in few requests; where groups are read one after
        the other those of the next one too, so that they come while these are decoded."""
        for k in (i, i + 1) if i == reader.last + 1 > 0 else (i,):
            if k < len(self._groups) and k != reader.announced:
                self._place.ahead(self._ranges(self._groups[k], set(reader.paths)))
                reader.announced = k
        reader.last = i

    def _ranges(self, group: int, paths: set[str]) -> list[tuple[int, int]]:
        about, ranges = self._meta.row_group(group), []
        for k, path in enumerate(self._paths):
            if path in paths:
                chunk = about.column(k)
                first = chunk.data_page_offset
                if chunk.has_dictionary_page and 0 < chunk.dictionary_page_offset < first:
                    first = chunk.dictionary_page_offset
                ranges.append((first, chunk.total_compressed_size))
        return ranges

    def part_bytes(self, i: int, columns: list[_shape.Column]) -> int:
        group = self._meta.row_group(self._groups[i])
        return sum(self._chunk_bytes(group, column) for column in columns)

    def _chunk_bytes(self, group: Any, column: _shape.Column) -> int:
        chunk = group.column(column.ordinal)
        width = column.width or 0
        return max(chunk.total_uncompressed_size, chunk.num_values * width) + 4 * column.depth * group.num_rows

    def row_bytes(self, column: _shape.Column) -> int:
        if not self._groups or not self.num_rows:
            return super().row_bytes(column)
        group = self._meta.row_group(self._groups[0])
        return self._chunk_bytes(group, column) // group.num_rows + 1

    def stored_bytes(self, column: _shape.Column) -> int:
        if column.ordinal >= self._meta.num_columns:
            return 0
        return sum(self._meta.row_group(i).column(column.ordinal).total_compressed_size for i in self._groups)

    def has_nulls(self, columns: list[_shape.Column]) -> list[bool]:
        found: dict[int, bool] = {}
        unsure = []
        for k, column in enumerate(columns):
            counts = [self._count_nulls(i, column) for i in self._groups]
            if all(count == 0 for count in counts):
                found[k] = False
            elif column.depth == 0 and None not in counts:
                found[k] = True
            else:  # an empty list counts as missing there
                unsure.append(k)
        if unsure:
            found.update(zip(unsure, super().has_nulls([columns[k] for k in unsure])))
        return [found[k] for k in range(len(columns))]

    def _count_nulls(self, i: int, column: _shape.Column) -> int | None:
        chunk = self._meta.row_group(i).column(column.ordinal)
        statistics = chunk.statistics if chunk.is_stats_set else None
        return statistics.null_count if statistics is not None and statistics.has_null_count else None

    def close_reader(self, reader: Any) -> None:
        reader.file.close()

    def close(self) -> None:
        self._file.close()


def rows(place: Place, name: str) -> Rows:
    return ParquetRows(place)
