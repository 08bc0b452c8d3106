"""Files and tables: what mlaas.open gives.

A File has a memory ceiling and a pool of threads of its own. Files and tables may be used from several threads; after a
fork() they open themselves again in the child at the first use, and a pickle of one opens it again where it is loaded.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from . import _core
from ._arrays import batch_size, collect, record_batches
from ._errors import ArgumentError, NotFoundError, StateError, UnsupportedError
from ._html import html_table
from ._objects import Object, read_object
from ._places import Name, Remote, context_limits, expand_one, hidden
from ._units import Limits, parse_bytes, show_bytes
from ._verify import Verification

if TYPE_CHECKING:
    import pyarrow

_LIBRARIES = ("np", "ak", "pd")


class File:
    """An open file; see mlaas.open."""

    def __init__(
        self,
        path: Name | Sequence[Name],
        memory: int | str | None = None,
        threads: int | None = None,
        limits: Limits | None = None,
        remote: Remote | None = None,
    ) -> None:
        name = expand_one(path, remote)
        self._state = (name, parse_bytes(memory), int(threads or 0), context_limits(limits, remote))
        self._limits, self._remote = dict(limits or {}), dict(remote or {})
        self._core: Any = None
        self._process = 0
        self._closed = False
        self._object_names: set[str] | None = None
        self._open()

    def _open(self) -> Any:
        """The handle of this process."""
        if self._closed:
            raise StateError("the file is closed; open it again", self.path)
        if self._process != os.getpid():
            self._core = _core.File(*self._state)
            self._process = os.getpid()
        return self._core

    @property
    def path(self) -> str:
        """The path or URL that was opened, without passwords and tokens."""
        return hidden(self._state[0])

    @property
    def tables(self) -> list[str]:
        """Paths of all trees and ntuples, with directory and cycle: "dir/tree;1"."""
        return [path for path, _ in self._open().tables()]

    @property
    def info(self) -> dict[str, Any]:
        """url, id ("UUID:SIZE", the same for every copy), version (62804: ROOT 6.28/04), compression (100 x algorithm +
        level), size (bytes), memory (held, peak, ceiling in bytes; threads), remote; so far: bytes_read, read_requests
        (system calls, or messages to servers), ranges (of which many become one request), bytes_delivered (wanted or
        not), cache_hits (ranges that were there or on their way when asked for), retries, failovers."""
        core = self._open()
        return {**core.info(), "memory": core.memory()}

    @property
    def costs(self) -> dict[str, int]:
        """What reading took so far: requests, ranges, bytes, delivered, hits, retries, failovers."""
        info = self._open().info()
        names = {
            "requests": "read_requests",
            "bytes": "bytes_read",
            "delivered": "bytes_delivered",
            "hits": "cache_hits",
        }
        keys = ("requests", "ranges", "bytes", "delivered", "hits", "retries", "failovers")
        return {key: info[names.get(key, key)] for key in keys}

    @property
    def objects(self) -> dict[str, str]:
        """Paths of everything that is neither a table nor a directory, and the class of each: {"dir/h;1": "TH1F"}."""
        return {row[0]: row[1] for row in _core.object_list(self._open())}

    def _is_object(self, path: object) -> bool:
        if self._object_names is None:
            self._object_names = {name for row in self.objects for name in (row, row.rpartition(";")[0])}
        return isinstance(path, str) and path.lstrip("/") in self._object_names

    def _is_table(self, path: object) -> bool:
        wanted = path.lstrip("/") if isinstance(path, str) else path
        return any(wanted in (name, name.rpartition(";")[0]) for name in self.tables)

    def read_object(self, path: str) -> Object:
        """The object of that path, "dir/h;1" or without the cycle (then the highest): a histogram, a graph, a
        parameter ... Parts of it that cannot be understood are Unreadable. Raises NotFoundError, UnsupportedError
        (nothing in the file describes its class), FormatError, ChecksumError, LimitError."""
        return read_object(self._open(), path)

    def __getitem__(self, path: str | None) -> Any:
        """The Table or the Object of that path, "dir/tree;1" or without the cycle (then the highest); None: the only
        table. NotFoundError, which is a KeyError too, names the nearest path."""
        if path is not None and self._is_object(path) and not self._is_table(path):
            return self.read_object(path)
        try:
            return Table(self, path)
        except NotFoundError as error:
            if path is None or "did you mean" in str(error) or not self.objects:
                raise
            return self.read_object(path)

    def __contains__(self, path: object) -> bool:
        return self._is_object(path) or self._is_table(path)

    def __iter__(self) -> Iterator[str]:
        return iter(self.tables)

    def __len__(self) -> int:
        return len(self.tables)

    def keys(self) -> list[str]:
        """The same as ``tables``."""
        return self.tables

    def verify(
        self,
        table: str | None = None,
        most_findings: int = 1000,
        progress: Callable[[int, int], Any] | None = None,
    ) -> Verification:
        """Reads all of the file, or one table, and says what is broken: see mlaas.verify."""
        return Verification(_core.verify(self._open(), 0, 0, (0,) * 6, table, most_findings, progress), self.path)

    def close(self) -> None:
        """Gives the file back. Tables made of it stay usable."""
        if self._core is not None and self._process == os.getpid():
            self._core.close()
        self._core, self._process, self._closed = None, 0, True

    def __enter__(self) -> File:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return File, (self._state[0], self._state[1] or None, self._state[2] or None, self._limits, self._remote)

    def __repr__(self) -> str:
        if self._closed:
            return f"<mlaas.File {self.path!r}, closed>"
        info, rows = self.info, self._open().tables()
        names = ", ".join(path for path, _ in rows[:5]) + (", ..." if len(rows) > 5 else "")
        tables = "1 table" if len(rows) == 1 else f"{len(rows)} tables"
        objects = f"; {len(self.objects)} objects" if self.objects else ""
        return f"<mlaas.File {self.path!r}: {show_bytes(info['size'])}, {tables}{': ' if rows else ''}{names}{objects}>"

    def _repr_html_(self) -> str:
        rows = [] if self._closed else self._open().tables() + list(self.objects.items())
        return html_table(repr(self), ("path", "class"), rows)


def open(
    path: Name | Sequence[Name],
    memory: int | str | None = None,
    threads: int | None = None,
    limits: Limits | None = None,
    remote: Remote | None = None,
) -> File:
    """Opens a file: a path, a URL (file, root, http, https, davs, s3), a pattern that one file matches, or a list of
    replicas of one file ("a|b" is the same).

    ``memory`` is the ceiling on everything the library holds for this file and its tables, batches that you still hold
    included: bytes, or text like "300 MB" (default 1 GiB). ``threads`` decode, yours included (default: one per core).

    ``limits`` says what one thing in the file may claim: {"metadata": bytes of one record, "basket", "page": bytes of
    one (256 MiB each), "nesting": levels (100), "columns": of one table (1,000,000)}. Honest files stay far below; a
    file made to do harm is refused with LimitError. {"trust_pages": True} does not compare checksums of ntuples' pages.

    ``remote`` says how servers are reached: {"connect_timeout": 10, "timeout": 15, "deadline": 120 (seconds),
    "retries": 4, "cache": "100 MB", "token_file", "certificate", "key", "authorities", "s3_endpoint",
    "s3_region", "insecure"}.

    Raises NotFoundError, IOError, FormatError, ChecksumError, UnsupportedError, LimitError, TimeoutError.
    """
    return File(path, memory, threads, limits, remote)


class Table:
    """A tree or an ntuple, or a view of some of its columns and entries (``select``).

    Any Arrow library takes it: ``pyarrow.table(t)``, ``polars.from_arrow(t)``, DuckDB. ``len(t)`` is its entries.
    """

    def __init__(
        self,
        file: File,
        path: str | None = None,
        columns: Sequence[str] | None = None,
        start: int = 0,
        stop: int | None = None,
        friends: bool = False,
    ) -> None:
        self._file = file
        self._core: Any = None
        self._process = 0
        self._wanted = path
        self._friends = friends
        core = self._open()
        self._path, self._title, self._entries = core.info()
        self._infos = {column["name"]: column for column in core.columns()}
        self._columns: list[str] | None = None
        self._indices: list[int] | None = None
        if columns is not None:
            self._choose(columns)
        self._start, self._stop = _range(start, stop, self._entries)

    def _open(self) -> Any:
        if self._process != os.getpid():
            file = self._file
            if file._closed:  # a closed file comes back for its tables after fork()
                file = self._file = File(*file.__reduce__()[1])
            self._core = _core.Table(file._open(), self._wanted, self._friends)
            self._process = os.getpid()
        return self._core

    def _choose(self, columns: Sequence[str]) -> None:
        if isinstance(columns, str):
            raise ArgumentError(f"a list of column names was expected, not the text {columns!r}; write [{columns!r}]")
        core = self._open()
        self._columns = list(columns)
        self._indices = [core.find(name) for name in self._columns]
        for name in self._columns:
            reason = self._infos[name]["unsupported"] if name in self._infos else None
            if reason:
                raise UnsupportedError(f"column {name!r} cannot be read: {reason}", f"{self._file.path}: {self._path}")

    @property
    def path(self) -> str:
        """With directory and cycle: "dir/tree;1"."""
        return self._path

    @property
    def title(self) -> str:
        return self._title

    @property
    def file(self) -> File:
        return self._file

    @property
    def num_entries(self) -> int:
        """Entries of this table; of a view, those it shows."""
        return self._stop - self._start

    def __len__(self) -> int:
        return self.num_entries

    @property
    def columns(self) -> list[str]:
        """Names of the readable columns in the tree's order, "/" between a branch and its sub-branches; of a view,
        those that were selected."""
        if self._columns is not None:
            return list(self._columns)
        return [name for name, info in self._infos.items() if info["unsupported"] is None]

    @property
    def members(self) -> list[str]:
        """Members of structs, columns too: "jets.pt" of a list of structs "jets" is a list of numbers. They are read by
        name only (``select``, ``dataset`` parameters), an ntuple's without the rest of the struct."""
        return [info["name"] for info in self._open().members()]

    @property
    def unsupported(self) -> dict[str, str]:
        """The columns that cannot be read, and why."""
        return {name: info["unsupported"] for name, info in self._infos.items() if info["unsupported"] is not None}

    def column_info(self, name: str) -> dict[str, Any]:
        """name, type (as ROOT says it), title, counter (column with the lengths of a counted array, or None),
        unsupported (reason or None), stored_bytes and raw_bytes (compressed and not), num_baskets, compression (-1:
        unknown)."""
        index = self._open().find(name)
        return dict(self._infos[name] if name in self._infos else self._open().members()[index - len(self._infos)])

    @property
    def clusters(self) -> list[int]:
        """First entries of the clusters of the whole table: ranges between them share no basket."""
        return self._open().clusters()

    @property
    def schema(self) -> pyarrow.Schema:
        """The pyarrow.Schema of ``columns``. Without pyarrow use ``__arrow_c_schema__``."""
        import pyarrow

        return pyarrow.schema(self)

    def select(self, columns: Sequence[str] | None = None, start: int = 0, stop: int | None = None) -> Table:
        """A view of some columns (None: all of this one) and of entries [start, stop), counted in this view; nothing is
        read yet. A stop beyond the end means the end. Raises NotFoundError (with the nearest name),
        UnsupportedError."""
        first, last = _range(start, stop, self.num_entries)
        chosen = self._columns if columns is None else columns
        view = copy.copy(self)
        if chosen is not None:
            view._choose(chosen)
        view._start, view._stop = self._start + first, self._start + last
        return view

    @property
    def friends(self) -> list[dict[str, str]]:
        """What TTree::AddFriend left in the file: alias, table, file (as it was named then; "": this file)."""
        links = self._open().links()
        return [
            {"alias": alias, "table": table, "file": file} for kind, alias, table, file in links if kind == "friend"
        ]

    @property
    def chain(self) -> list[dict[str, str]]:
        """The files of a TChain that was written: table and file. To read them: mlaas.chain."""
        links = self._open().links()
        return [{"table": table, "file": file} for kind, _, table, file in links if kind == "chain"]

    def with_friends(self) -> Table:
        """This table with the columns of its friends as "alias.branch" behind its own.

        A friend's rows are found by its index where it has one and this table has the columns that it is made of, else
        row i is entry i. Rows that a friend does not have are null (where TTree keeps the values of the row before).
        Files of friends are looked for beside this file, then where they are named. Columns that were selected are not
        kept, the range of entries is. Raises NotFoundError for a friend's file or table.
        """
        joined = Table(self._file, self._path, friends=True)
        joined._start, joined._stop = self._start, self._stop
        return joined

    def batches(self, size: int | None = None) -> Iterator[pyarrow.RecordBatch]:
        """Iterates over the rows in Arrow batches of ``size`` entries (None: whole clusters, cut to fit the memory
        ceiling). Batches count against the ceiling while you hold them. pyarrow.RecordBatch where pyarrow is installed,
        else objects with ``__arrow_c_array__``. An iterator belongs to one thread at a time."""
        return self._batches(batch_size(size))

    def _batches(self, size: int) -> Iterator[Any]:
        arrays = self._open().batches(self._indices, self._start, self._stop, size)
        yield from record_batches(array for array in arrays if len(array))

    def arrays(
        self, names: Sequence[str] | None = None, start: int = 0, stop: int | None = None, library: str = "np"
    ) -> Any:
        """Reads columns into memory of your own (not under the ceiling).

        library="np": a dict of arrays. Numbers have shape (entries,), fixed arrays (entries, n ...), lists are
        mlaas.Jagged(offsets, values), strings are str objects, leaf lists are dicts. Columns with missing values are
        numpy.ma arrays. library="ak": one awkward.Array of records. library="pd": a pandas.DataFrame, lists as objects.
        Raises what ``select`` raises, and IOError, FormatError, ChecksumError, LimitError.
        """
        if library not in _LIBRARIES:
            raise ArgumentError(f"library {library!r} is not known; use one of {', '.join(map(repr, _LIBRARIES))}")
        view = self if names is None and start == 0 and stop is None else self.select(names, start, stop)
        return collect(view._open().batches(view._indices, view._start, view._stop, 0), library)

    def __arrow_c_schema__(self) -> object:
        return self._open().schema(self._indices)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The Arrow PyCapsule protocol: a stream of whole clusters. It holds the table in the library."""
        return self._open().stream(self._indices, self._start, self._stop)

    def __copy__(self) -> Table:
        twin = object.__new__(Table)
        twin.__dict__.update(self.__dict__)
        return twin

    def __reduce__(self) -> tuple[Any, ...]:
        return Table, (
            File(*self._file.__reduce__()[1]) if self._file._closed else self._file,
            self._path,
            self._columns,
            self._start,
            self._stop,
            self._friends,
        )

    def __repr__(self) -> str:
        missing = f" ({len(self.unsupported)} unsupported)" if self.unsupported and self._columns is None else ""
        part = "" if self.num_entries == self._entries else f" [{self._start}:{self._stop}] of {self._entries}"
        return (
            f"<mlaas.Table {self._path!r} of {self._file.path!r}: {self.num_entries} entries{part}, "
            f"{len(self.columns)} columns{missing}>"
        )

    def _repr_html_(self) -> str:
        rows = [
            (name, self._infos[name]["type"], self._infos[name]["title"], show_bytes(self._infos[name]["stored_bytes"]))
            for name in self.columns
            if name in self._infos
        ]
        rows += [
            (name, self._infos[name]["type"], f"cannot be read: {reason}", "")
            for name, reason in self.unsupported.items()
            if self._columns is None
        ]
        return html_table(repr(self), ("column", "type", "title", "stored"), rows)


def _range(start: int, stop: int | None, entries: int) -> tuple[int, int]:
    stop = entries if stop is None else min(int(stop), entries)
    start = int(start)
    if start < 0 or stop < 0:
        raise ArgumentError(f"entries [{start}, {stop}) were asked for; both must be 0 or more")
    return min(start, stop), stop
