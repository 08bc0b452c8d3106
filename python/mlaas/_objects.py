"""Objects of a file that are no tables: histograms, graphs, parameters, texts, lists, maps and whatever else a class
with a description may be.

Members keep their names in ROOT. Arrays are read-only views of the library's memory and count under the file's ceiling
while somebody holds them.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from . import _core
from ._errors import ArgumentError, NotFoundError, SchemaError, UnsupportedError
from ._html import html_table


class Unreadable(NamedTuple):
    """Stands for a part that could not be understood."""

    class_name: str
    reason: str


class Reference(NamedTuple):
    """Stands for an object that encloses this place, or that the file does not hold here."""

    class_name: str


class Object:
    """An object of a file, or of another object. ``obj["fEntries"]`` is a member, of a base class too.

    What the class is known for comes as methods of Histogram, Graph, Efficiency, Matrix, Formula; ``value`` is what a
    TParameter, TObjString, TList, TMap, TArray, TDatime or std::vector stands for. Lists and maps can be looked into:
    ``obj[0]``, ``obj["key"]``, ``for each in obj``.
    """

    def __init__(self, class_name: str, members: list[tuple[str, str, Any]], value: Any = None) -> None:
        self._class_name = class_name
        self._members = members
        self._values = {name: value for name, _, value in members}
        self._value = value
        self._path = ""
        self._key_title = ""

    @property
    def class_name(self) -> str:
        """As ROOT names it: "TH1F", "TParameter<double>"."""
        return self._class_name

    @property
    def path(self) -> str:
        """With directory and cycle, "dir/h;1"; of an object inside another one, ""."""
        return self._path

    @property
    def name(self) -> str:
        """Its own name, or the key's where it has none."""
        name = self._values.get("fName")
        return name if isinstance(name, str) else self._path.rpartition("/")[2].rpartition(";")[0]

    @property
    def title(self) -> str:
        """Its own title, or the key's where it has none."""
        title = self._values.get("fTitle")
        return title if isinstance(title, str) else self._key_title

    # ---- members ----

    def member(self, name: str, *default: Any) -> Any:
        """The member of that name; of several, the most derived class's. Without a default: NotFoundError."""
        if name in self._values:
            return self._values[name]
        if default:
            return default[0]
        import difflib

        near = difflib.get_close_matches(name, self._values, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise NotFoundError(f"{self._class_name} has no member {name}{hint}", self._path)

    def __getitem__(self, name: Any) -> Any:
        """A member; of a list, an item by number, of a map, what a key stands for."""
        if isinstance(self._value, dict) and name in self._value:
            return self._value[name]
        return self._value[name] if isinstance(self._value, list) else self.member(name)

    def __contains__(self, name: object) -> bool:
        return name in (self._value if isinstance(self._value, dict) else self._values)

    def __iter__(self) -> Iterator[Any]:
        """Items of a list, keys of a map, else names of members."""
        return iter(self._value if isinstance(self._value, (list, dict)) else self._values)

    def __len__(self) -> int:
        return len(self._value if isinstance(self._value, (list, dict)) else self._values)

    def __bool__(self) -> bool:
        return True

    def keys(self) -> list[str]:
        """Names of all members, those of base classes in front."""
        return list(self._values)

    def items(self) -> list[tuple[str, Any]]:
        return list(self._values.items())

    @property
    def unreadable(self) -> dict[str, str]:
        """Members that could not be read, and why."""
        return {name: value.reason for name, value in self._values.items() if isinstance(value, Unreadable)}

    @property
    def value(self) -> Any:
        """What the object stands for, as plain Python: a number, str, list, dict, array or datetime."""
        return self._plain({})

    def _plain(self, memo: dict[int, Any]) -> Any:
        """Without objects; memo keeps what is shared shared."""
        for name in ("fVal", "fString"):  # TParameter, TObjString
            if name in self._values:
                return self._values[name]
        if "fDatime" in self._values and len(self._values) == 1:
            return _date(self._values["fDatime"])
        if self._value is not None or not self._members:
            return _plain(self._value, memo)
        return {name: _plain(value, memo) for name, value in self._values.items()}

    def to_dict(self) -> dict[str, Any]:
        """All members as plain Python: nested objects become dicts, texts str, arrays stay arrays."""
        if not self._members:
            return {"value": self.value}
        memo: dict[int, Any] = {}
        return {name: _plain(value, memo) for name, value in self._values.items()}

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        value = self.to_numpy()
        first = value[0] if isinstance(value, tuple) else value
        return np.array(first, dtype=dtype) if copy else np.asarray(first, dtype=dtype)

    def to_numpy(self) -> Any:
        """The arrays of a histogram, graph, matrix, vector or array. UnsupportedError for all else."""
        if isinstance(self._value, np.ndarray):
            return self._value
        raise UnsupportedError(f"a {self._class_name} has no form in NumPy; see to_dict()", self._path)

    # ---- looks ----

    def _brief(self) -> str:
        if not self._members or "fVal" in self._values or "fString" in self._values:
            text = repr(self.value)
            return text if len(text) < 60 else f"{text[:57]}..."
        return f"{len(self._values)} members"

    def __repr__(self) -> str:
        where = f" {self._path!r}" if self._path else ""
        title = f" {self.title!r}," if self.title else ""
        return f"<mlaas.{type(self).__name__}{where} {self._class_name}:{title} {self._brief()}>"

    def __str__(self) -> str:
        value = self._values.get("fString", self._value)
        return value if isinstance(value, str) else repr(self)

    def _repr_html_(self) -> str:
        rows = [(name, owner, _short(self._values[name])) for name, owner, _ in self._members]
        return html_table(repr(self), ("member", "class", "value"), rows or [("", self._class_name, self._brief())])


# ---- axes and histograms ----


class Traits(NamedTuple):
    """What plotting libraries ask of an axis."""

    circular: bool
    discrete: bool


class Axis(Object):
    """A TAxis. It is a sequence of its bins: (low, high), or labels where every bin has one."""

    @property
    def num_bins(self) -> int:
        """Without underflow and overflow."""
        return int(self["fNbins"])

    @property
    def low(self) -> float:
        return float(self["fXmin"])

    @property
    def high(self) -> float:
        return float(self["fXmax"])

    def edges(self, flow: bool = False) -> np.ndarray:
        """Edges of the bins, one more than there are; ``flow`` adds -inf and inf."""
        edges = np.asarray(self["fXbins"], np.float64)
        if len(edges) != self.num_bins + 1:
            edges = np.linspace(self.low, self.high, self.num_bins + 1)
        return np.concatenate(([-np.inf], edges, [np.inf])) if flow else edges

    def centers(self) -> np.ndarray:
        edges = self.edges()
        return (edges[1:] + edges[:-1]) / 2

    def widths(self) -> np.ndarray:
        return np.diff(self.edges())

    @property
    def labels(self) -> list[str] | None:
        """A text for each bin, "" where it has none; None if no bin has one."""
        found = self.member("fLabels", None)
        if not isinstance(found, list) or not found:
            return None
        texts = [""] * self.num_bins
        for label in found:
            at = label.member("fUniqueID", 0) - 1 if isinstance(label, Object) else -1
            if 0 <= at < len(texts):
                texts[at] = str(label)
        return texts

    @property
    def traits(self) -> Traits:
        return Traits(False, bool(self.labels) and all(self.labels or ()))

    def __len__(self) -> int:
        return self.num_bins

    def _bins(self) -> list[Any]:
        labels, edges = self.labels, self.edges()
        return labels if labels and all(labels) else list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))

    def __getitem__(self, index: Any) -> Any:
        return self.member(index) if isinstance(index, str) else self._bins()[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._bins())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Axis) and self._bins() == other._bins()

    __hash__ = None  # type: ignore[assignment]

    def _brief(self) -> str:
        return f"{self.num_bins} bins from {self.low:g} to {self.high:g}"


