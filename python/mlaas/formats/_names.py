"""Which format a file is of: by the end of its name, and for local files by its first bytes, which know better."""

from __future__ import annotations

import os

#: Ends of names, and the format that each means.
EXTENSIONS = {
    ".parquet": "Parquet",
    ".pq": "Parquet",
    ".parq": "Parquet",
    ".arrow": "Arrow",
    ".arrows": "Arrow",
    ".ipc": "Arrow",
    ".feather": "Arrow",
    ".orc": "ORC",
    ".avro": "Avro",
    ".csv": "CSV",
    ".tsv": "CSV",
    ".json": "JSON",
    ".jsonl": "JSON",
    ".ndjson": "JSON",
    ".h5": "HDF5",
    ".hdf5": "HDF5",
    ".hdf": "HDF5",
    ".npy": "NumPy",
    ".npz": "NumPy",
}
#: Ends that say how a text is compressed; the bytes decide.
COMPRESSED = (".gz", ".bz2", ".zst", ".xz")
TEXTS = ("CSV", "JSON")
#: First bytes, and the format.
_MAGIC = (
    (b"PAR1", "Parquet"),
    (b"ARROW1", "Arrow"),
    (b"FEA1", "Arrow"),
    (b"ORC", "ORC"),
    (b"Obj\x01", "Avro"),
    (b"\x89HDF\r\n\x1a\n", "HDF5"),
    (b"\x93NUMPY", "NumPy"),
)
_ROOT = b"root"


def bare_name(url: str) -> str:
    """The name without query and fragment, in lower case."""
    name = url.split("?")[0].split("#")[0] if "://" in url else url
    return name.lower()


def by_name(url: str) -> str | None:
    """The format that the end of the name means, or None."""
    name = bare_name(url)
    for end in COMPRESSED:
        if name.endswith(end):
            kind = EXTENSIONS.get(os.path.splitext(name.removesuffix(end))[1])
            return kind if kind in TEXTS else None
    return EXTENSIONS.get(os.path.splitext(name)[1])


def local_path(url: str) -> str | None:
    """The path of a local file, None for what is elsewhere."""
    if url.startswith("file://"):
        rest = url.removeprefix("file://")
        return rest if rest.startswith("/") else "/" + rest.partition("/")[2]
    return None if "://" in url else url


def format_of(url: str | os.PathLike[str]) -> str | None:
    """ "Parquet", "CSV" ... or None for what is left to the ROOT reader."""
    url = os.fsdecode(url)
    kind, path = by_name(url), local_path(url)
    if path is None or (kind is None and bare_name(url).endswith(".root")):
        return kind
    try:
        with open(path, "rb") as file:
            head = file.read(8)
    except OSError:
        return kind
    if head.startswith(_ROOT):
        return None
    for magic, found in _MAGIC:
        if head.startswith(magic):
            return found
    return kind
