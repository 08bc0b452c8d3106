"""Where a file is: its bytes, from disk or from any file system that pyarrow or fsspec knows. Knows no format."""

from __future__ import annotations

import io
import os
from typing import Any

from .._errors import NotFoundError, UnsupportedError
from ._names import local_path
from ._needs import need

#: Bytes at either end of a file that its identity is made of.
ENDS = 256 * 1024
#: Schemes that the library serves itself, with its tokens, retries and replicas.
_OURS = ("root", "roots", "xroot", "xroots", "http", "https", "dav", "davs", "s3")
#: Schemes that pyarrow serves where fsspec has no driver installed, or where it is the better one.
_ARROW = ("hdfs", "viewfs", "s3", "gs", "gcs", "abfs", "abfss")
_AHEAD = 1 << 20
_GZIP, _BZ2, _ZSTD, _XZ = b"\x1f\x8b", b"BZh", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\x00"


class _Bytes(io.RawIOBase):
    """A file of the library's sources as Python's kind of file."""

    def __init__(self, source: Any) -> None:
        self._source, self._at, self._size = source, 0, source.size()

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
        data = self._source.read_at(self._at, wanted) if wanted else b""
        self._at += len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class Place:
    """One file. `open` gives a new random-access file, `text` a stream of its bytes, inflated where they are not."""

    def __init__(self, url: str, opener: Any = None) -> None:
        self.url = url
        self.path = local_path(url)
        self._source = _source(url, opener) if self.path is None else None
        self._system: Any = None
        self._name = ""
        if self._source is not None:
            pass
        elif self.path is None:
            self._system, self._name = _file_system(url)
        elif not os.path.exists(self.path):
            raise NotFoundError(f"there is no file {self.path}", url)
        elif os.path.isdir(self.path):
            raise UnsupportedError("this is a folder; name its files", url)
        with self.open() as file:
            self.size: int = file.size()
            self.head: bytes = file.read(min(ENDS, self.size))
            file.seek(max(self.size - ENDS, 0))
            self.tail: bytes = file.read(min(ENDS, self.size))

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
            return arrow.PythonFile(_Bytes(self._source), mode="r")
        if hasattr(self._system, "open_input_file"):
            return self._system.open_input_file(self._name)
        return arrow.PythonFile(self._system.open(self._name, "rb"), mode="r")

    def python_file(self) -> Any:
        """A file object of Python's kind."""
        if self.path is not None:
            return open(self.path, "rb")
        if self._source is not None:
            return io.BufferedReader(_Bytes(self._source), _AHEAD)
        if hasattr(self._system, "open_input_file"):
            return self._system.open_input_file(self._name)
        return self._system.open(self._name, "rb")

    def text(self) -> Any:
        """A stream of the bytes. How they are compressed is what the bytes say, whatever the name."""
        arrow = need("pyarrow", "files of other formats than ROOT")
        for magic, codec in ((_GZIP, "gzip"), (_BZ2, "bz2"), (_ZSTD, "zstd")):
            if self.head.startswith(magic):
                return arrow.CompressedInputStream(self.open(), codec)
        if self.head.startswith(_XZ):
            import lzma

            return arrow.PythonFile(lzma.open(self.python_file()), mode="r")
        return self.open()


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
            return fs.FileSystem.from_uri(url)
        except (arrow.ArrowNotImplementedError, arrow.ArrowInvalid) as error:
            if scheme in ("hdfs", "viewfs"):
                raise UnsupportedError(f"{scheme}:// cannot be reached: {error}", url) from error
        except OSError as error:
            raise UnsupportedError(
                f"{scheme}:// cannot be reached: {error}. Hadoop's own library is needed for hdfs://: JAVA_HOME, "
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
