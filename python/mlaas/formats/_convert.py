"""Any file of events to any format: batch by batch, so that memory does not grow with the file. The result appears
whole or not at all."""

from __future__ import annotations

import contextlib
import fnmatch
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .. import _core
from .._errors import ArgumentError, Error, IOError, NotFoundError, SchemaError, UnsupportedError, by_name
from .._places import Files, Remote, context_limits, expand, hidden
from .._units import parse_bytes
from ..progress import costs_text
from ..progress import make as make_progress
from . import _shape
from ._host import File, explain, open_file
from ._needs import need

#: What can be written, and what the end of a name means.
TARGETS = ("parquet", "arrow", "feather", "orc", "csv", "jsonl", "root", "rntuple")
_ENDS = {".pq": "parquet", ".json": "jsonl", ".ndjson": "jsonl", ".ipc": "arrow"}
_GROUP_ROWS, _GROUP_BYTES = 1 << 17, 64 << 20
_PIECE_BYTES = 64 << 20
_STRETCH_ROWS = 1 << 12  # of text that is written at a time: an interrupt waits for no more
_MOST_OPEN = 32  # files; more are opened for their schema, and again when it is their turn
TREE = "events"


# ---- reading ----


class _Root:
    """A ROOT file, or any other one in the shape in which a model sees it."""

    def __init__(self, url: str, table: str | None, how: dict) -> None:
        from .._file import open as open_root

        self.file = open_root(url, **how)
        self.table = self.file[table]
        self.entries = self.table.num_entries
        self.schema = self.table.schema
        self.unreadable = self.table.unsupported

    def batches(self, names: list[str]) -> Iterator[Any]:
        yield from self.table.select(names).batches()

    @property
    def costs(self) -> dict[str, int] | None:
        return self.file.costs if self.file.info["remote"] else None

    def close(self) -> None:
        self.file.close()


class _Raw:
    """A file of another format with the types that it has itself."""

    def __init__(self, file: File, table: str | None) -> None:
        if table is None and len(file.tables) > 1:
            raise ArgumentError(f"the file has several tables, {', '.join(file.tables[:10])}; name one")
        name = table if table in file.tables else file.tables[0] if file.tables else None
        if name is None or (table is not None and table != name and file.tables != [""]):
            raise NotFoundError(f"there is no table {table}; there are {', '.join(file.tables[:10]) or 'none'}")
        self.file, self.rows = file, file.rows(name)
        self.entries, self.schema = self.rows.num_rows, self.rows.schema
        self.unreadable: dict[str, str] = {}

    def batches(self, names: list[str]) -> Iterator[Any]:
        columns = [column for column in _shape.columns_of(self.schema) if self.schema.field(column.top).name in names]
        reader = self.rows.open_reader(columns)
        try:
            for i in range(len(self.rows.parts)):
                pieces = None
                if not self.rows.mapped and self.rows.part_bytes(i, columns) > _PIECE_BYTES:
                    pieces = self.rows.pieces(reader, i)
                yield from pieces if pieces is not None else self.rows.part(reader, i).to_batches()
        finally:
            self.rows.close_reader(reader)

    @property
    def costs(self) -> dict[str, int] | None:
        return self.file.source.costs() if self.file.source is not None else None

    def close(self) -> None:
        self.rows.close()


def _open(url: str, table: str | None, shaped: bool, how: dict) -> Any:
    memory, limits = parse_bytes(how["memory"]), context_limits(how["limits"], how["remote"])
    file = None if shaped else open_file(url, lambda name: _core.Bytes(name, memory, limits))
    return _Raw(file, table) if file is not None else _Root(url, table, how)


def _choose(schema: Any, columns: Sequence[str] | None) -> list[str]:
    """Names in the schema's order; `columns` may have * and ?."""
    if columns is None:
        return list(schema.names)
    chosen = set()
    for pattern in columns:
        found = fnmatch.filter(schema.names, pattern)
        if not found:
            more = f" and {len(schema.names) - 20} more" if len(schema.names) > 20 else ""
            raise NotFoundError(f"there is no column {pattern!r}; there are {', '.join(schema.names[:20])}{more}")
        chosen.update(found)
    return [name for name in schema.names if name in chosen]


def _join_schemas(urls: list[str], schemas: list[Any]) -> Any:
    """One schema for all inputs, each column of a type that holds those of all."""
    arrow = need("pyarrow", "conversions")
    first = schemas[0]
    for url, schema in zip(urls[1:], schemas[1:]):
        lacking = set(first.names) ^ set(schema.names)
        if lacking:
            name = sorted(lacking)[0]
            where = url if name in first.names else urls[0]
            raise SchemaError(f"there is no column {name!r}, which another input has; columns can be chosen", where)
    try:
        return arrow.unify_schemas([schema.remove_metadata() for schema in schemas], promote_options="permissive")
    except (arrow.ArrowInvalid, arrow.ArrowTypeError) as error:
        raise SchemaError(f"the inputs have types that do not fit together: {error}") from error