_AXES = ("fXaxis", "fYaxis", "fZaxis")


class Histogram(Object):
    """TH1, TH2, TH3 and profiles. It follows the PlottableHistogram protocol: mplhep, hist and boost-histogram take it.

    ``flow`` adds a bin of underflow and overflow at both ends of each axis. Values are indexed [x, y, z].
    """

    def __init__(self, class_name: str, members: list[tuple[str, str, Any]], value: Any = None) -> None:
        super().__init__(class_name, members, value)
        owners = {owner for _, owner, _ in members}
        self._dimensions = 3 if "TH3" in owners else 2 if "TH2" in owners else 1
        if np.size(self._values["fArray"]) != np.prod(self._full_shape()):
            raise SchemaError(
                f"a {class_name} of {self._full_shape()} bins has {np.size(self._values['fArray'])} values"
            )

    def _full_shape(self) -> tuple[int, ...]:
        return tuple(axis.num_bins + 2 for axis in self.axes)

    @property
    def axes(self) -> tuple[Axis, ...]:
        return tuple(self._values[name] for name in _AXES[: self._dimensions])

    def axis(self, which: int | str = 0) -> Axis:
        """By number, or "x", "y", "z"."""
        return self.axes["xyz".index(which) if isinstance(which, str) else which]

    @property
    def kind(self) -> str:
        """ "COUNT", or "MEAN" of a profile."""
        return "MEAN" if self._is_profile else "COUNT"

    @property
    def _is_profile(self) -> bool:
        return "fBinEntries" in self._values

    @property
    def num_entries(self) -> float:
        """How often it was filled."""
        return float(self["fEntries"])

    @property
    def weighted(self) -> bool:
        """Whether sums of squared weights were kept."""
        return self._per_bin("fBinSumw2" if self._is_profile else "fSumw2") is not None

    def _per_bin(self, name: str) -> np.ndarray | None:
        """A member with a value for each bin, as float64 in ROOT's order; None if it was not kept."""
        found = self._values.get(name)
        if not isinstance(found, np.ndarray) or found.size != np.prod(self._full_shape()):
            return None
        return found.astype(np.float64)

    def _shaped(self, flat: np.ndarray, flow: bool) -> np.ndarray:
        """From ROOT's order, x fastest, to [x, y, z]."""
        buffer = self._values.get("fBuffer")
        if isinstance(buffer, np.ndarray) and buffer.size and buffer[0] > 0:
            raise UnsupportedError(
                f"{buffer[0]:g} entries of this {self._class_name} are still in its buffer: its bins were not chosen "
                "when it was written. Look at the member fBuffer, or let ROOT write it again",
                self._path,
            )
        shaped = flat.reshape(self._full_shape()[::-1]).transpose()
        return shaped if flow else shaped[(slice(1, -1),) * self._dimensions]

    def values(self, flow: bool = False) -> np.ndarray:
        """Contents of the bins in the type they are stored in; of a profile, the means (0 where a bin is empty)."""
        if self._is_profile:
            return self._shaped(self._means(), flow)
        return self._shaped(np.asarray(self["fArray"]), flow)

    def variances(self, flow: bool = False) -> np.ndarray:
        """Sums of squared weights where they were kept, else the contents; of a profile, squared errors."""
        if self._is_profile:
            return np.square(self.errors(flow))
        sumw2 = self._per_bin("fSumw2")
        flat = np.asarray(self["fArray"], np.float64) if sumw2 is None else sumw2
        return self._shaped(np.where(flat > 0, flat, 0.0), flow)

    def errors(self, flow: bool = False, mode: str | None = None) -> np.ndarray:
        """Square roots of the variances. Of a profile: by its own option, or by ``mode``: "" error of the mean, "s"
        spread, "i" for integers, "g" for values of known precision, as ROOT says."""
        if self._is_profile:
            return self._shaped(self._profile_errors(mode), flow)
        return np.sqrt(self.variances(flow))

    def counts(self, flow: bool = False) -> np.ndarray:
        """Entries in each bin; with weights, the effective number: sum of weights squared over sum of squared
        weights."""
        if self._is_profile:
            return self._shaped(self._effective(), flow)
        if not self.weighted:
            return self.values(flow)
        values, variances = np.asarray(self.values(flow), np.float64), self.variances(flow)
        return np.divide(values**2, variances, out=np.zeros_like(variances), where=variances > 0)

    def sum(self, flow: bool = False) -> float:
        """Of the values: with ``flow=True``, of everything that was filled."""
        return float(np.asarray(self.values(flow), np.float64).sum())

    def to_numpy(self, flow: bool = False) -> tuple[np.ndarray, ...]:
        """(values, edges) as numpy.histogram gives them; with more axes (values, x edges, y edges ...)."""
        return (self.values(flow), *(axis.edges(flow) for axis in self.axes))

    # ---- profiles ----

    def _means(self) -> np.ndarray:
        contents, entries = np.asarray(self["fArray"], np.float64), self._entries()
        return np.divide(contents, entries, out=np.zeros_like(contents), where=entries != 0)

    def _entries(self) -> np.ndarray:
        """Sum of weights in each bin of a profile."""
        entries = self._per_bin("fBinEntries")
        return np.zeros(int(np.prod(self._full_shape()))) if entries is None else entries

    def _effective(self) -> np.ndarray:
        entries, squares = self._entries(), self._per_bin("fBinSumw2")
        if squares is None:
            return entries
        return np.divide(entries**2, squares, out=np.zeros_like(entries), where=squares > 0)

    def _profile_errors(self, mode: str | None) -> np.ndarray:
        modes = ("", "s", "i", "g")
        own = self._values.get("fErrorMode", 0)
        mode = modes[own] if mode is None and own in range(4) else mode
        if mode not in modes:
            raise ArgumentError(f"error mode {mode!r} is not known; use one of {', '.join(map(repr, modes))}")
        entries, effective, sumw2 = self._entries(), self._effective(), self._per_bin("fSumw2")
        filled, zero = entries != 0, np.zeros_like(entries)
        if mode == "g":
            return np.divide(1.0, np.sqrt(np.abs(entries)), out=zero, where=filled)
        squares = np.divide(zero if sumw2 is None else sumw2, entries, out=zero.copy(), where=filled)
        spread = np.where(filled, np.sqrt(np.abs(squares - self._means() ** 2)), 0.0)
        if mode == "s":
            return spread
        known = filled & (effective > 0)
        mean = np.divide(spread, np.sqrt(effective), out=zero.copy(), where=known)
        if mode == "":
            return mean
        least = np.divide(1.0, np.sqrt(12 * effective), out=zero.copy(), where=known)
        return np.where(spread != 0, mean, least)

    def _brief(self) -> str:
        shape = " x ".join(str(axis.num_bins) for axis in self.axes)
        return f"{shape} bins, {self.num_entries:g} entries"


