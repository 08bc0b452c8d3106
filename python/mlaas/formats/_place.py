"""Where a file is: its bytes, from disk or from any file system that pyarrow or fsspec knows. Knows no format."""

from __future__ import annotations

import io
import os
import tempfile
from typing import Any

from .._errors import NotFoundError, UnsupportedError
from ._names import local_path
from ._needs import need
from ._spool import cache_folder

#: Bytes at either end of a file that its identity is made of.
ENDS = 256 * 1024
#: Schemes that the library serves itself, with its tokens, retries and replicas.
_OURS = ("root", "roots", "xroot", "xroots", "http", "https", "dav", "davs", "s3")
#: Schemes that pyarrow serves where fsspec has no driver installed, or where it is the better one.
_ARROW = ("hdfs", "viewfs", "s3", "gs", "gcs", "abfs", "abfss")
_NEAR = 64 << 10
_BLOCK, _BLOCKS = 1 << 20, 8  # of a stream: read at once, announced
#: Seconds after which a cloud's library gives up what it tries again; its own would be a quarter of an hour.
_PATIENCE = 60
_GZIP, _BZ2, _ZSTD, _XZ = b"\x1f\x8b", b"BZh", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\x00"


class _Stream:
    """Blocks of a file of the library's sources, read from the beginning to the end: what comes next is on its way
    while the last is used. `kept`: in several passes, so what came is kept in a file without a name."""

    def __init__(self, source: Any, kept: bool) -> None:
        self._source, self._size = source, source.size()
        self._announced = self._have = 0
        self._file: Any = None
        if kept:
            try:
                self._file = tempfile.TemporaryFile(dir=cache_folder(), prefix="mlaas-")
            except OSError:
                pass  # without it the file is fetched again

    def block(self, first: int) -> bytes:
        length = min(_BLOCK, self._size - first)
        if first + length <= self._have:
            return os.pread(self._file.fileno(), length, first)
        self._announce(first)
        data = self._source.read_at(first, length)
        if self._file is not None and first == self._have:
            self._keep(data)
        return data

    def _keep(self, data: bytes) -> None:
        try:
            if os.pwrite(self._file.fileno(), data, self._have) == len(data):
                self._have += len(data)
        except OSError:  # no room: what is kept stays, the rest is fetched again
            pass

    def _announce(self, first: int) -> None:
        """This block and some behind it, each once."""
        start, stop = max(self._announced, first), min(first + _BLOCKS * _BLOCK, self._size)
        self._source.ahead([(at, min(_BLOCK, self._size - at)) for at in range(start, stop, _BLOCK)])
        self._announced = max(self._announced, first + _BLOCKS * _BLOCK)


