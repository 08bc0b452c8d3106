"""RootDataGenerator as scripts of the original know it: an iterator of (data, mask, labels) over mixed files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import mlaas
import numpy as np
from mlaas.compat import CompatLoader

from .utils import file_type

__all__ = ["MetaDataGenerator", "RootDataGenerator", "file_type"]


class RootDataGenerator:
    """Chunks of events: data (NaN for missing), mask (1 = missing), labels. Reads and writes specs in this folder."""

    def __init__(
        self,
        fin: str | Sequence[str],
        labels: Sequence[Any] | str,
        params: Mapping[str, Any] | None = None,
        specs: Mapping[str, Any] | None = None,
        preproc: Any = None,
    ):
        if preproc:
            raise mlaas.UnsupportedError("preproc was never applied to ROOT files; leave it out")
        params = params or {}
        self.loader = CompatLoader(fin, labels, params, specs=specs)
        self.files = self.loader.files
        self.labels = labels
        self.evts = self.loader.nevts
        self.chunk_size = self.loader.chunk_size
        self.batch_size = self.loader.batch_size
        self.shuffle = params.get("shuffle", False)
        self.verbose = params.get("verbose", 0)
        self._chunks = iter(self.loader)
        if self.verbose:
            for warning in self.loader.warnings:
                print(f"WARNING: {warning}")

    @property
    def file_label_dict(self) -> dict[str, Any]:
        """Empty where labels are the name of a branch."""
        return {} if isinstance(self.loader.labels, str) else dict(self.loader.labels)

    @property
    def events(self) -> dict[str, int]:
        """Events to read of each file, and the entries of all under "total"."""
        return {"total": self.loader.total, **self.loader.quotas}

    @property
    def evts_toread(self) -> dict[str, int]:
        """Events of each file in one chunk, by plan."""
        return self.loader.takes

    @property
    def reader_counter(self) -> dict[str, int]:
        return self.loader.done

    @property
    def columns(self) -> list[str]:
        return self.loader.columns

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        return self

    def __next__(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        chunk = next(self._chunks)
        if self.verbose:
            parts = ", ".join(f"{events} of {name}" for name, events in chunk.per_file)
            print(f"chunk of {len(chunk)} events: {parts}")
        return chunk.x, chunk.mask, chunk.y

    next = __next__
    next_mix_files = __next__


class MetaDataGenerator(RootDataGenerator):
    """The same for JSON, CSV, Avro, Parquet and all else that mlaas reads; what is missing is NaN, not 0."""

    def __init__(
        self,
        fin: str | Sequence[str],
        labels: Sequence[Any] | str,
        params: Mapping[str, Any] | None = None,
        preproc: Any = None,
        dtype: str | None = None,
    ):
        del dtype  # the files say what they are
        if preproc:
            raise mlaas.UnsupportedError("preproc is not applied to records; prepare the files with it once")
        super().__init__(fin, labels, params)
