"""Is a file sound? mlaas.verify reads all of it and lists what is broken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from . import _core
from ._places import Name, Remote, context_limits, expand_one, hidden
from ._units import Limits, parse_bytes


@dataclass(frozen=True)
class Finding:
    """Something that is broken, or (status "UNSUPPORTED") that nobody here can tell of."""

    status: str  #: "FORMAT", "CHECKSUM", "IO", "LIMIT" (a ceiling was too low to look) or "UNSUPPORTED"
    part: str  #: "file", "key", "streamer info", "table", "branch", "basket", "page", "column" or "object"
    path: str  #: of the key or table, with cycle; "" where it concerns the file
    column: str  #: branch or field; "" where it concerns none
    number: int | None  #: of the basket in its branch, of the page in its column
    offset: int | None  #: byte in the file
    message: str

    def __str__(self) -> str:
        part = f"{self.part} {self.number}" if self.number is not None else ""
        byte = f" (byte {self.offset})" if self.offset is not None else ""
        return ": ".join(filter(None, (self.path or self.part, self.column, part))) + f"{byte}: {self.message}"


class Verification:
    """What mlaas.verify found. True when the file is sound."""

    def __init__(self, report: dict[str, Any], path: str) -> None:
        self.path: str = path
        #: "OK", or the status of the first finding that is not "UNSUPPORTED".
        self.status: str = report["status"]
        self.findings: list[Finding] = [
            Finding(
                status, part, place, column, None if number < 0 else number, None if offset < 0 else offset, message
            )
            for status, part, place, column, number, offset, message in report["findings"]
        ]
        #: All that is broken, also what is not in ``findings`` because there was too much.
        self.num_findings: int = report["num_findings"]
        self.num_unsupported: int = report["num_unsupported"]
        self.keys: int = report["keys"]
        self.tables: int = report["tables"]
        self.columns: int = report["columns"]
        #: Columns of which the bytes and checksums were verified, but not the values.
        self.undecoded: int = report["undecoded"]
        self.baskets: int = report["baskets"]
        self.pages: int = report["pages"]
        #: The server's, "adler32:0a1b2c3d", where the bytes of a remote file were compared with it; else "".
        self.checksum: str = report["checksum"]

    @property
    def ok(self) -> bool:
        return self.status == "OK"

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        said = "sound" if self.ok else f"{self.num_findings} finding{'s' * (self.num_findings != 1)}"
        return (
            f"<mlaas.Verification of {self.path!r}: {said}; {self.keys} keys, {self.tables} tables, "
            f"{self.columns} columns, {self.baskets} baskets, {self.pages} pages>"
        )


def verify(
    path: Name | Sequence[Name],
    table: str | None = None,
    memory: int | str | None = None,
    threads: int | None = None,
    limits: Limits | None = None,
    most_findings: int = 1000,
    progress: Callable[[int, int], Any] | None = None,
    remote: Remote | None = None,
) -> Verification:
    """Reads every record, basket and page of a file (or of one table), compares every checksum and decodes every column
    that can be. What is broken is listed and never stops the rest; a file that cannot even be opened has one finding.

    ``most_findings`` are listed, all are counted. ``progress(done, total)`` is called with bytes now and then. Raises
    NotFoundError, IOError (the file cannot be read at all), MemoryError.
    """
    name, how = expand_one(path, remote), context_limits(limits, remote)
    report = _core.verify(name, parse_bytes(memory), int(threads or 0), how, table, most_findings, progress)
    return Verification(report, hidden(name))