class _Bytes(io.RawIOBase):
    """A file of the library's sources as Python's kind of file. `known`: (offset, bytes) that are here already.
    `stream`: it is read from the beginning to the end, by these blocks."""

    def __init__(
        self, source: Any, known: list[tuple[int, bytes]] | None = None, stream: _Stream | None = None
    ) -> None:
        self._source, self._at, self._size = source, 0, source.size()
        self._known = known or []
        self._blocks = stream
        self._block: tuple[int, bytes] = 0, b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        left = max(self._size - self._at, 0)
        wanted = left if size is None or size < 0 else min(size, left)
        data = (self._read_at(self._at, wanted) if self._blocks is None else self._read_on(wanted)) if wanted else b""
        self._at += len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _read_at(self, offset: int, length: int) -> bytes:
        for start, data in self._known:
            if start <= offset and offset + length <= start + len(data):
                return data[offset - start : offset - start + length]
        return self._source.read_at(offset, length)

    def _read_on(self, wanted: int) -> bytes:
        assert self._blocks is not None
        pieces, at, end = [], self._at, self._at + wanted
        while at < end:
            first, block = self._block
            if not first <= at < first + len(block):
                first = at - at % _BLOCK
                block = self._blocks.block(first)
                self._block = first, block
            pieces.append(block[at - first : end - first])
            at += len(pieces[-1])
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class Place:
    """One file. `open` gives a new random-access file, `text` a stream of its bytes, inflated where they are not;
    between `keep` and `let_go` what streams have fetched of a file of a server is kept for the next stream."""

    def __init__(self, url: str, opener: Any = None) -> None:
        self.url = url
        self.path = local_path(url)
        self._source = _source(url, opener) if self.path is None else None
        self._system: Any = None
        self._name = ""
        self._kept: _Stream | None = None
        if self._source is not None:
            pass
        elif self.path is None:
            self._system, self._name = _file_system(url)
        elif not os.path.exists(self.path):
            raise NotFoundError(f"there is no file {self.path}", url)
        elif os.path.isdir(self.path):
            raise UnsupportedError("this is a folder; name its files", url)
        self.size: int = 0
        self.head = self.tail = b""
        if self._source is not None:
            self._read_ends(self._source)
            return
        with self.open() as file:
            self.size = file.size()
            self.head = file.read(min(ENDS, self.size))
            file.seek(max(self.size - ENDS, 0))
            self.tail = file.read(min(ENDS, self.size))

    def _read_ends(self, source: Any) -> None:
        """Both ends together: where formats have what tells of the rest."""
        self.size = source.size()
        near = min(ENDS, self.size)
        source.ahead([(0, near), (self.size - near, near)] if near < self.size else [])
        self.head = source.read_at(0, near) if near else b""
        self.tail = source.read_at(self.size - near, near) if near < self.size else self.head

    @property
    def source(self) -> Any:
        """What it is read through, where that is the library."""
        return self._source

    @property
    def buffers(self) -> bool:
        """Whether many ranges are best asked of pyarrow together: where it reads by itself from afar."""
        return hasattr(self._system, "open_input_file")

    def ahead(self, ranges: list[tuple[int, int]]) -> None:
        """(offset, length) that will be read soon, in this order."""
        if self._source is not None:
            self._source.ahead(ranges)

    def keep(self) -> None:
        """It will be streamed several times."""
        if self._source is not None:
            self._kept = _Stream(self._source, True)

    def let_go(self) -> None:
        self._kept = None

    def _bytes(self, streamed: bool = False) -> _Bytes:
        if streamed:
            return _Bytes(self._source, None, self._kept or _Stream(self._source, False))
        return _Bytes(self._source, [(0, self.head), (self.size - len(self.tail), self.tail)])

    @property
    def identity(self) -> tuple[Any, ...]:
        """What tells this file from another one, within this process."""
        return self.url, self.size, hash(self.head), hash(self.tail)

    def open(self, mapped: bool = False) -> Any:
        """A pyarrow file; `mapped`: a memory map where the file is local."""
        arrow = need("pyarrow", "files of other formats than ROOT")
        if self.path is not None:
            return arrow.memory_map(self.path) if mapped else arrow.OSFile(self.path)
        if self._source is not None:
            return arrow.PythonFile(self._bytes(), mode="r")
        if hasattr(self._system, "open_input_file"):
            return self._system.open_input_file(self._name)
        return arrow.PythonFile(self._system.open(self._name, "rb"), mode="r")

    def python_file(self, streamed: bool = False) -> Any:
        """A file object of Python's kind; `streamed`: it is read from the beginning to the end."""
        if self.path is not None:
            return open(self.path, "rb")
        if self._source is not None:
            return io.BufferedReader(self._bytes(streamed), _BLOCK if streamed else _NEAR)
        if hasattr(self._system, "open_input_file"):
            return self._system.open_input_file(self._name)
        return self._system.open(self._name, "rb")

    def text(self) -> Any:
        """A stream of the bytes. How they are compressed is what the bytes say, whatever the name."""
        arrow = need("pyarrow", "files of other formats than ROOT")
        for magic, codec in ((_GZIP, "gzip"), (_BZ2, "bz2"), (_ZSTD, "zstd")):
            if self.head.startswith(magic):
                return arrow.CompressedInputStream(self._stream(), codec)
        if self.head.startswith(_XZ):
            import lzma

            return arrow.PythonFile(lzma.open(self.python_file(True)), mode="r")
        return self._stream()

    def _stream(self) -> Any:
        if self._source is None:
            return self.open()
        return need("pyarrow", "files of other formats than ROOT").PythonFile(self._bytes(True), mode="r")


def _source(url: str, opener: Any) -> Any:
    """The file by the library's own protocols, None where it has none for it."""
    if opener is None or url.partition("://")[0].lower() not in _OURS:
        return None
    try:
        return opener(url)
    except UnsupportedError:
        if "|" in url:
            raise
        return None


def _file_system(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the file's name in it."""
    scheme = url.partition("://")[0]
    if scheme in _ARROW:
        fs = need("pyarrow.fs", f"{scheme}:// files")
        arrow = need("pyarrow", f"{scheme}:// files")
        try:
            if scheme in ("gs", "gcs") and "retry_limit_seconds=" not in url:
                url += f"{'&' if '?' in url else '?'}retry_limit_seconds={_PATIENCE}"
            return fs.FileSystem.from_uri(url)
        except (arrow.ArrowNotImplementedError, arrow.ArrowInvalid) as error:
            if scheme in ("hdfs", "viewfs"):
                raise UnsupportedError(f"{scheme}:// cannot be reached: {error}", url) from error
        except OSError as error:
            reason = str(error).partition("\n")[0]
            raise UnsupportedError(
                f"{scheme}:// cannot be reached: {reason}. Hadoop's own library is needed for hdfs://: JAVA_HOME, "
                "HADOOP_HOME and CLASSPATH say where it is",
                url,
            ) from error
    core = need("fsspec", f"{scheme}:// files").core
    try:
        return core.url_to_fs(url)
    except ImportError as error:
        raise UnsupportedError(f"{scheme}:// needs a Python package that is not installed: {error}", url) from error
    except ValueError as error:
        raise UnsupportedError(f"{scheme}:// is served by no file system here: {error}", url) from error
