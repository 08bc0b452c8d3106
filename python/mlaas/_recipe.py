"""Recipes and specs: what training learned about its inputs, as JSON that travels with the model."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from . import _core
from ._arrays import Jagged
from ._errors import ArgumentError, SchemaError
from ._file import Table
from ._html import html_table

#: Values of a mask.
VALID, PADDING, MISSING = 0, 1, 2


def aligned(shape: tuple[int, ...], dtype: Any, alignment: int = 64) -> np.ndarray:
    """An uninitialised array whose first byte is aligned, which frameworks need to take it without a copy."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.empty(size + alignment, np.uint8)
    first = -raw.ctypes.data % alignment
    return raw[first : first + size].view(dtype).reshape(shape)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes to a temporary name and renames, so that nobody sees half a file."""
    path = os.fspath(path)
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path) or ".", prefix=".mlaas-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


class Recipe:
    """How one row of columns becomes one row of a tensor: order, width, padding, mask, scaling.

    Immutable and thread safe; pickles as its JSON. ``Recipe(text)`` and ``Recipe.from_json(text)`` are the same.
    """

    def __init__(self, text: str) -> None:
        self._bind(_core.Recipe(text))

    def _bind(self, core: Any) -> None:
        self._core = core
        self._inputs = core.inputs()

    @classmethod
    def _of(cls, core: Any) -> Recipe:
        made = object.__new__(cls)
        made._bind(core)
        return made

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Raises FormatError (with line and key), UnsupportedError (newer major version)."""
        return cls(text)

    def to_json(self) -> str:
        return self._core.format()

    def to_dict(self) -> dict[str, Any]:
        return json.loads(self.to_json())

    @property
    def table(self) -> str:
        """Path of the table it was made for."""
        return self._core.table()

    @property
    def branches(self) -> list[str]:
        """The branches it reads, in byte order."""
        return self._core.branches()

    @property
    def inputs(self) -> list[dict[str, Any]]:
        """For each input: name, padded (bool), slots (1 for flat ones) and features (their number)."""
        return [
            {"name": name, "padded": padded, "slots": slots, "features": features}
            for name, padded, slots, features, _ in self._inputs
        ]

    def features(self, input: str | int | None = None) -> list[str]:
        """Names of the features of an input (default: the first): "nJets", "jetPt_0", "jetPt_1" ..."""
        names = [row[0] for row in self._inputs]
        if isinstance(input, str) and input not in names:
            raise ArgumentError(f"the recipe has no input {input!r}; it has {', '.join(names)}")
        index = 0 if input is None else names.index(input) if isinstance(input, str) else input
        return list(self._inputs[index][4])

    def split(self, file_id: str, first: int, rows: int, identifiers: np.ndarray | None = None) -> np.ndarray:
        """Part of each of ``rows`` entries from ``first`` on, int8: 0 train, 1 validation, 2 test, -1 not in the
        training data. ``file_id`` is ``File.info["id"]``. ``identifiers`` (int64, rows x branches) only where the
        recipe splits by branches."""
        part = np.empty(rows, np.int8)
        if identifiers is not None:
            identifiers = np.ascontiguousarray(identifiers, np.int64)
            if len(identifiers) != rows:
                raise ArgumentError(f"identifiers of {len(identifiers)} rows were given for {rows} rows")
        self._core.split(file_id, first, rows, identifiers, part)
        return part

    def fill(self, data: Any, start: int = 0, stop: int | None = None) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Inputs of a model for rows [start, stop) of ``data``: {input: (x, mask)}.

        ``data`` is a mlaas.Table, anything of Arrow (table, batch, stream), a dict of arrays and lists, an awkward
        array of records or a DataFrame; it needs the recipe's branches, others are ignored. x is float32, rows x
        features for flat inputs and rows x slots x features for padded ones; mask is uint8 of the same shape (0 valid,
        1 padding, 2 missing). Both are yours, 64-byte aligned. Raises NotFoundError (names branch and nearest),
        SchemaError.
        """
        rows, batches = _batches_of(data, self.branches, start, stop)
        shapes = [
            (rows, slots, features) if padded else (rows, features) for _, padded, slots, features, _ in self._inputs
        ]
        x = [aligned(shape, np.float32) for shape in shapes]
        mask = [aligned(shape, np.uint8) for shape in shapes]
        at = 0
        for batch in batches:
            count = len(batch)
            schema, array = batch.__arrow_c_array__()
            self._core.fill(schema, array, count, at, rows, (*x, *mask))
            at += count
        return {row[0]: (x[k], mask[k]) for k, row in enumerate(self._inputs)}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recipe) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.to_json())

    def __reduce__(self) -> tuple[Any, ...]:
        return Recipe, (self.to_json(),)

    def __repr__(self) -> str:
        shapes = ", ".join(
            f"{name}: {f'{slots} slots x ' if padded else ''}{features} features"
            for name, padded, slots, features, _ in self._inputs
        )
        return f"<mlaas.Recipe for {self.table!r}: {len(self.branches)} branches -> {shapes}>"

    def _repr_html_(self) -> str:
        rows = [(name, slots, ", ".join(names)) for name, _, slots, _, names in self._inputs]
        return html_table(repr(self), ("input", "slots", "features"), rows)


# ---- anything -> Arrow batches ----


def _batches_of(data: Any, branches: Sequence[str], start: int, stop: int | None) -> tuple[int, Iterator[Any]]:
    """Number of rows, and objects with ``__arrow_c_array__`` and a length that have at least ... the branches."""
    if start < 0 or (stop is not None and stop < start):
        raise ArgumentError(f"rows [{start}, {stop}) were asked for")
    if isinstance(data, Table):
        view = data.select(list(branches), start, stop)
        return len(view), view._open().batches(view._indices, view._start, view._stop, 0)
    import pyarrow as pa

    table = _arrow_table(pa, data, branches)
    table = table.slice(start) if stop is None else table.slice(start, stop - start)
    return table.num_rows, iter(table.combine_chunks().to_batches())


def _arrow_table(pa: Any, data: Any, branches: Sequence[str]) -> Any:
    if hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__"):
        table = pa.table(data)
        return table.select([name for name in branches if name in table.column_names])
    if type(data).__module__.startswith("awkward"):
        names = data.fields
        columns = {name: data[name] for name in branches if name in names}
    elif isinstance(data, Mapping) or hasattr(data, "columns"):
        columns = {name: data[name] for name in branches if name in data}
    else:
        raise ArgumentError(
            f"{type(data).__name__} is no table: give a mlaas.Table, an Arrow table, a dict of arrays, an "
            "awkward array of records or a DataFrame"
        )
    arrays = {name: _arrow_array(pa, name, values) for name, values in columns.items()}
    lengths = {name: len(values) for name, values in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise ArgumentError("the columns differ in length: " + ", ".join(f"{n}: {k}" for n, k in lengths.items()))
    return pa.table(arrays)


def _arrow_array(pa: Any, name: str, values: Any) -> Any:
    if type(values).__module__.startswith("awkward"):
        import awkward as ak

        return ak.to_arrow(values, extensionarray=False)
    if isinstance(values, Jagged):
        return pa.ListArray.from_arrays(pa.array(values.offsets, pa.int32()), _arrow_array(pa, name, values.values))
    if hasattr(values, "to_numpy") and not isinstance(values, pa.Array):  # pandas
        values = values.to_numpy()
    if isinstance(values, np.ndarray) and values.ndim > 1:
        flat = pa.array(np.ascontiguousarray(values).reshape(-1))
        return pa.ListArray.from_arrays(pa.array(np.arange(len(values) + 1) * values.shape[1], pa.int32()), flat)
    if isinstance(values, np.ndarray) and values.dtype == object:
        values = list(values)
    if np.isscalar(values):
        raise ArgumentError(f"column {name!r} is a single value; give a list or an array, one value for each row")
    try:
        array = values if isinstance(values, (pa.Array, pa.ChunkedArray)) else pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise SchemaError(f"column {name!r} cannot be made a column of numbers or lists: {error}") from error
    return array


class Specs:
    """Statistics of a data set: what one pass over all entries learned of each branch. Pickles as its JSON."""

    def __init__(self, text: str) -> None:
        self._core = _core.Specs(text)

    @classmethod
    def from_json(cls, text: str) -> Specs:
        return cls(text)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Specs:
        with open(path, encoding="utf-8") as file:
            return cls(file.read())

    def to_json(self) -> str:
        return self._core.format()

    def to_dict(self) -> dict[str, Any]:
        return json.loads(self.to_json())

    @property
    def columns(self) -> dict[str, dict[str, Any]]:
        """Statistics by branch: count, nan, inf, min, max, mean, lengths ..."""
        columns = self.to_dict()["columns"]
        if isinstance(columns, dict):
            return columns
        return {column["name"]: column for column in columns}

    def write(self, path: str | os.PathLike[str]) -> None:
        write_text(path, self.to_json())

    def write_global(self, path: str | os.PathLike[str]) -> None:
        """As the original's global-specs.json."""
        write_text(path, self._core.format_global())

    def merge(self, other: Specs) -> Specs:
        """Statistics of both together, as a new object. Raises SchemaError, ArgumentError (a file is in both)."""
        merged = Specs(self.to_json())
        merged._core.merge(other._core)
        return merged

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Specs) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.to_json())

    def __reduce__(self) -> tuple[Any, ...]:
        return Specs, (self.to_json(),)

    def __repr__(self) -> str:
        return f"<mlaas.Specs: {len(self.columns)} columns of {len(self.to_dict().get('files', []))} files>"


