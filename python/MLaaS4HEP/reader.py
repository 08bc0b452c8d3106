"""RootDataReader as scripts of the original know it, and its command `reader`: one file, event by event."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import mlaas
import numpy as np
from mlaas.compat import FileSpecs, Selection, scan_file, specs_text
from mlaas.compat.events import EventReader, mask_of
from mlaas.compat.loader import open_table


class RootDataReader:
    """Scans a file unless specs are given, then gives one event after the other."""

    def __init__(
        self,
        fin: str,
        branch: str = "Events",
        selected_branches: Sequence[str] | None = None,
        exclude_branches: Sequence[str] | None = None,
        identifier: Sequence[str] | None = None,
        label: Any = None,
        chunk_size: int = 1000,
        nevts: int = -1,
        specs: Mapping[str, Any] | str | None = None,
        nan: float = np.nan,
        histograms: bool = False,
        redirector: str = "",
        preproc: Any = None,
        verbose: int = 0,
    ):
        del nan, histograms, preproc  # the original takes them and uses none on this path
        self.type = type(self).__name__
        self.fin, self.label, self.verbose = fin, label, verbose
        params = {
            "identifier": identifier,
            "selected_branches": selected_branches,
            "exclude_branches": exclude_branches,
        }
        self._selection = Selection.from_params(params)
        self.identifier = self._selection.identifier
        self.tree = open_table(fin, branch, redirector=redirector)
        self.nrows = self.tree.num_entries
        self.nevts = nevts if nevts != -1 else self.nrows
        self.chunk_size = min(chunk_size, self.nrows)
        self._reader = EventReader(self.tree, fin, self._selection, chunk_size)
        if specs:
            self.load_specs(specs)
        else:
            self._use(scan_file(self.tree, self._selection, nevts, chunk_size, fin))

    def load_specs(self, specs: Mapping[str, Any] | str) -> None:
        """Takes the specs from a dict or a file."""
        if not isinstance(specs, str):
            self._use(FileSpecs.from_dict(specs))
            return
        with open(specs, encoding="utf-8") as lines:
            self._use(FileSpecs.from_dict(json.load(lines), specs))

    def _use(self, specs: FileSpecs) -> None:
        self._specs = specs
        self._reader.load_specs(specs)
        self.attrs = self.flat_keys() + self.jagged_keys()
        self.shape = len(self.columns())

    jdim = property(lambda self: self._specs.jdim)
    minv = property(lambda self: self._specs.minv)
    maxv = property(lambda self: self._specs.maxv)
    fkeys = property(lambda self: self._specs.fkeys)
    jkeys = property(lambda self: self._specs.jkeys)
    nans = property(lambda self: self._specs.nans)

    def flat_keys(self) -> list[str]:
        return self._specs.flat_keys(self.identifier)

    def jagged_keys(self) -> list[str]:
        return self._specs.jagged_keys()

    def columns(self) -> list[str]:
        """Names of the slots of a vector."""
        return self._specs.columns(self.identifier)

    def next(self) -> tuple[np.ndarray, np.ndarray, int]:
        """The next event: vector (NaN for missing), mask (1 = missing), and 0 for the index of the label."""
        x = self._reader.read(1)
        return x[0], mask_of(x)[0], 0

    def write_specs(self, fout: str) -> None:
        with open(fout, "w", encoding="utf-8") as out:
            out.write(specs_text(self._specs, self.identifier))

    def info(self) -> None:
        """Prints how many events and branches there are; with verbose the range of each."""
        for title, keys in (("flat", self.flat_keys()), ("jagged", self.jagged_keys())):
            if title == "flat":
                print(f"Number of events  : {self.nrows}")
            print(f"# {title:6} branches : {len(keys)}")
            for key in keys if self.verbose else ():
                dim = self.jdim.get(key, "N/A")
                print(f"{key} values in [{self.minv[key]}, {self.maxv[key]}] range, dim={dim}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="reader", description="Scans a file, reads events, writes its specs.")
    parser.add_argument("--fin", default="", help="file of events")
    parser.add_argument("--fout", default="", help="file for the specs")
    parser.add_argument("--preproc", help="taken for old scripts; not applied to ROOT files")
    parser.add_argument("--nan", default=np.nan, type=float, help="taken for old scripts; missing values are NaN")
    parser.add_argument("--branch", default="Events", help="name of the tree (Events)")
    parser.add_argument("--identifier", default="run,event,luminosityBlock", help="branches that are no features")
    parser.add_argument("--branches", default="", help="branches to read, with commas between (all)")
    parser.add_argument("--exclude-branches", default="", help="branches to leave out: names, or a file of names")
    parser.add_argument("--nevts", default=5, type=int, help="events to read (5; -1: all)")
    parser.add_argument("--chunk-size", default=1000, type=int, help="events read at a time (1000)")
    parser.add_argument("--specs", help="specs made before")
    parser.add_argument("--redirector", default="", help="put in front of a name that is not here (none)")
    parser.add_argument("--info", action="store_true", help="say what is in the tree")
    parser.add_argument("--hists", action="store_true", help="taken for old scripts")
    parser.add_argument("--verbose", default=0, type=int, help="0 or 1")
    return parser


def _run(options: argparse.Namespace) -> None:
    reader = RootDataReader(
        options.fin,
        branch=options.branch,
        selected_branches=options.branches.split(",") if options.branches else [],
        exclude_branches=options.exclude_branches,
        identifier=[name.strip() for name in options.identifier.split(",")],
        chunk_size=options.chunk_size,
        nevts=options.nevts,
        specs=options.specs,
        redirector=options.redirector,
        verbose=options.verbose,
    )
    if options.info:
        reader.info()
        return
    start = time.perf_counter()
    for _ in range(reader.nevts):
        reader.next()
    seconds = time.perf_counter() - start
    print(f"Read {reader.nevts} evts, {reader.nevts / max(seconds, 1e-9):.0f} Hz, total time {seconds:.3f}")
    if options.fout:
        reader.write_specs(options.fout)


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        _run(options)
    except mlaas.Error as error:
        print(f"reader: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("\nreader: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