# ---- graphs, efficiencies, matrices, formulas ----


class Graph(Object):
    """TGraph and its kin with errors; TGraph2D."""

    _ERRORS = (
        ("fEX", "fEY", "fEZ"),
        ("fEXlow", "fEXhigh", "fEYlow", "fEYhigh"),
        ("fExL", "fExH"),  # TGraphMultiErrors, y errors are a list
    )

    def values(self) -> tuple[np.ndarray, ...]:
        """(x, y), or (x, y, z)."""
        return self._arrays(("fX", "fY", "fZ"))

    def _arrays(self, names: tuple[str, ...]) -> tuple[np.ndarray, ...]:
        return tuple(self._values[name] for name in names if isinstance(self._values.get(name), np.ndarray))

    def errors(self) -> tuple[np.ndarray, ...]:
        """(ex, ey) of TGraphErrors, (x low, x high, y low, y high) of TGraphAsymmErrors, () without errors."""
        for names in self._ERRORS:
            found = self._arrays(names)
            if found:
                return found
        return ()

    def to_numpy(self) -> tuple[np.ndarray, ...]:
        """Values and errors in one tuple: (x, y), (x, y, ex, ey) or (x, y, x low, x high, y low, y high)."""
        return self.values() + self.errors()

    def __len__(self) -> int:
        return int(self["fNpoints"])

    def _brief(self) -> str:
        return f"{len(self)} points"


