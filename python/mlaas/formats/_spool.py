"""Rows that can only be had one after the other, or not all at once, written to a temporary file and mapped: any range
of them then costs no memory of ours. The file has no name, so nothing is left of it whatever happens to the process."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterable
from typing import Any

from .._errors import IOError
from ._needs import need

_folder: str | None = None
_BATCH_ROWS = 1 << 16


def cache_folder(folder: str | os.PathLike[str] | None = None) -> str:
    """Names the folder for temporary files, if given, and returns it. Else it is MLAAS_CACHE, else the system's."""
    global _folder
    if folder is not None:
        _folder = os.fsdecode(folder)
    return _folder or os.environ.get("MLAAS_CACHE") or tempfile.gettempdir()


class Spool:
    """Record batches in a mapped file."""

    def __init__(self, file: Any) -> None:
        arrow = need("pyarrow", "files of other formats than ROOT")
        need("pyarrow.ipc", "files of other formats than ROOT")
        self._map = arrow.memory_map(f"/proc/self/fd/{file.fileno()}")
        self._file = arrow.ipc.open_file(self._map)
        self.schema = self._file.schema
        self._batches = [self._file.get_batch(i) for i in range(self._file.num_record_batches)]

    @property
    def lengths(self) -> list[int]:
        return [batch.num_rows for batch in self._batches]

    def batch(self, i: int) -> Any:
        return self._batches[i]

    def table(self) -> Any:
        arrow = need("pyarrow", "files of other formats than ROOT")
        return arrow.Table.from_batches(self._batches, self.schema)


def write(batches: Iterable[Any], schema: Any = None) -> Spool:
    """Writes the batches; `schema` where there may be none."""
    arrow = need("pyarrow", "files of other formats than ROOT")
    ipc = need("pyarrow.ipc", "files of other formats than ROOT")
    folder = cache_folder()
    try:
        with tempfile.TemporaryFile(dir=folder, prefix="mlaas-") as file:
            writer = None
            sink = arrow.PythonFile(file, mode="w")
            for batch in batches:
                if writer is None:
                    writer = ipc.new_file(sink, schema or batch.schema)
                if batch.num_rows:
                    writer.write(batch)
            if writer is None:
                writer = ipc.new_file(sink, schema if schema is not None else arrow.schema([]))
            writer.close()
            file.flush()
            return Spool(file)
    except OSError as error:
        if error.errno is None:
            raise
        raise IOError(
            f"the rows cannot be kept in {folder}: {error.strerror}; MLAAS_CACHE names another folder",
            errno=error.errno,
        ) from error


# ---- one spool for a file, however often it is opened ----

_spools: dict[Any, Spool] = {}
_locks: dict[Any, threading.Lock] = {}
_lock = threading.Lock()


def once(identity: Any, make: Callable[[], Spool]) -> Spool:
    """The spool of that file; made by the first who asks, the others wait."""
    with _lock:
        mine = _locks.setdefault(identity, threading.Lock())
    with mine:
        spool = _spools.get(identity)
        if spool is None:
            spool = _spools[identity] = make()
        return spool


def _after_fork() -> None:
    """Locks that another thread of the parent held would never be released."""
    global _lock
    _lock = threading.Lock()
    _locks.clear()


os.register_at_fork(after_in_child=_after_fork)
