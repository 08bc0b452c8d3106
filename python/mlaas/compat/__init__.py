"""The exact semantics of the original MLaaS4HEP (vkuznet/MLaaS4HEP), for those who must repeat its results.

Everything here is on purpose what the original did, its defects included: which events its scan looks at, how NaN and
infinity spoil a range, how many events each file gives to a chunk, in which order the columns stand, how a value is
normalised, when a stale spec file is used. The default path (mlaas.Dataset, mlaas.Loader) never uses this package.

    loader = CompatLoader(files, labels, params)      # reads and writes its spec files in the current folder
    for chunk in loader:                              # chunk.x, .mask (1 = missing), .y, .per_file
        train, validation, test = loader.split(chunk) # row numbers, 64/16/20, stratified, seed 21

Where the original crashed, an mlaas.Error is raised instead: its text says why, and ends with what the original raised;
the attribute `original` holds the name of that exception class.

Modules: `takes` counts events (plain arithmetic), `specs` scans and writes, `events` makes vectors, `loader` joins
them. None of them knows the C library: they take any `opener` whose files give tables with `columns`, `num_entries` and
`arrays(names, start, stop)`.
"""

from .loader import Chunk, CompatLoader, split_rows
from .specs import FileSpecs, Selection, merge_specs, scan_file, specs_text
from .takes import Takes, quotas, takes

__all__ = [
    "Chunk",
    "CompatLoader",
    "FileSpecs",
    "Selection",
    "Takes",
    "merge_specs",
    "quotas",
    "scan_file",
    "specs_text",
    "split_rows",
    "takes",
]
