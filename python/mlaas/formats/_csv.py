"""CSV with the names of the columns in its first line. Types are those that hold every value of a column: whole
numbers, truth values, numbers, texts; an empty cell is a missing one.
"""

from __future__ import annotations

from typing import Any

from .._errors import FormatError
from . import _spool
from ._names import bare_name
from ._needs import need
from ._place import Place
from ._rows import Rows
from ._spooled import spooled

_BLOCK = 4 << 20
_TRUTH = {"true", "false", "True", "False", "TRUE", "FALSE"}


class _Guess:
    """Which types hold all values that a column has shown so far."""

    def __init__(self) -> None:
        self.values = 0
        self.kinds = ["int64", "uint64", "bool", "double"]

    def add(self, texts: Any) -> None:
        texts = texts.drop_null()
        self.values += len(texts)
        if len(texts):
            self.kinds = [kind for kind in self.kinds if self._holds(kind, texts)]

    def _holds(self, kind: str, texts: Any) -> bool:
        arrow = need("pyarrow", "CSV files")
        if kind == "bool":
            return set(texts.unique().to_pylist()) <= _TRUTH
        try:
            texts.cast(kind)
        except arrow.ArrowInvalid:
            return False
        return True

    def kind(self) -> Any:
        arrow = need("pyarrow", "CSV files")
        if not self.values:
            return arrow.null()
        return arrow.type_for_alias(self.kinds[0]) if self.kinds else arrow.string()


class _File:
    def __init__(self, place: Place) -> None:
        self.csv = need("pyarrow.csv", "CSV files")
        self.arrow = need("pyarrow", "CSV files")
        self.place = place
        self.tabs = ".tsv" in bare_name(place.url)

    def open(self, types: dict[str, Any]) -> Any:
        csv = self.csv
        return csv.open_csv(
            self.place.text(),
            csv.ReadOptions(use_threads=False, block_size=_BLOCK),
            csv.ParseOptions(delimiter="\t" if self.tabs else ",", newlines_in_values=True),
            csv.ConvertOptions(column_types=types, strings_can_be_null=True),
        )

    def guess(self, blocks: int | None) -> dict[str, Any]:
        """Types of all columns, from the first blocks or from all."""
        with self.open({}) as reader:
            names = reader.schema.names
        guesses = {name: _Guess() for name in names}
        with self.open(dict.fromkeys(names, self.arrow.string())) as reader:
            for number, batch in enumerate(reader):
                if number == blocks:
                    break
                for name, column in zip(names, batch.columns):
                    guesses[name].add(column)
        return {name: guess.kind() for name, guess in guesses.items()}

    def spool(self) -> _spool.Spool:
        try:
            return self._spool(self.guess(1))
        except self.arrow.ArrowInvalid:  # a later line has what the first ones do not
            return self._spool(self.guess(None))

    def _spool(self, types: dict[str, Any]) -> _spool.Spool:
        with self.open(types) as reader:
            return _spool.write(reader, reader.schema)


def rows(place: Place, name: str) -> Rows:
    if place.size == 0:
        raise FormatError("the file is empty: a CSV file begins with the names of its columns")
    return spooled(place, _File(place).spool, passes=True)