class Efficiency(Object):
    """TEfficiency: two histograms."""

    @property
    def passed(self) -> Histogram:
        return self["fPassedHistogram"]

    @property
    def total(self) -> Histogram:
        return self["fTotalHistogram"]

    def efficiency(self, flow: bool = False) -> np.ndarray:
        """Passed over total, NaN in empty bins."""
        passed, total = (np.asarray(each.values(flow), np.float64) for each in (self.passed, self.total))
        return np.divide(passed, total, out=np.full(total.shape, np.nan), where=total != 0)

    def to_numpy(self, flow: bool = False) -> tuple[np.ndarray, ...]:
        """(efficiency, edges ...)."""
        return (self.efficiency(flow), *(axis.edges(flow) for axis in self.total.axes))


class Matrix(Object):
    """TVectorT, TMatrixT and TMatrixTSym."""

    def to_numpy(self) -> np.ndarray:
        """A vector, or a matrix of [row, column]."""
        elements = np.asarray(self["fElements"])
        if "fNcols" not in self or elements.ndim == 2:
            return elements
        return elements.reshape(self["fNrows"], self["fNcols"])

    def _brief(self) -> str:
        return " x ".join(map(str, self.to_numpy().shape))


class Formula(Object):
    """TFormula and TF1."""

    @property
    def expression(self) -> str:
        """The text of the formula."""
        inner = self.member("fFormula", None)
        if isinstance(inner, Formula):
            return inner.expression
        return inner if isinstance(inner, str) else self.title

    def _brief(self) -> str:
        return self.expression