def _groups(batches: Iterator[Any], schema: Any) -> Iterator[Any]:
    """Tables of the schema, of a size that is good to write."""
    arrow = need("pyarrow", "conversions")
    held: list = []
    rows = size = 0
    for batch in batches:
        table = arrow.Table.from_batches([batch]).select(schema.names)
        held.append(table.cast(schema) if table.schema != schema else table)
        rows, size = rows + table.num_rows, size + table.nbytes
        if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
            yield arrow.concat_tables(held)
            held, rows, size = [], 0, 0
    if held:
        yield arrow.concat_tables(held)


# ---- writing: append(table), close() ----


def _worth_a_dictionary(arrow: Any, kind: Any, path: str) -> list[str]:
    """Paths of the leaves below whose values may repeat. Looking for repeated numbers among measured ones takes seven
    times as long as writing them, and finds none."""
    if arrow.types.is_floating(kind):
        return []
    if arrow.types.is_struct(kind):
        return [leaf for part in kind for leaf in _worth_a_dictionary(arrow, part.type, f"{path}.{part.name}")]
    if arrow.types.is_list(kind) or arrow.types.is_large_list(kind) or arrow.types.is_fixed_size_list(kind):
        return _worth_a_dictionary(arrow, kind.value_type, f"{path}.list.element")
    return [path]


class _Parquet:
    def __init__(self, path: str, schema: Any) -> None:
        arrow = need("pyarrow", "Parquet files")
        leaves = [leaf for part in schema for leaf in _worth_a_dictionary(arrow, part.type, part.name)]
        self.writer = need("pyarrow.parquet", "Parquet files").ParquetWriter(
            path, schema, compression="zstd", write_page_checksum=True, use_dictionary=leaves or False
        )

    def append(self, table: Any) -> None:
        self.writer.write_table(table, row_group_size=table.num_rows)

    def close(self) -> None:
        self.writer.close()


class _Ipc:
    packing: str | None = None

    def __init__(self, path: str, schema: Any) -> None:
        ipc = need("pyarrow.ipc", "Arrow files")
        self.writer = ipc.new_file(path, schema, options=ipc.IpcWriteOptions(compression=self.packing))

    def append(self, table: Any) -> None:
        self.writer.write_table(table.combine_chunks())

    def close(self) -> None:
        self.writer.close()


class _Feather(_Ipc):
    packing = "lz4"


class _Orc:
    def __init__(self, path: str, schema: Any) -> None:
        self.writer = need("pyarrow.orc", "ORC files").ORCWriter(path, compression="zstd")
        self.empty: Any = schema.empty_table()

    def append(self, table: Any) -> None:
        self.empty = None
        self.writer.write(table)

    def close(self) -> None:
        if self.empty is not None:
            self.writer.write(self.empty)
        self.writer.close()


class _Csv:
    """Floats are written as the double of the same value, so that reading gives the same number."""

    def __init__(self, path: str, schema: Any) -> None:
        arrow = need("pyarrow", "CSV files")
        nested = [part.name for part in schema if arrow.types.is_nested(part.type)]
        if nested:
            raise UnsupportedError(
                f"CSV has no lists, but column {nested[0]!r} is {schema.field(nested[0]).type}; choose other columns"
            )
        self.schema = arrow.schema([part.with_type(_exact_text(arrow, part.type)) for part in schema])
        self.writer = need("pyarrow.csv", "CSV files").CSVWriter(path, self.schema)

    def append(self, table: Any) -> None:
        for batch in table.to_batches(_STRETCH_ROWS):
            self.writer.write_batch(batch.cast(self.schema))

    def close(self) -> None:
        self.writer.close()


def _exact_text(arrow: Any, kind: Any) -> Any:
    if arrow.types.is_dictionary(kind):
        return _exact_text(arrow, kind.value_type)
    return arrow.float64() if arrow.types.is_floating(kind) else kind


class _Jsonl:
    """An object a line; what JSON has no number for (NaN, infinities) is null."""

    def __init__(self, path: str, schema: Any) -> None:
        self.file = open(path, "w", encoding="utf-8")

    def append(self, table: Any) -> None:
        for batch in table.to_batches(_STRETCH_ROWS):
            for row in batch.to_pylist():
                self._write(row)

    def _write(self, row: dict) -> None:
        try:
            text = json.dumps(row, allow_nan=False)
        except ValueError:
            text = json.dumps(_finite(row))
        except TypeError as error:
            raise UnsupportedError(f"JSON has no such value: {error}") from error
        self.file.write(text + "\n")

    def close(self) -> None:
        self.file.close()


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