def params_check(params: Mapping[str, Any] | str | None) -> dict[str, Any]:
    """The effective parameters: synonyms replaced, types checked, defaults filled in. ArgumentError for an unknown key
    suggests the nearest."""
    return json.loads(_core.params_check(params_text(params)))


def param_table() -> list[dict[str, Any]]:
    """The one table of parameters: name, synonyms (list), type, default, help."""
    return [
        {"name": name, "synonyms": synonyms.split(), "type": kind, "default": json.loads(default), "help": text}
        for name, synonyms, kind, default, text in _core.param_table()
    ]


def params_text(params: Mapping[str, Any] | str | os.PathLike[str] | None) -> str:
    """JSON of a dict, of a path to params.json, or JSON as it is."""
    if params is None:
        return "{}"
    if isinstance(params, Mapping):
        try:
            return json.dumps(dict(params), default=plain)
        except (TypeError, ValueError) as error:
            raise ArgumentError(f"params cannot be written as JSON: {error}") from error
    text = os.fspath(params)
    if text.lstrip().startswith("{"):
        return text
    try:
        with open(text, encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise ArgumentError(f"the params file {text!r} cannot be read: {error.strerror}") from error


def plain(value: Any) -> Any:
    """NumPy scalars and arrays, paths and sets, for json."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, (set, tuple)):
        return sorted(value) if isinstance(value, set) else list(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")
