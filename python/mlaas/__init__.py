"""ROOT files to tensors to trained models.

    f = mlaas.open("events.root")             # list and read trees
    t = f["events"]; pyarrow.table(t)         # any Arrow library takes a table
    for batch in mlaas.Loader(files, labels, params):
        batch.x, batch.mask, batch.y, batch.w # NumPy views, ready to train on

Sizes in bytes may be given as numbers or as "300 MB". Everything that fails raises a subclass of mlaas.Error.
"""

try:
    from . import _core as _core
except ImportError as error:
    raise ImportError(
        f"the extension module mlaas._core cannot be loaded ({error}). Build it with `meson setup build && "
        "ninja -C build` and put build/python on PYTHONPATH, or install the package with `pip install .` in its source "
        "folder."
    ) from error

from ._arrays import Jagged
from ._batch import Batch
from ._chain import Chain, chain
from ._core import __version__
from ._errors import (
    ArgumentError,
    CancelledError,
    ChecksumError,
    Error,
    FormatError,
    IncompleteError,
    InternalError,
    IOError,
    LimitError,
    MemoryError,
    NotFoundError,
    SchemaError,
    StaleError,
    StateError,
    TimeoutError,
    UnsupportedError,
)
from ._file import File, Table, open
from ._loader import Dataset, Loader, specs
from ._model import Model
from ._objects import Axis, Efficiency, Formula, Graph, Histogram, Matrix, Object, Reference, Unreadable
from ._recipe import Recipe, Specs, param_table, params_check
from ._verify import Finding, Verification, verify
from .bundle import Bundle, load
from .predict import predict
from .train import train

__all__ = [
    "ArgumentError",
    "Axis",
    "Batch",
    "Bundle",
    "CancelledError",
    "Chain",
    "ChecksumError",
    "Dataset",
    "Efficiency",
    "Error",
    "File",
    "Finding",
    "FormatError",
    "Formula",
    "Graph",
    "Histogram",
    "IOError",
    "IncompleteError",
    "InternalError",
    "Jagged",
    "LimitError",
    "Loader",
    "Matrix",
    "MemoryError",
    "Model",
    "NotFoundError",
    "Object",
    "Recipe",
    "Reference",
    "SchemaError",
    "Specs",
    "StaleError",
    "StateError",
    "Table",
    "TimeoutError",
    "Unreadable",
    "UnsupportedError",
    "Verification",
    "__version__",
    "chain",
    "load",
    "open",
    "param_table",
    "params_check",
    "predict",
    "specs",
    "train",
    "verify",
]