class _RootFile:
    """A tree or an ntuple by uproot. In a tree each jagged column gets a counter, as the format wants it."""

    kind = "mktree"

    def __init__(self, path: str, schema: Any) -> None:
        self.uproot, self.ak = need("uproot", "ROOT files"), need("awkward", "ROOT files")
        arrow = need("pyarrow", "ROOT files")
        for part in schema:
            if self.kind == "mktree" and arrow.types.is_list(part.type) and arrow.types.is_nested(part.type.value_type):
                raise UnsupportedError(
                    f"column {part.name!r} is {part.type}, for which uproot writes no tree; write an ntuple (rntuple), "
                    "or choose other columns"
                )
        self.names = set(schema.names)
        self.counters = set() if self.kind != "mktree" else {n for n in schema.names if self._counts(schema, n)}
        self.file = self.uproot.recreate(path)
        self.table: Any = None
        self.empty: Any = schema.empty_table()

    @staticmethod
    def _counts(schema: Any, name: str) -> bool:
        """Whether the column is the counter that uproot will write for another one anyway."""
        index = schema.get_field_index(name[1:]) if name.startswith("n") else -1
        meta = schema.field(index).metadata if index >= 0 else None
        return meta is not None and meta.get(b"mlaas.counter") == name.encode()

    def _counter(self, name: str) -> str:
        counter = "n" + name
        while counter in self.names - self.counters:
            counter = "n_" + counter
        return counter

    def _arrays(self, table: Any) -> dict[str, Any]:
        return {
            name: self.ak.from_arrow(table.column(name), generate_bitmasks=False)
            for name in table.column_names
            if name not in self.counters
        }

    def append(self, table: Any) -> None:
        self.empty = None
        self._append({name: self._plain(array) for name, array in self._arrays(table).items()})

    def _plain(self, array: Any) -> Any:
        """Without marks for missing values: there are none but texts, which become empty ones."""
        if "?string" in str(array.type):
            array = self.ak.fill_none(array, "", axis=None)
        return self.ak.drop_none(array, axis=None) if "?" in str(array.type) else array

    def _append(self, arrays: dict[str, Any]) -> None:
        if self.table is None:
            types = {}
            for name, array in arrays.items():
                flat = array.ndim == 1 and "string" not in str(array.type)
                types[name] = self.ak.to_numpy(array).dtype if flat else array.type
            self.table = self.file.mktree(TREE, types, counter_name=self._counter)
        self.table.extend({name: self._as_numpy(array) for name, array in arrays.items()})

    def _as_numpy(self, array: Any) -> Any:
        return self.ak.to_numpy(array) if array.ndim == 1 and "string" not in str(array.type) else array

    def close(self) -> None:
        if self.empty is not None and self.empty.num_columns:
            self.append(self.empty)
        self.file.close()


class _Rntuple(_RootFile):
    kind = "mkrntuple"

    def _append(self, arrays: dict[str, Any]) -> None:
        if self.table is None:
            self.table = self.file.mkrntuple(TREE, arrays)
        else:
            self.table.extend(self.ak.Array(arrays))


_WRITERS: dict[str, Any] = {
    "parquet": _Parquet,
    "arrow": _Ipc,
    "feather": _Feather,
    "orc": _Orc,
    "csv": _Csv,
    "jsonl": _Jsonl,
    "root": _RootFile,
    "rntuple": _Rntuple,
}


def target_of(out: str, to: str | None = None) -> str:
    """The format to write: `to`, else what the end of the name means."""
    if to is None:
        end = os.path.splitext(out)[1].lower()
        to = _ENDS.get(end, end.removeprefix("."))
        if to not in _WRITERS:
            raise ArgumentError(f"the end of {out!r} names no format that is written: {', '.join(TARGETS)}")
    if to not in _WRITERS:
        raise ArgumentError(f"{to!r} is not written; it can be {', '.join(TARGETS)}")
    return to


def _same_file(a: str, b: str) -> bool:
    try:
        return os.path.samefile(a, b)
    except OSError:
        return False


class _Input:
    """A file to convert. It is open while it is read, and while it is one of few."""

    def __init__(self, url: str, table: str | None, shaped: bool, how: dict) -> None:
        self.url, self.shown, self._how = url, hidden(url), (table, shaped, how)
        self._one: Any = None
        self.costs: dict[str, int] | None = None
        one = self._open()
        self.schema, self.entries, self.unreadable = one.schema, one.entries, one.unreadable

    def _open(self) -> Any:
        if self._one is None:
            try:
                self._one = _open(self.url, *self._how)
            except Exception as error:
                raise _ours(error, self.shown) from error
        return self._one

    def batches(self, names: list[str]) -> Iterator[Any]:
        """Its batches, with its name in what goes wrong; then it is closed."""
        try:
            yield from self._open().batches(names)
        except Exception as error:
            raise _ours(error, self.shown) from error
        self.close()

    def close(self) -> None:
        if self._one is not None:
            costs = self._one.costs
            if costs is not None:
                self.costs = {key: costs[key] + (self.costs or {}).get(key, 0) for key in costs}
            self._one.close()
            self._one = None


