"""The exceptions of the package, one class for each status of the library.

The table of statuses is the library's (include/mlaas/status.h); only the built-in classes that an exception also is are
named here. All derive from mlaas.Error, so ``except mlaas.Error`` catches what the library refuses.
"""

from __future__ import annotations

import builtins
import os
from typing import Any

from ._core import statuses as _statuses


class Error(Exception):
    """What the library refused, and where.

    Attributes: ``status`` (name in the status table, e.g. "NOT_FOUND"), ``message``, ``where`` (file, then tree,
    branch, basket; "" where unknown), ``offset`` (byte in the file, None where unknown), ``errno`` (of a failed system
    call, None where there was none), ``exit_code`` (of the command line). ``str()`` is "where: message (byte N)".
    """

    __module__ = "mlaas"
    status = "INTERNAL"
    exit_code = 70

    def __init__(self, message: str = "", where: str = "", offset: int | None = None, errno: int | None = None) -> None:
        Exception.__init__(self, message)
        self.message = message
        self.where = where
        self.offset = offset
        self.errno = errno

    def __str__(self) -> str:
        at = "" if self.offset is None else f" (byte {self.offset})"
        return f"{self.where}: {self.message}{at}" if self.where else f"{self.message}{at}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, self.where, self.offset, self.errno)


def _rebuild(kind: type[Error], message: str, where: str, offset: int | None, errno: int | None) -> Error:
    return kind(message, where, offset, errno)


_ALSO: dict[str, tuple[type[BaseException], ...]] = {
    "ARGUMENT": (ValueError,),
    "NOT_FOUND": (FileNotFoundError, KeyError),
    "IO": (OSError,),
    "FORMAT": (ValueError,),
    "CHECKSUM": (ValueError,),
    "UNSUPPORTED": (NotImplementedError,),
    "SCHEMA": (ValueError,),
    "STALE": (ValueError,),
    "LIMIT": (builtins.MemoryError,),
    "MEMORY": (builtins.MemoryError,),
    "STATE": (RuntimeError,),
    "INTERNAL": (RuntimeError,),
    "TIMEOUT": (builtins.TimeoutError,),
}


def _class(name: str, text: str, python: str, exit_code: int) -> type[Error]:
    return type(
        python,
        (Error, *_ALSO.get(name, ())),
        {"__doc__": f"{text[0].upper()}{text[1:]}.", "__module__": "mlaas", "status": name, "exit_code": exit_code},
    )


#: (class or None) of each status, by number.
by_status: tuple[type[Error] | None, ...] = tuple(_class(*row) if row[2] else None for row in _statuses)
by_name: dict[str, type[Error]] = {kind.__name__: kind for kind in by_status if kind}

# One name for each, so that editors and type checkers see them.
ArgumentError = by_name["ArgumentError"]
NotFoundError = by_name["NotFoundError"]
IOError = by_name["IOError"]
FormatError = by_name["FormatError"]
ChecksumError = by_name["ChecksumError"]
UnsupportedError = by_name["UnsupportedError"]
SchemaError = by_name["SchemaError"]
StaleError = by_name["StaleError"]
LimitError = by_name["LimitError"]
MemoryError = by_name["MemoryError"]
StateError = by_name["StateError"]
InternalError = by_name["InternalError"]
CancelledError = by_name["CancelledError"]
TimeoutError = by_name["TimeoutError"]
IncompleteError = by_name["IncompleteError"]

#: What a bad file is, where others may go on without it (the parameter on_bad_file).
BAD_FILE = (NotFoundError, IOError, FormatError, ChecksumError, TimeoutError, StaleError)


def _make(status: int, where: str, message: str, offset: int, errno: int) -> Error:
    """The exception for an error of the library; the extension module calls it."""
    kind = by_status[status] or InternalError
    made = kind(message, where, None if offset < 0 else offset, errno or None)
    if isinstance(made, OSError) and errno:
        made.strerror = os.strerror(errno)
    return made
