"""What the extension module calls for every file that is opened: is it of another format, and what is in it."""

from __future__ import annotations

import atexit
import errno
import importlib
import os
from typing import Any

from .. import _core
from .._errors import Error, by_status
from ._names import format_of

_MODULES = {
    "Parquet": "_parquet",
    "Arrow": "_arrow",
    "ORC": "_orc",
    "CSV": "_csv",
    "JSON": "_json",
    "Avro": "_avro",
    "HDF5": "_hdf5",
    "NumPy": "_numpy",
}


class File:
    """A file of another format, as the extension module wants it."""

    def __init__(self, url: str, kind: str, opener: Any) -> None:
        from ._place import Place

        self.format = kind
        self._place = Place(url, opener)
        self._module = importlib.import_module(f".{_MODULES[kind]}", __package__)
        self.tables: list[str] = list(self._module.tables(self._place)) if hasattr(self._module, "tables") else [""]

    @property
    def source(self) -> Any:
        return self._place.source

    @property
    def head(self) -> bytes:
        return self._place.head

    @property
    def tail(self) -> bytes:
        return self._place.tail

    @property
    def size(self) -> int:
        return self._place.size

    def rows(self, name: str) -> Any:
        """The rows of a table as the file has them."""
        return self._module.rows(self._place, name)

    def table(self, i: int) -> Any:
        from ._rows import table_of

        name = self.tables[i]
        return table_of(self.rows(name), (*self._place.identity, name))

    def close(self) -> None:
        pass


def open_file(url: str, opener: Any = _core.Bytes) -> File | None:
    """The file, or None where it is for the ROOT reader. `opener` opens what the library itself can reach."""
    kind = format_of(url)
    return None if kind is None else File(url, kind, opener)


# ---- exceptions of other libraries as errors of ours ----


#: pyarrow raises OSError without a number for damaged bytes too; these words tell that it is not about bytes.
_REACHING = ("time", "onnect", "network", "resolve", "HTTP", "AWS", "curl", "reach", "ermission", "denied", "space")


def _kind_of(error: BaseException) -> str:
    """The name of the status that an exception of somebody else's library means."""
    if isinstance(error, Error):
        return error.status
    if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
        if error.errno == errno.EINVAL or (error.errno is None and not any(w in str(error) for w in _REACHING)):
            return "FORMAT"
    names = {kind.__name__ for kind in type(error).__mro__}
    for name, status in (
        ("KeyboardInterrupt", "CANCELLED"),
        ("FileNotFoundError", "NOT_FOUND"),
        ("ArrowMemoryError", "MEMORY"),
        ("ArrowNotImplementedError", "UNSUPPORTED"),
        ("ArrowInvalid", "FORMAT"),
        ("ArrowTypeError", "FORMAT"),
        ("MemoryError", "MEMORY"),
        ("UnicodeError", "FORMAT"),
        ("RecursionError", "LIMIT"),
        ("EOFError", "FORMAT"),
        ("LZMAError", "FORMAT"),
        ("error", "FORMAT"),  # of zlib and struct
        ("TokenError", "FORMAT"),
        ("SyntaxError", "FORMAT"),
        ("OverflowError", "FORMAT"),
        ("NotImplementedError", "UNSUPPORTED"),
        ("BadZipFile", "FORMAT"),
        ("OSError", "IO"),
        ("ArrowException", "FORMAT"),
        ("ValueError", "FORMAT"),
    ):
        if name in names:
            return status
    return "INTERNAL"


def explain(error: BaseException) -> tuple[int, str, str, int]:
    """(status, where, message, errno) of an exception."""
    status = _kind_of(error)
    number = next(i for i, row in enumerate(_core.statuses) if row[0] == status)
    if isinstance(error, Error):
        return number, error.where, error.message, error.errno or 0
    text = " ".join(str(error).split()) or type(error).__name__
    if status == "INTERNAL":
        text = f"{type(error).__name__}: {text}"
    if isinstance(error, OSError) and error.errno and error.strerror:
        text = os.strerror(error.errno)
    assert by_status[number] is not None
    return number, "", text[:1000], getattr(error, "errno", None) or 0


atexit.register(_core.foreign_stop)
