"""What the client of a model server puts on the wire and takes from it: JSON, protobuf, forms, and what replies can be
wrong about. Knows no connection. Standard library only; NumPy arrays where NumPy is installed.
"""

from __future__ import annotations

import http.client
import io
import json
import math
import os
import random
import ssl
import struct
import tarfile
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from html.parser import HTMLParser
from typing import Any

try:
    import numpy as _np
except ImportError:  # lists then
    _np = None  # type: ignore[assignment]

# ---- what goes wrong ----


class ClientError(Exception):
    """What went wrong with a call. ``http_status`` is None where there was no reply."""

    def __init__(self, message: str, http_status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.retry_after = retry_after


class ConnectError(ClientError, ConnectionError):
    """The server cannot be reached, or hung up without a reply."""


class TimedOutError(ClientError, TimeoutError):
    """No reply in time."""


class RefusedError(ClientError):
    """The server says no, and why."""


class NotFoundError(RefusedError, LookupError):
    """No such model or path."""


class BusyError(RefusedError):
    """429 or 503, after the retries; ``retry_after`` says in how many seconds to come back, where the server does."""


class ReplyError(ClientError, ValueError):
    """The reply is not what the protocol says."""


# ---- what is sent ----


def tls(ca_file: str | None, cert_file: str | None, key_file: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file)
    if cert_file:
        context.load_cert_chain(cert_file, key_file or cert_file)
    return context


def segment(text: str) -> str:
    return urllib.parse.quote(text, safe="")


def check_name(name: str) -> str:
    if (
        not name
        or name[0] in ".-"
        or len(name) > 128
        or any(c in '/\\"' or not c.isprintable() or c == " " for c in name)
    ):
        raise ValueError(f"{name!r} is no name of a model")
    return name


def visible(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if os.path.basename(entry.name).startswith(".") or not (entry.isfile() or entry.isdir()):
        return None
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o755 if entry.isdir() else 0o644
    return entry


def form(parts: Sequence[tuple[str, str | None, bytes]]) -> tuple[bytes, str]:
    boundary = f"mlaas-{random.getrandbits(96):024x}"
    out = io.BytesIO()
    for name, file, content in parts:
        out.write(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'.encode())
        if file is not None:
            safe = "".join("_" if c in '"\\' or not c.isprintable() else c for c in file)
            out.write(f'; filename="{safe}"\r\nContent-Type: application/octet-stream'.encode())
        out.write(b"\r\n\r\n" + content + b"\r\n")
    out.write(f"--{boundary}--\r\n".encode())
    return out.getvalue(), f"multipart/form-data; boundary={boundary}"


def is_one(events: Any) -> bool:
    "One event: a mapping, or a row of numbers."
    if isinstance(events, Mapping):
        return True
    if _np is not None and isinstance(events, _np.ndarray):
        return events.ndim == 1
    return bool(isinstance(events, Sequence) and len(events) and isinstance(events[0], (int, float)))


def plain(value: Any) -> Any:
    "Numbers, lists and mappings of the standard library; NaN becomes null."
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def to_json(request: Any) -> bytes:
    try:
        return json.dumps(request, allow_nan=False, separators=(",", ":")).encode()
    except ValueError as error:
        raise ValueError(f"an infinite value, which JSON cannot say ({error})") from None
    except TypeError as error:
        raise TypeError(
            f"an event must be a mapping of names to numbers or lists, or a row of numbers: {error}"
        ) from None


def varint_encode(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def row_encode(model: str | None, keys: Sequence[str] | None, values: Sequence[float]) -> bytes:
    "The protobuf message Row: key 1, value 2 (packed), model 3."
    out = b"".join(b"\x0a" + varint_encode(len(key.encode())) + key.encode() for key in keys or ())
    if values:
        out += b"\x12" + varint_encode(4 * len(values)) + struct.pack(f"<{len(values)}f", *values)
    return out + (b"\x1a" + varint_encode(len(model.encode())) + model.encode() if model else b"")


# ---- what comes back ----


class Listing(HTMLParser):
    "The names in a folder's listing."

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        target = dict(attrs).get("href") if tag == "a" else None
        if target and target != "../":
            self.names.append(urllib.parse.unquote(target))


def refusal(response: http.client.HTTPResponse, reply: bytes) -> ClientError:
    text = reply[:300].decode("utf-8", "replace").strip()
    try:
        text = str(json.loads(reply)["error"])
    except (ValueError, TypeError, LookupError):
        pass
    if 300 <= response.status < 400:
        text = f"it sends us to {response.headers.get('Location')}; redirects are not followed"
    message = f"the server answers {response.status}{': ' if text else ''}{text}"
    if response.status == 404:
        return NotFoundError(message, 404)
    if response.status in (408, 504):
        return TimedOutError(message, response.status)
    if response.status not in (429, 503):
        return RefusedError(message, response.status)
    try:
        after = float(response.headers.get("Retry-After", ""))
    except ValueError:  # none, or a date
        after = 0.0
    return BusyError(message, response.status, after if after > 0 else None)


def from_json(reply: bytes) -> Any:
    def refuse(word: str) -> Any:
        raise ValueError(f"{word} is no number")

    try:
        return json.loads(reply, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise ReplyError(f"the reply is no JSON: {error}") from None


def array(values: Any) -> Any:
    "As float32, null as NaN; ragged or strange contents are a ReplyError."

    def number(value: Any) -> Any:
        if isinstance(value, list):
            return [number(item) for item in value]
        if value is None:
            return math.nan
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
        raise ReplyError(f"the reply has {value!r} where a number was expected")

    plain = number(values)
    if _np is None:
        return plain
    try:
        return _np.asarray(plain, dtype=_np.float32)
    except ValueError as error:
        raise ReplyError(f"the reply has rows of different length: {error}") from None


def outputs_of(reply: Any, rows: int) -> dict[str, Any]:
    found = reply.get("outputs") if isinstance(reply, dict) else {"": [reply] if rows == 1 and flat(reply) else reply}
    if not isinstance(found, dict) or not found or not all(isinstance(value, list) for value in found.values()):
        raise ReplyError("the reply has no outputs")
    for name, values in found.items():
        if len(values) != rows:
            raise ReplyError(f"{rows} events were sent, and output {name!r} came back for {len(values)}")
    return {name: array(values) for name, values in found.items()}


def flat(values: Any) -> bool:
    return isinstance(values, list) and not any(isinstance(value, list) for value in values)


def fields(message: bytes) -> Iterator[tuple[int, int, bytes]]:
    "Number, wire type and content of each field of a protobuf message."

    def varint(at: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            if at >= len(message) or shift > 63:
                raise ReplyError("the reply is no Predictions message")
            value |= (message[at] & 0x7F) << shift
            shift += 7
            at += 1
            if not message[at - 1] & 0x80:
                return value, at

    at = 0
    while at < len(message):
        tag, at = varint(at)
        wire, size = tag & 7, {1: 8, 5: 4}.get(tag & 7, 0)
        if wire == 2:
            size, at = varint(at)
        elif wire == 0:
            _, at = varint(at)
        if wire not in (0, 1, 2, 5) or tag >> 3 == 0 or at + size > len(message):
            raise ReplyError("the reply is no Predictions message")
        yield tag >> 3, wire, message[at : at + size]
        at += size


def predictions_decode(message: bytes) -> list[float]:
    "Predictions: prediction 1 of Class, whose probability is 2 and absent when 0."
    scores = []
    for field, wire, content in fields(message):
        if field == 1 and wire == 2:
            found = [struct.unpack("<f", part)[0] for number, kind, part in fields(content) if (number, kind) == (2, 5)]
            scores.append(found[-1] if found else 0.0)
    return scores
