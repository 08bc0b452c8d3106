"""Files that are no ROOT files: CSV, JSON, Parquet, ORC, Avro, Arrow (Feather), HDF5 and NumPy.

Wherever a ROOT file may stand one of these may, on disk or on any file system that pyarrow or fsspec knows: they become
Arrow columns and go through the same statistics, recipe and loader. The libraries that read them (pyarrow, and h5py,
fastavro, fsspec where those are needed) are imported at the first such file. See docs/formats.md.
"""

from ._convert import TARGETS, convert
from ._names import EXTENSIONS, format_of
from ._spool import cache_folder

__all__ = ["EXTENSIONS", "TARGETS", "cache_folder", "convert", "format_of"]