def _write(inputs: list[_Input], columns: Sequence[str] | None, kind: str, path: str, step: Any) -> int:
    chosen = [_choose(one.schema, columns) for one in inputs]
    schemas = [
        need("pyarrow", "conversions").schema([one.schema.field(n) for n in names])
        for one, names in zip(inputs, chosen)
    ]
    schema = schemas[0] if len(inputs) == 1 else _join_schemas([one.shown for one in inputs], schemas)
    if not len(schema):
        raise ArgumentError("there is no column to write")
    writer = _WRITERS[kind](path, schema)
    rows = 0
    try:
        for one, names in zip(inputs, chosen):
            for table in _groups(one.batches(names), schema):
                writer.append(table)
                rows += table.num_rows
                step.update(table.num_rows)
    except BaseException:
        with contextlib.suppress(OSError):  # closing may wait until all of it is on the disk, and nobody wants it now
            os.truncate(path, 0)
        raise
    finally:
        writer.close()
    return rows


def _inputs(urls: list[str], table: str | None, shaped: bool, how: dict, all_inputs: list[_Input]) -> None:
    for url in urls:
        all_inputs.append(_Input(url, table, shaped, how))
        if len(all_inputs) > _MOST_OPEN:
            all_inputs[-1].close()


def convert(
    files: Files,
    out: str | os.PathLike[str],
    *,
    columns: Sequence[str] | None = None,
    to: str | None = None,
    table: str | None = None,
    memory: int | str | None = None,
    threads: int | None = None,
    limits: dict | None = None,
    remote: Remote | None = None,
    redirector: str | None = None,
    verbose: bool = False,
    progress: Any = False,
) -> dict[str, Any]:
    """Writes the events of all files, one after another, to one file; returns {"rows", "columns", "left_out": {column:
    reason}}.

    The end of `out` says which format, or `to` does: parquet, arrow, feather, orc, csv, jsonl, root (a tree "events"),
    rntuple. `columns`: names, with * and ?; all otherwise. `table`: where a file has several. Types are kept where the
    target has them; trees and ntuples get what training sees (structs as columns of their own, NaN for what is
    missing). `files`, `redirector`, `remote`: as for mlaas.Dataset. `verbose`: say what reading files of servers took.
    Raises SchemaError where the inputs have other columns than the first, UnsupportedError for what the target cannot
    hold.
    """
    path = os.fsdecode(out)
    if "://" in path:
        raise ArgumentError(f"{path}: the result is a local file")
    kind = target_of(path, to)
    urls = expand(files, redirector, remote).names
    if not urls:
        raise ArgumentError("there are no files to convert")
    if any(_same_file(url, path) for url in urls):
        raise ArgumentError(f"{path} is one of the inputs")
    how = {"memory": memory, "threads": threads, "limits": limits, "remote": remote}
    told = make_progress(progress)
    return _core.interruptible(lambda: _convert(urls, path, columns, kind, table, how, verbose, told))


def _convert(
    urls: list[str],
    path: str,
    columns: Sequence[str] | None,
    kind: str,
    table: str | None,
    how: dict,
    verbose: bool,
    progress: Any,
) -> dict[str, Any]:
    temporary = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.new-{os.getpid()}")
    inputs: list[_Input] = []
    _core.guard_file(temporary)
    try:
        _inputs(urls, table, kind in ("root", "rntuple"), how, inputs)
        with progress.step(os.path.basename(path), sum(one.entries for one in inputs)) as step:
            rows = _write(inputs, columns, kind, temporary, step)
        with open(temporary, "rb") as stream:
            os.fsync(stream.fileno())
        os.rename(temporary, path)
        left_out = {name: why for one in inputs for name, why in one.unreadable.items()}
        return {"rows": rows, "columns": len(_choose(inputs[0].schema, columns)), "left_out": left_out}
    except Error:
        raise
    except OSError as error:
        raise IOError(f"{path} cannot be written: {error}", errno=error.errno) from error
    except Exception as error:
        raise _ours(error, path) from error
    finally:
        for one in inputs:
            one.close()
            if verbose and one.costs:
                progress.insist(costs_text(one.shown, one.costs))
        if os.path.exists(temporary):
            os.unlink(temporary)
        _core.guard_file(None)


def _ours(error: Exception, where: str) -> Exception:
    """The error of ours that says the same."""
    if isinstance(error, Error) and error.where:
        return error
    status, _, message, number = explain(error)
    return by_name[_core.statuses[status][2]](message, where, errno=number or None)
