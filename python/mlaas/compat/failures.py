"""Errors for the places where the original crashes. Knows nothing of files or numbers."""

from __future__ import annotations

from .. import _errors


def failure(kind: str, original: str, message: str, where: str = "") -> _errors.Error:
    """An error of class `kind` (a name of mlaas) whose text tells that the original raised `original` here."""
    text = f"{message}; the original stops here with {original}"
    error = getattr(_errors, kind)(text, where=where)
    error.original = original
    return error
