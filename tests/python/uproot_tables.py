"""uproot behind the interface of mlaas tables: an independent reader for tests of code that takes any `opener`."""

import awkward as ak
import numpy as np
import uproot


class UprootFile:
    """What mlaas.open gives, as far as mlaas.compat needs it."""

    def __init__(self, path):
        self._file = uproot.open(path)

    def __getitem__(self, path):
        return UprootTable(self._file[path])


class UprootTable:
    def __init__(self, tree):
        self._tree = tree
        self.columns = tree.keys()
        self.num_entries = tree.num_entries

    def arrays(self, names=None, start=0, stop=None, library="np"):
        read = {name: self._tree[name].array(entry_start=start, entry_stop=stop) for name in names or self.columns}
        return {name: _plain(array) for name, array in read.items()}


def _plain(array):
    """NumPy array; (offsets, values) for lists of numbers; an array of objects for everything else."""
    layout = ak.to_packed(array).layout
    if isinstance(layout, ak.contents.ListOffsetArray) and isinstance(layout.content, ak.contents.NumpyArray):
        if layout.parameter("__array__") is None:
            return np.asarray(layout.offsets.data), np.asarray(layout.content.data)
    if isinstance(layout, (ak.contents.NumpyArray, ak.contents.RegularArray)):
        return ak.to_numpy(array)
    return np.array([*array.tolist(), None], dtype=object)[:-1]
