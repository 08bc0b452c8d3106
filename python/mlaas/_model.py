"""Models that run in C: what mlaas.Model gives. The frameworks' libraries are used, not their Python packages.

A Model may be used from several threads; after a fork() it opens itself again in the child at the first use, and a
pickle of one opens it again where it is loaded.
"""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _core
from ._errors import ArgumentError, StateError
from ._recipe import Recipe

#: NumPy's type and the word of the Open Inference Protocol, by the library's number (include/mlaas/tensor.h). NumPy has
#: no bfloat16: its bits are uint16.
_TYPES: list[tuple[Any, str]] = [
    (None, ""),
    (np.bool_, "BOOL"),
    (np.uint8, "UINT8"),
    (np.uint16, "UINT16"),
    (np.uint32, "UINT32"),
    (np.uint64, "UINT64"),
    (np.int8, "INT8"),
    (np.int16, "INT16"),
    (np.int32, "INT32"),
    (np.int64, "INT64"),
    (np.float16, "FP16"),
    (np.float32, "FP32"),
    (np.float64, "FP64"),
    (np.uint16, "BF16"),
    (np.object_, "BYTES"),
]
_BYTES = 14
_PACKAGES = ("tensorflow", "onnxruntime", "openvino", "xgboost")


@dataclass(frozen=True)
class TensorInfo:
    """What a model says of an input or output: shape has -1 for any length, and is None for any shape."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...] | None
    #: The type in the words of the Open Inference Protocol: "FP32".
    datatype: str
    number: int


def find_libraries() -> str | None:
    """Folders of the frameworks' packages that this Python would import (nothing is imported), for the plug-ins."""
    folders: dict[str, None] = {}
    for package in _PACKAGES:
        try:
            spec = importlib.util.find_spec(package)
        except (ImportError, ValueError):
            continue
        for place in (spec.submodule_search_locations or []) if spec else []:
            folders[os.path.dirname(os.path.abspath(place))] = None
    return ":".join(folders) or None


def _infos(rows: list[tuple[str, int, tuple[int, ...] | None]]) -> list[TensorInfo]:
    return [TensorInfo(name, np.dtype(_TYPES[n][0]), shape, _TYPES[n][1], n) for name, n, shape in rows]


def _give(info: TensorInfo, value: Any) -> tuple[int, tuple[int, ...], Any]:
    """An array as the library takes it."""
    if info.number == _BYTES:
        texts = np.asarray(value, dtype=object)
        flat = [item.encode() if isinstance(item, str) else bytes(item) for item in texts.ravel()]
        return _BYTES, texts.shape, flat
    array = np.asarray(value)
    if array.dtype != info.dtype:
        if isinstance(value, np.ndarray) and not np.can_cast(array.dtype, info.dtype, "same_kind"):
            raise ArgumentError(f"input {info.name!r}: {array.dtype} does not become {info.dtype} without loss")
        array = array.astype(info.dtype)
    array = np.ascontiguousarray(array) if array.ndim else array
    return info.number, array.shape, array.data if array.size else b""


def _take(dtype: int, shape: tuple[int, ...], data: Any) -> np.ndarray[Any, Any]:
    if dtype == _BYTES:
        texts = np.empty(len(data), dtype=object)
        texts[:] = data
        return texts.reshape(shape)
    return np.frombuffer(data, dtype=_TYPES[dtype][0]).reshape(shape)


