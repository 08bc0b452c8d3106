"""Libraries that not everybody has: imported when a file needs them, with the name of the package where they miss."""

from __future__ import annotations

import importlib
from typing import Any

from .._errors import UnsupportedError

_PACKAGES = {"pyarrow": "pyarrow", "h5py": "h5py", "fastavro": "fastavro", "fsspec": "fsspec", "uproot": "uproot"}


def need(module: str, what: str) -> Any:
    """The module; UnsupportedError says which package `what` ("Avro files") wants."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = _PACKAGES.get(module.partition(".")[0], module)
        raise UnsupportedError(f"{what} need the Python package {package} (pip install {package}): {error}") from error
