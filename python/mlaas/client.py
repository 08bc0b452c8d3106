"""The client of a model server: predictions and models over HTTP. Standard library only; NumPy arrays come and go where
NumPy is installed. Knows the wire, and nothing else of this package.

    client = mlaas.client.Client("http://localhost:8083")
    client.predict("tth", {"nJets": 6, "jetPt": [120.5, 80.2]})       # one event by the names of its branches
    client.predict("tth", events)                                    # a list of them: all in one request
    client.predict("keras27", [0.1] * 27)                            # one row of the model's input as it is
    client.predict("keras27", numpy_array_of_rows)

A client may be used by several threads: each call has a connection of its own, and connections are kept for the next.
"""

from __future__ import annotations

import http.client
import io
import math
import os
import random
import shutil
import socket
import ssl
import tarfile
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO, Any

from . import _wire
from ._wire import BusyError, ClientError, ConnectError, NotFoundError, RefusedError, ReplyError, TimedOutError

__all__ = [
    "BusyError",
    "Client",
    "ClientError",
    "ConnectError",
    "NotFoundError",
    "RefusedError",
    "ReplyError",
    "TimedOutError",
]

MOST_FILES, MOST_DEPTH = 20_000, 16
PIECE = 1 << 18


class Client:
    """A server by its address: scheme, host, port, and its base path if it has one.

    timeout: seconds for a call, its retries included (for files: of silence, times 4). retries: after 429, 503 or a
    failed connection, with a growing pause from ``backoff`` seconds on, unless the server says how long (Retry-After).
    token: sent as bearer. ca_file, cert_file, key_file: PEM; an X.509 proxy is both certificate and key. connections:
    kept open, and used at once by ``submit``.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float = 30.0,
        retries: int = 4,
        backoff: float = 0.1,
        token: str | None = None,
        ca_file: str | None = None,
        cert_file: str | None = None,
        key_file: str | None = None,
        user_agent: str = "mlaas-client-python",
        connections: int = 8,
        largest_reply: int = 256 << 20,
    ) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"{url!r} is no address of a server; it must look like https://host:port/base")
        self.url = url.rstrip("/")
        self.timeout, self.retries, self.backoff = timeout, retries, backoff
        self.largest_reply, self.connections = largest_reply, connections
        self._host, self._port, self._base = parts.hostname, parts.port, parts.path.rstrip("/")
        self._headers = {"User-Agent": user_agent, "Accept": "*/*"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._context = _wire.tls(ca_file, cert_file, key_file) if parts.scheme == "https" else None
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    # ---- predictions ----

    def predict(
        self,
        model: str | None,
        events: Any,
        *,
        version: int | None = None,
        input: str | None = None,
        output: str | None = None,
        timeout: float | None = None,
    ) -> Any:
        """Scores of the model's first output, or of the one named by ``output``.

        events: a mapping of branch names to numbers or lists (one event); a sequence of such; a row of numbers as the
        model's input takes them; a sequence of rows, or a two-dimensional array. One event gives a vector, several a
        matrix with a row for each. input: "raw" (apply the recipe) or "normalised"; by default the server decides.
        """
        outputs = self.predict_all(model, events, version=version, input=input, timeout=timeout)
        if output is None:
            scores = next(iter(outputs.values()))
        elif output in outputs:
            scores = outputs[output]
        else:
            raise ValueError(f"the model has no output {output!r}; it has {', '.join(outputs)}")
        return scores[0] if _wire.is_one(events) else scores

    def predict_all(
        self,
        model: str | None,
        events: Any,
        *,
        version: int | None = None,
        input: str | None = None,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """All outputs by name, each with a row per event."""
        rows = [events] if _wire.is_one(events) else list(events)
        if not rows:
            raise ValueError("there are no events to predict")
        request = {
            "model": model,
            "model_version": version,
            "input": input,
            "events": [_wire.plain(row) for row in rows],
        }
        body = _wire.to_json({key: value for key, value in request.items() if value is not None})
        limit = self.timeout if timeout is None else timeout
        headers = {"Content-Type": "application/json", "X-Request-Timeout-Ms": str(max(1, int(limit * 1000)))}
        reply = self._call("POST", "/json", body, headers, timeout=limit)
        return _wire.outputs_of(_wire.from_json(reply), len(rows))

    def predict_row(
        self, model: str | None, values: Sequence[float], keys: Sequence[str] | None = None, *, proto: bool = False
    ) -> Any:
        """One row as TFaaS takes it, by /json or by protobuf: any server of its dialect answers this."""
        values = [float(value) for value in values]
        if proto:
            reply = self._call(
                "POST", "/proto", _wire.row_encode(model, keys, values), {"Content-Type": "application/octet-stream"}
            )
            return _wire.array(_wire.predictions_decode(reply))
        request: dict[str, Any] = {"keys": list(keys)} if keys is not None else {}
        request["values"] = [None if math.isnan(value) else value for value in values]
        if model is not None:
            request["model"] = model
        reply = self._call("POST", "/json", _wire.to_json(request), {"Content-Type": "application/json"})
        if not reply:
            raise ReplyError("the reply is empty; the score may not be a finite number (TFaaS answers so)")
        return _wire.outputs_of(_wire.from_json(reply), 1)[""][0]

    def predict_image(self, model: str | None, image: bytes | str | os.PathLike[str]) -> Any:
        """The content or the name of an image file; gives what the server says: scores, or labels with scores."""
        if not isinstance(image, bytes):
            with open(image, "rb") as stream:
                image = stream.read()
        name = "image.png" if image[1:4] == b"PNG" else "image.jpg"
        fields = [("model", None, model.encode())] if model else []
        body, kind = _wire.form([*fields, ("image", name, image)])
        return _wire.from_json(self._call("POST", "/image", body, {"Content-Type": kind}))

    def submit(self, model: str | None, events: Any, **options: Any) -> Future[Any]:
        """`predict` on a thread of the client: as many at once as it has connections."""
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self.connections, thread_name_prefix="mlaas-client")
        return self._pool.submit(self.predict, model, events, **options)

    def predict_many(
        self, model: str | None, events: Iterable[Any], *, batch: int = 1000, **options: Any
    ) -> Iterator[Any]:
        """Scores of any number of events, in their order: batches of them are under way together."""
        waiting: list[Future[Any]] = []
        part: list[Any] = []
        for event in events:
            part.append(event)
            if len(part) == batch:
                waiting.append(self.submit(model, part, **options))
                part = []
            if len(waiting) > self.connections:
                yield from waiting.pop(0).result()
        if part:
            waiting.append(self.submit(model, part, **options))
        for future in waiting:
            yield from future.result()

    # ---- models ----

    def models(self) -> list[dict[str, Any]]:
        """The models of the server, as it describes them."""
        reply = _wire.from_json(self._call("GET", "/models"))
        if reply is None:
            return []
        if not isinstance(reply, list):
            raise ReplyError("the list of models is no JSON array")
        return reply

    def model(self, name: str) -> dict[str, Any]:
        """One model: what /models/NAME says, or where the server has no such page, its entry of the list."""
        try:
            found = _wire.from_json(self._call("GET", "/models/" + _wire.segment(name)))
        except NotFoundError:
            found = next((entry for entry in self.models() if entry.get("name") == name), None)
            if found is None:
                raise
        return dict(found)

    def upload(self, name: str, folder: str | os.PathLike[str]) -> None:
        """Installs a folder (a bundle, a SavedModel, a folder of TFaaS) under ``name``."""
        _wire.check_name(name)
        if not os.path.isdir(folder):
            raise NotADirectoryError(f"{os.fspath(folder)}: no such folder of a model")
        with tempfile.TemporaryFile() as archive:
            with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT, dereference=True) as tar:
                tar.add(folder, name, filter=_wire.visible)
            size = archive.tell()
            self._call(
                "POST",
                "/upload",
                archive,
                {"Content-Type": "application/x-tar", "Content-Length": str(size)},
                once=True,
            )

    def upload_form(
        self,
        name: str,
        params: str | os.PathLike[str],
        model: str | os.PathLike[str],
        labels: str | os.PathLike[str] | None = None,
    ) -> None:
        """Installs a model by TFaaS's form: the files params.json, model and labels."""
        _wire.check_name(name)
        parts: list[tuple[str, str | None, bytes]] = [("name", None, name.encode())]
        for field, path in (("params", params), ("model", model), ("labels", labels)):
            if path is not None:
                with open(path, "rb") as stream:
                    parts.append((field, os.path.basename(path), stream.read()))
        body, kind = _wire.form(parts)
        self._call("POST", "/upload", body, {"Content-Type": kind}, once=True)

    def delete(self, name: str) -> None:
        body, kind = _wire.form([("model", None, _wire.check_name(name).encode())])
        self._call("DELETE", "/delete", body, {"Content-Type": kind}, once=True)

    def fetch(self, name: str, file: str) -> bytes:
        """One file of a model, such as "recipe.json"."""
        path = "/".join(_wire.segment(part) for part in file.split("/"))
        return self._call("GET", f"/download/{_wire.segment(_wire.check_name(name))}/{path}")

    def download(self, name: str, folder: str | os.PathLike[str]) -> None:
        """Copies all files of a model into ``folder``, which must not exist and appears whole or not at all."""
        target = os.path.abspath(folder)
        if os.path.lexists(target):
            raise FileExistsError(f"{target}: exists already")
        temporary = tempfile.mkdtemp(prefix=os.path.basename(target) + ".", dir=os.path.dirname(target))
        try:
            count = self._copy(f"/download/{_wire.segment(_wire.check_name(name))}/", temporary, 0, 0)
            if count == 0:
                raise ReplyError(f"the server lists no files of {name}")
            os.chmod(temporary, 0o755)
            os.rename(temporary, target)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise

    def _copy(self, url: str, folder: str, depth: int, count: int) -> int:
        if depth > MOST_DEPTH:
            raise ReplyError(f"the model's folders are more than {MOST_DEPTH} deep")
        listing = _wire.Listing()
        listing.feed(self._call("GET", url).decode("utf-8", "replace"))
        for name in listing.names:
            plain = name.removeprefix("./").removesuffix("/")
            if not plain or "/" in plain or "\\" in plain or plain in (".", "..") or not plain.isprintable():
                raise ReplyError(f"the list of files has {name!r}, which is no plain name")
            if plain.startswith("."):
                continue
            path = os.path.join(folder, plain)
            if name.endswith("/"):
                os.mkdir(path)
                count = self._copy(url + _wire.segment(plain) + "/", path, depth + 1, count)
                continue
            count += 1
            if count > MOST_FILES:
                raise ReplyError(f"the model has more than {MOST_FILES} files")
            with open(path, "xb") as stream:
                self._call("GET", url + _wire.segment(plain), into=stream, once=True)
        return count

    def ready(self) -> bool:
        """Whether the server says that it is up."""
        try:
            self._call("GET", "/readyz")
        except (BusyError, ConnectError):
            return False
        return True

    # ---- a call: attempts, connections ----

    def _call(
        self,
        method: str,
        path: str,
        body: bytes | IO[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        timeout: float | None = None,
        into: IO[bytes] | None = None,
        once: bool = False,
    ) -> bytes:
        limit = self.timeout if timeout is None else timeout
        of_files = into is not None or not isinstance(body, (bytes, type(None)))
        deadline = time.monotonic() + (math.inf if of_files else limit)
        attempt = 0
        while True:
            try:
                return self._attempt(
                    method, path, body, headers, deadline, limit * 4 if of_files else limit, into, once
                )
            except (BusyError, ConnectError) as error:
                unsure = isinstance(error, ConnectError) and not getattr(error, "unsent", False)
                pause = self.backoff * 2**attempt * random.uniform(0.5, 1)
                pause = max(pause, error.retry_after or 0)
                attempt += 1
                if attempt > self.retries or (once and unsure) or time.monotonic() + pause >= deadline:
                    raise
                time.sleep(pause)

    def _attempt(
        self,
        method: str,
        path: str,
        body: bytes | IO[bytes] | None,
        headers: Mapping[str, str] | None,
        deadline: float,
        limit: float,
        into: IO[bytes] | None,
        once: bool,
    ) -> bytes:
        left = min(deadline - time.monotonic(), limit)
        if left <= 0:
            raise TimedOutError(f"{self.url}: no reply within {limit:g} s")
        # A connection that was kept may be dead, and then nobody knows what the server did.
        connection, kept = (self._open(left), False) if once else self._connect(left)
        try:
            if not isinstance(body, (bytes, type(None))):
                body.seek(0)
            try:
                connection.request(method, self._base + path, body, {**self._headers, **(headers or {})})
                response = connection.getresponse()
            except (BrokenPipeError, ConnectionResetError, http.client.RemoteDisconnected):
                if not kept:
                    raise
                connection.close()  # the server had closed a connection that was kept: once more on a new one
                connection = self._open(left)
                if not isinstance(body, (bytes, type(None))):
                    body.seek(0)
                connection.request(method, self._base + path, body, {**self._headers, **(headers or {})})
                response = connection.getresponse()
            reply = self._read(connection, response, deadline, into if response.status < 300 else None)
        except BaseException as error:
            connection.close()
            raise self._translate(error, limit) from error
        if response.will_close:
            connection.close()
        else:
            with self._lock:
                if len(self._idle) < self.connections:
                    self._idle.append(connection)
                else:
                    connection.close()
        if not 200 <= response.status < 300:
            raise _wire.refusal(response, reply)
        return reply

    def _connect(self, left: float) -> tuple[http.client.HTTPConnection, bool]:
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            return self._open(left), False
        if connection.sock is not None:
            connection.sock.settimeout(left)
        return connection, True

    def _open(self, left: float) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection
        if self._context is not None:
            connection = http.client.HTTPSConnection(self._host, self._port, timeout=left, context=self._context)
        else:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=left)
        try:
            connection.connect()
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            connection.close()
            if isinstance(error, socket.timeout):
                raise TimedOutError(f"{self.url}: no connection within {left:.3g} s") from error
            problem = ConnectError(f"{self.url}: {error}")
            problem.unsent = True  # type: ignore[attr-defined]
            if isinstance(error, ssl.SSLError):
                problem.retry_after = math.inf  # another attempt would end alike
            raise problem from error
        return connection

    def _read(
        self,
        connection: http.client.HTTPConnection,
        response: http.client.HTTPResponse,
        deadline: float,
        into: IO[bytes] | None,
    ) -> bytes:
        stream = into or io.BytesIO()
        size = 0
        if into is None and (response.length or 0) > self.largest_reply:
            raise ReplyError(f"the reply of {response.length} bytes is larger than the client takes")
        while piece := response.read1(PIECE) if response.length != 0 else b"":
            size += len(piece)
            if into is None and size > self.largest_reply:
                raise ReplyError(f"the reply is larger than the {self.largest_reply} bytes that the client takes")
            stream.write(piece)
            if connection.sock is not None and deadline != math.inf:
                connection.sock.settimeout(max(deadline - time.monotonic(), 0.001))
        if response.length:
            raise ReplyError(f"the reply was cut off, {response.length} bytes before its end")
        response.close()
        return b"" if into is not None else stream.getvalue()  # type: ignore[attr-defined]

    def _translate(self, error: BaseException, limit: float) -> BaseException:
        if isinstance(error, (ClientError, KeyboardInterrupt)):
            return error
        if isinstance(error, socket.timeout):
            return TimedOutError(f"{self.url}: no reply within {limit:g} s")
        if isinstance(error, (http.client.RemoteDisconnected, ConnectionError, ssl.SSLError)):
            return ConnectError(f"{self.url}: {error or type(error).__name__}")
        if isinstance(error, http.client.HTTPException):
            return ReplyError(f"{self.url}: the reply is no HTTP: {error or type(error).__name__}")
        return error

    def close(self) -> None:
        """Ends the threads of `submit` and closes the connections. The client can still be used."""
        with self._lock:
            idle, self._idle = self._idle, []
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown()
        for connection in idle:
            connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<mlaas.client.Client {self.url}>"
