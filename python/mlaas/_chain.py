"""Many files with the same table, read as one: what mlaas.chain gives."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from . import _core
from ._arrays import batch_size, collect, record_batches
from ._errors import ArgumentError
from ._file import File
from ._places import Files, Remote, context_limits, expand
from ._units import Limits, parse_bytes

if TYPE_CHECKING:
    import pyarrow


class Chain:
    """Rows of many files, one file after another; see mlaas.chain. Any Arrow library takes it: ``pyarrow.table(c)``."""

    def __init__(self, make: Any, columns: Sequence[str] | None = None) -> None:
        self._make = make  # (files, memory, threads, limits), or (file, path) of a TChain
        self._process = 0
        self._core: Any = None
        core = self._open()
        self._columns = None if columns is None else list(columns)
        if columns is not None:
            core.schema(self._columns)  # names the nearest of one that is not there

    def _open(self) -> Any:
        if self._process != os.getpid():
            make = self._make
            self._core = _core.Chain(make[0]._open(), make[1]) if len(make) == 2 else _core.Chain(*make)
            self._process = os.getpid()
        return self._core

    @property
    def files(self) -> list[tuple[str, str | None]]:
        """(path, table) of each; None: the file's only table."""
        return self._open().files()

    @property
    def columns(self) -> list[str]:
        """Names of the readable columns of the first file; of a view, those that were selected."""
        if self._columns is not None:
            return list(self._columns)
        return [name for name, reason in self._open().columns() if reason is None]

    @property
    def unsupported(self) -> dict[str, str]:
        """The columns of the first file that cannot be read, and why."""
        return {name: reason for name, reason in self._open().columns() if reason is not None}

    def __len__(self) -> int:
        """Entries of all files: opens each of them."""
        return self._open().count()

    @property
    def schema(self) -> pyarrow.Schema:
        """The pyarrow.Schema of ``columns``. Without pyarrow use ``__arrow_c_schema__``."""
        import pyarrow

        return pyarrow.schema(self)

    def select(self, columns: Sequence[str]) -> Chain:
        """A view of some columns. Raises NotFoundError (with the nearest name), UnsupportedError."""
        if isinstance(columns, str):
            raise ArgumentError(f"a list of column names was expected, not the text {columns!r}; write [{columns!r}]")
        return Chain(self._make, columns)

    def batches(self, size: int | None = None) -> Iterator[pyarrow.RecordBatch]:
        """Iterates over the rows in Arrow batches of at most ``size`` entries (None: whole clusters, cut to fit the
        memory ceiling); none crosses the end of a file. Raises SchemaError, naming the file, where one lacks a column
        or has another type for it. pyarrow.RecordBatch where pyarrow is installed, else objects with
        ``__arrow_c_array__``."""
        return self._batches(batch_size(size))

    def _batches(self, size: int) -> Iterator[Any]:
        yield from record_batches(self._open().batches(self._columns, size))

    def arrays(self, names: Sequence[str] | None = None, library: str = "np") -> Any:
        """Reads columns of all files into memory of your own; as Table.arrays."""
        if library not in ("np", "ak", "pd"):
            raise ArgumentError(f"library {library!r} is not known; use one of 'np', 'ak', 'pd'")
        view = self if names is None else self.select(names)
        return collect(view._open().batches(view._columns, 0), library)

    def __arrow_c_schema__(self) -> object:
        return self._open().schema(self._columns)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The Arrow PyCapsule protocol: a stream of whole clusters."""
        return self._open().stream(self._columns)

    def __reduce__(self) -> tuple[Any, ...]:
        return Chain, (self._make, self._columns)

    def __repr__(self) -> str:
        files = self.files
        more = f" ... {files[-1][0]!r}" if len(files) > 1 else ""
        return f"<mlaas.Chain of {len(files)} file{'s' * (len(files) != 1)}: {files[0][0]!r}{more}>"


def chain(
    files: Files | File,
    table: str | None = None,
    memory: int | str | None = None,
    threads: int | None = None,
    limits: Limits | None = None,
    remote: Remote | None = None,
) -> Chain:
    """Many files with the same table as one: ``mlaas.chain("data/*.root", "events")``.

    ``files`` is a list of paths and URLs or one, with ``*``, ``[...]`` and ``?`` in them, lists of replicas of one file
    among them, a text file with one name a line, or an open File that holds a TChain (then ``table`` is the chain's
    path, and its files are looked for beside it). ``table`` is the path of the tree or ntuple
    in each file (None: its only one). Only one file is open at a time. ``memory``, ``threads``,
    ``limits`` and ``remote`` as in mlaas.open.
    Raises what opening the first file and its table raises.
    """
    if isinstance(files, File):
        return Chain((files, table or _only_chain(files)))
    paths = expand(files, None, remote).names
    if not paths:
        raise ArgumentError("a chain needs a file")
    how = context_limits(limits, remote)
    return Chain(([(path, table) for path in paths], parse_bytes(memory), int(threads or 0), how))


def _only_chain(file: File) -> str:
    found = [path for path, class_name in file._open().tables() if class_name == "TChain"]
    if len({path.rpartition(";")[0] for path in found}) != 1:
        raise ArgumentError(f"the file has {len(found)} chains; name one", file.path)
    return found[0]
