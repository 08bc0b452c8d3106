"""Sizes as people write them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ._errors import ArgumentError

_UNITS = {
    "": 1,
    "b": 1,
    "k": 10**3,
    "m": 10**6,
    "g": 10**9,
    "t": 10**12,
    "ki": 2**10,
    "mi": 2**20,
    "gi": 2**30,
    "ti": 2**40,
}


def parse_bytes(size: int | str | None) -> int:
    """Bytes from a number or from text: 300000000, "300 MB" (10**6), "1 GiB" (2**30). None is 0: the default."""
    if size is None:
        return 0
    if isinstance(size, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([kmgt]?i?)b?\s*", size.lower())
        if not match or match.group(2) not in _UNITS:
            raise ArgumentError(f'a size in bytes was expected, like 300000000, "300 MB" or "1 GiB", not {size!r}')
        return int(float(match.group(1)) * _UNITS[match.group(2)])
    if isinstance(size, bool) or not hasattr(size, "__index__") and not isinstance(size, float):
        raise ArgumentError(f'a size in bytes was expected, like 300000000 or "300 MB", not {size!r}')
    if size <= 0:
        raise ArgumentError(f"a ceiling is {size} bytes; it must be positive")
    return int(size)


_LIMITS = ("metadata", "basket", "page", "nesting", "columns")
_COUNTS = ("nesting", "columns")

Limits = Mapping[str, "int | str | bool"]


def parse_limits(limits: Limits | None) -> tuple[int, ...]:
    """The limits in the order of the library's struct, 0 where none is given, and whether pages are trusted."""
    given = dict(limits or {})
    unknown = sorted(set(given) - {*_LIMITS, "trust_pages"})
    if unknown:
        raise ArgumentError(f"there is no limit {unknown[0]!r}; there are {', '.join(_LIMITS)} and trust_pages")
    values = []
    for name in _LIMITS:
        value = given.get(name)
        if name in _COUNTS and value is not None and (isinstance(value, bool) or not hasattr(value, "__index__")):
            raise ArgumentError(f"the limit {name} has to be a whole number, not {value!r}")
        values.append(parse_bytes(value))
    return (*values, bool(given.get("trust_pages")))


def show_bytes(size: float) -> str:
    """ "1.2 MB" and the like."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(size) < 1000:
            return f"{size:.3g} {unit}" if unit != "B" else f"{int(size)} B"
        size /= 1000
    return f"{size:.3g} TB"
