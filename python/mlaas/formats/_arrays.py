"""NumPy's types and arrays as Arrow's: what HDF5 and NumPy files hold. Knows no file."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._needs import need


def arrow_type(dtype: np.dtype, shape: tuple[int, ...] = ()) -> Any:
    """The Arrow type of an item of this type and shape; of what has none `binary`, which no table shows."""
    arrow = need("pyarrow", "arrays")
    if dtype.subdtype:
        return arrow_type(dtype.subdtype[0], shape + dtype.subdtype[1])
    if dtype.names is not None:
        kind = arrow.struct([arrow.field(n, arrow_type(dtype[n]), nullable=False) for n in dtype.names])
    elif dtype.kind in "US":
        kind = arrow.string()
    elif dtype.kind in "biuf" and dtype.itemsize <= 8:
        kind = arrow.from_numpy_dtype(dtype.newbyteorder("="))
    else:
        kind = arrow.binary()
    for size in reversed(shape):
        kind = arrow.list_(arrow.field("item", kind, nullable=False), size) if size else arrow.binary()
    return kind


def arrow_array(values: np.ndarray, kind: Any) -> Any:
    """The rows of `values` in the type that arrow_type gave."""
    arrow = need("pyarrow", "arrays")
    types = arrow.types
    if types.is_binary(kind):
        return arrow.nulls(len(values), kind)
    if types.is_fixed_size_list(kind):
        flat = values.reshape((values.shape[0] * values.shape[1], *values.shape[2:]))
        return arrow.FixedSizeListArray.from_arrays(arrow_array(flat, kind.value_type), type=kind)
    if types.is_struct(kind):
        parts = [arrow_array(values[part.name], part.type) for part in kind]
        return arrow.StructArray.from_arrays(parts, fields=list(kind))
    if types.is_string(kind):
        if values.dtype.kind == "S":
            values = np.char.decode(np.ascontiguousarray(values), "utf-8")
        return arrow.array(np.ascontiguousarray(values).tolist(), kind)
    values = np.ascontiguousarray(values)
    return arrow.array(values.astype(values.dtype.newbyteorder("="), copy=False), kind)
