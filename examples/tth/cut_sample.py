"""Cuts a flat tree to its first entries: how flatTree_TT_13TeV.root became small enough to live here.

Usage: cut_sample.py FROM.root TO.root ENTRIES
"""

import sys

import uproot

source, target, entries = sys.argv[1], sys.argv[2], int(sys.argv[3])
with uproot.open(source) as file:
    arrays = file["boosted/events"].arrays(library="np", entry_stop=entries)
with uproot.recreate(target, compression=uproot.ZLIB(1)) as file:
    tree = file.mktree("boosted/events", {name: array.dtype for name, array in arrays.items()})
    for start in range(0, entries, 5000):
        tree.extend({name: array[start : start + 5000] for name, array in arrays.items()})
