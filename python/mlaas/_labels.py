"""Labels of files, in the forms that users write them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from ._errors import ArgumentError
from ._recipe import plain

Labels = str | os.PathLike[str] | float | Sequence[float] | None


def _lines(path: str) -> list[str]:
    with open(path, encoding="utf-8") as file:
        lines = (line.strip() for line in file)
        return [line for line in lines if line and not line.startswith("#")]


def label_values(labels: Labels) -> Any:
    """A list of numbers (one for each file), the name of a branch, or None."""
    if labels is None or isinstance(labels, (int, float)):
        return labels if labels is None else [labels]
    if not isinstance(labels, (str, os.PathLike)):
        return [plain(value) if hasattr(value, "tolist") else value for value in labels]
    text = os.fsdecode(labels)
    words = _lines(text) if os.path.isfile(text) else [word.strip() for word in text.split(",")]
    try:
        return [_number(word) for word in words]
    except ValueError:
        if len(words) == 1 and not os.path.isfile(text):
            return text
        raise ArgumentError(
            f"labels must be numbers, one for each file, or the name of one branch; {text!r} gives "
            + ", ".join(words[:5])
        ) from None


def _number(word: str) -> int | float:
    try:
        return int(word)
    except ValueError:
        return float(word)