class Model:
    """A model that runs in C: a bundle, a folder of TFaaS, a SavedModel, a frozen graph, ONNX or XGBoost's file.

    backend: tensorflow, onnxruntime, openvino or xgboost instead of the one that fits. threads: of one run (1).
    options: of the back end, e.g. {"precision": "bf16"} for openvino. backends: folder of the plug-ins. libraries:
    folders with the frameworks' packages; those of this Python by default.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        backend: str | None = None,
        *,
        threads: int = 0,
        options: Mapping[str, Any] | None = None,
        backends: str | None = None,
        libraries: str | Sequence[str] | None = None,
    ) -> None:
        if libraries is not None and not isinstance(libraries, str):
            libraries = ":".join(libraries)
        text = json.dumps(dict(options)) if options else None
        self._state = (os.fsdecode(path), backend, backends, libraries or find_libraries(), int(threads), text)
        self._core: Any = None
        self._process = 0
        self._closed = False
        self._inputs: list[TensorInfo] = []
        self._outputs: list[TensorInfo] = []
        core = self._open()
        self._inputs, self._outputs = _infos(core.inputs()), _infos(core.outputs())

    def _open(self) -> Any:
        """The handle of this process."""
        if self._closed:
            raise StateError("the model is closed; open it again", self._state[0])
        if self._process != os.getpid():
            self._core = _core.Model(*self._state)
            self._process = os.getpid()
        return self._core

    @property
    def path(self) -> str:
        return self._state[0]

    @property
    def inputs(self) -> list[TensorInfo]:
        """What goes in, in order."""
        return list(self._inputs)

    @property
    def outputs(self) -> list[TensorInfo]:
        """What comes out, in order."""
        return list(self._outputs)

    @property
    def recipe(self) -> Recipe | None:
        """How raw events become the inputs, where the model is a bundle."""
        core = self._open().recipe()
        return None if core is None else Recipe.from_json(core.format())

    @property
    def info(self) -> dict[str, Any]:
        """name, version, back_end, library_version, inputs, outputs, labels, metrics, file; drift: how far scores of
        a lower precision are from float32's on noise (largest, mean, rows)."""
        described: dict[str, Any] = json.loads(self._open().describe())
        return described

    def run(self, inputs: Any) -> dict[str, np.ndarray[Any, Any]]:
        """Outputs by name, as new arrays. inputs: {name: array}, or arrays in order, or the array of the only input."""
        if isinstance(inputs, Mapping):
            unknown = [name for name in inputs if name not in {info.name for info in self._inputs}]
            missing = [info.name for info in self._inputs if info.name not in inputs]
            if unknown or missing:
                known = ", ".join(info.name for info in self._inputs)
                raise ArgumentError(f"the model's inputs are {known}; given were {', '.join(map(str, inputs))}")
            values = [inputs[info.name] for info in self._inputs]
        elif len(self._inputs) == 1 and not (isinstance(inputs, (list, tuple)) and _is_array(inputs)):
            values = [inputs]
        else:
            values = list(inputs)
        if len(values) != len(self._inputs):
            raise ArgumentError(f"the model has {len(self._inputs)} inputs, given were {len(values)}")
        given = [_give(info, value) for info, value in zip(self._inputs, values)]
        results = self._open().run(given)
        return {info.name: _take(*result) for info, result in zip(self._outputs, results)}

    __call__ = run

    def apply_mask(self, x: np.ndarray[Any, Any], mask: np.ndarray[Any, Any]) -> None:
        """In place: masked values of a recipe's input become NaN where the model was trained so."""
        self._open().apply_mask(x.data, np.ascontiguousarray(mask, dtype=np.uint8).data)

    def close(self) -> None:
        if not self._closed and self._process == os.getpid():
            self._core.close()
        self._closed, self._core = True, None

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, self._state

    def __repr__(self) -> str:
        def show(infos: list[TensorInfo]) -> str:
            return ", ".join(f"{info.name} {info.datatype} {list(info.shape or ['...'])}" for info in infos)

        return f"<mlaas.Model {self.path!r}: {show(self._inputs)} -> {show(self._outputs)}>"


def _is_array(inputs: Sequence[Any]) -> bool:
    """Whether a list is a list of arrays, not an array written as a list."""
    return len(inputs) == 1 and isinstance(inputs[0], np.ndarray)


def _reopen(
    path: str, backend: str | None, backends: str | None, libraries: str | None, threads: int, options: str | None
) -> Model:
    return Model(
        path,
        backend,
        threads=threads,
        options=json.loads(options) if options else None,
        backends=backends,
        libraries=libraries,
    )
