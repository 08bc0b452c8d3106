"""Names of files as users write them, and the files that are meant; how files on servers are reached."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from . import _core
from ._errors import ArgumentError
from ._units import Limits, parse_limits

Name = str | bytes | os.PathLike[str]
_NAMES = (str, bytes, os.PathLike)
#: One name, or several; in a list, a list is replicas of one file.
Files = Name | Sequence[Name | Sequence[Name]]
#: Options for files on servers: connect_timeout, timeout, deadline (seconds), retries, cache, token_file ...
Remote = Mapping[str, Any]


class Places(NamedTuple):
    """Every file; for each, as which of ``num_written`` names it was written (a pattern is one)."""

    names: list[str]
    origins: list[int]
    num_written: int

    def spread(self, values: list[Any]) -> list[Any]:
        """One value for each file, where there is one for each name that was written."""
        if len(values) == len(self.names) or len(values) != self.num_written:
            return values
        return [values[origin] for origin in self.origins]


def hidden(name: str) -> str:
    """The name without the passwords and tokens in it."""
    return _core.place_show(name)


def _replica(name: Name) -> str:
    text = os.fsdecode(name)
    return text if "://" in text else "file://" + os.path.abspath(text)


def one_name(name: Name | Sequence[Name]) -> str:
    """The name of one file; of a list of its replicas, all of them."""
    if isinstance(name, _NAMES):
        return os.fsdecode(name)
    replicas = [_replica(part) for part in name]
    if not replicas:
        raise ArgumentError("a list of replicas is empty")
    for part in replicas:
        if "|" in part:
            raise ArgumentError(f"the replica {hidden(part)!r} has a | in its name; in a URL write %7C")
    return "|".join(replicas)


def context_limits(limits: Limits | None, remote: Remote | None) -> tuple[Any, ...]:
    """Limits and the way to servers, as the extension module takes them."""
    parsed = parse_limits(limits)
    if not remote:
        return parsed
    try:
        text = json.dumps({"remote": dict(remote)}, default=os.fspath)
    except TypeError as error:
        raise ArgumentError(f"remote: {error}") from error
    _core.params_check(text)
    return (*parsed, text)


def expand(files: Files, redirector: str | None = None, remote: Remote | None = None) -> Places:
    """Every file that is meant: by a list of names and patterns, by a text file with one name a line (# comments), by
    names with commas between, or by one name. Servers are asked where a pattern or a list lies there."""
    single = isinstance(files, _NAMES)
    names = [os.fsdecode(files)] if single else [one_name(name) for name in files]  # type: ignore[arg-type, union-attr]
    return Places(*_core.places(names, single, redirector or None, context_limits(None, remote)))


def expand_one(name: Name | Sequence[Name], remote: Remote | None = None) -> str:
    """The one file that a name, a pattern or a list of replicas means."""
    text = one_name(name)
    if not any(mark in text for mark in "*?["):
        return text
    names = _core.places([text], False, None, context_limits(None, remote))[0]
    if len(names) > 1:
        raise ArgumentError(f"{hidden(text)} means {len(names)} files; mlaas.chain reads many")
    return names[0]
