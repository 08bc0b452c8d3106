"""Helpers that scripts import from the original: type of a file, code of the user."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Sequence

import mlaas


def file_type(fin: str | Sequence[str]) -> str | None:
    """root, avro, json or csv by the suffix of the (first) name; None for anything else."""
    name = (fin if isinstance(fin, str) else fin[0]).lower()
    for suffix in ("root", "avro"):
        if name.endswith(suffix):
            return suffix
    for suffix in ("json", "csv"):
        if name.endswith((suffix, f"{suffix}.gz", f"{suffix}.bz2")):
            return suffix
    return None


def load_code(mfile: str, fname: str) -> Callable:
    """The function `fname` of a Python file, wherever the file lies."""
    if not os.path.isfile(mfile):
        raise mlaas.NotFoundError(f"no such file; it must define {fname}()", where=mfile)
    folder = os.path.dirname(os.path.abspath(mfile))
    spec = importlib.util.spec_from_file_location(os.path.splitext(os.path.basename(mfile))[0], mfile)
    if spec is None or spec.loader is None:
        raise mlaas.ArgumentError("not a Python file (its name must end in .py)", where=mfile)
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(folder)
    if not hasattr(module, fname):
        raise mlaas.ArgumentError(f"the file defines no {fname}()", where=mfile)
    return getattr(module, fname)