# ---- making them ----


def _kind_of(class_name: str, names: set[str]) -> type[Object]:
    if {"fXaxis", "fNcells", "fArray"} <= names and not class_name.startswith("TH2Poly"):
        return Histogram
    if class_name.startswith(("TMatrixT<", "TMatrixTSym<", "TVectorT<")) and "fElements" in names:
        return Matrix
    if {"fNpoints", "fX", "fY"} <= names:
        return Graph
    if {"fPassedHistogram", "fTotalHistogram"} <= names:
        return Efficiency
    if class_name in ("TFormula", "TF1", "TF2", "TF3"):
        return Formula
    return Axis if {"fNbins", "fXmin", "fXmax", "fXbins"} <= names else Object


def _make(kind: str, class_name: str, payload: Any) -> Any:
    """One item of the library's tree that is no number and no text; what it holds was made before it."""
    if kind == "array":
        return np.asarray(payload[0]).reshape(payload[1])
    if kind == "object":
        chosen = _kind_of(class_name, {name for name, _, _ in payload})
        try:
            return chosen(class_name, payload)
        except (SchemaError, AttributeError, TypeError):  # its parts are not what its class has them to be
            return Object(class_name, payload)
    if kind == "map":
        return _pairs(payload)
    if kind == "unreadable":
        return Unreadable(class_name, payload)
    return Reference(class_name) if kind == "reference" else payload


def _pairs(items: list[Any]) -> Any:
    """A dict, or a list of pairs where the keys cannot be those of a dict, or one comes twice."""
    keys = [_plain(key, {}) for key in items[::2]]
    try:
        made = dict(zip(keys, items[1::2], strict=True))
    except TypeError:
        made = {}
    return made if len(made) == len(keys) else list(zip(keys, items[1::2], strict=True))


def _plain(value: Any, memo: dict[int, Any]) -> Any:
    """Without objects of this module, but for Unreadable and Reference."""
    if isinstance(value, Object):
        if id(value) not in memo:
            memo[id(value)] = value._plain(memo)
        return memo[id(value)]
    if isinstance(value, dict):
        return {key: _plain(each, memo) for key, each in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_plain(each, memo) for each in value)
    return value


def _date(word: int) -> datetime.datetime | None:
    """A TDatime: seconds and minutes in six bits, then hour, day, month, and the year since 1995."""
    fields = (word >> 26) + 1995, word >> 22 & 15, word >> 17 & 31, word >> 12 & 31, word >> 6 & 63, word & 63
    try:
        return datetime.datetime(*fields)
    except ValueError:
        return None


def _short(value: Any) -> str:
    text = f"{value.dtype}{list(value.shape)}" if isinstance(value, np.ndarray) and value.size > 8 else str(value)
    return text if len(text) < 100 else f"{text[:97]}..."


def read_object(core: Any, path: str) -> Object:
    """Reads what is at that path of a _core.File."""
    make: Callable[[str, str, Any], Any] = _make
    full, class_name, title, value = _core.object_read(core, path, make)
    made = value if isinstance(value, Object) else Object(class_name, [], value)
    made._path, made._key_title = full, title
    return made
