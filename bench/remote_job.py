"""One measurement of reading a file that is somewhere else, in a process of its own; prints a line of JSON.

    remote_job.py WHAT URL [OPTION...]

columns   all columns of the only table, cluster by cluster, by mlaas
batches   an epoch of shuffled batches by mlaas; OPTION: the specs, made beforehand
specs     writes the statistics of the file into OPTION
uproot    all columns by uproot; OPTION: xrootd | fsspec | local | http
root      all columns by ROOT, TTreeReader's way in its own loop (SetBranchAddress with its cache), needs .venv-root

seconds   from before opening to the last row; first: to the first rows, open: to the open table.
"""

import json
import sys
import time

PARAMS = {"batch_size": 500, "split": [1, 0, 0]}


def emit(seconds, first, opened, rows, **more):
    times = {"seconds": round(seconds, 4), "first": round(first, 4), "open": round(opened, 4)}
    print(json.dumps({**times, "rows": rows, **more}), flush=True)


NAMES = {"read_requests": "requests", "bytes_read": "bytes", "bytes_delivered": "delivered"}  # of a file, of a loader


def counters(info):
    known = {NAMES.get(name, name): value for name, value in info.items()}
    return {name: known[name] for name in ("requests", "ranges", "bytes", "delivered", "retries")}


def columns(url):
    import mlaas

    start = time.perf_counter()
    file = mlaas.open(url, threads=2)
    table = file[next(iter(file))]
    opened, first, rows = time.perf_counter() - start, 0.0, 0
    for batch in table.batches():
        first = first or time.perf_counter() - start
        rows += len(batch)
    emit(time.perf_counter() - start, first, opened, rows, clusters=len(table.clusters), **counters(file.info))


def batches(url, specs):
    import mlaas

    start = time.perf_counter()
    dataset = mlaas.Dataset(url.split(","), None, PARAMS, specs=specs, threads=2)
    loader = dataset.loader("train")
    opened, first, rows = time.perf_counter() - start, 0.0, 0
    for batch in loader:
        first = first or time.perf_counter() - start
        rows += batch.rows
    emit(time.perf_counter() - start, first, opened, rows, **counters(loader.stats["source"]))


def specs(url, path):
    import mlaas

    mlaas.Dataset(url.split(","), None, PARAMS, threads=2).specs.write(path)


def uproot(url, handler):
    import uproot as module

    handlers = {"xrootd": "XRootDSource", "http": "HTTPSource", "fsspec": "FSSpecSource", "local": "MemmapSource"}
    source = getattr(module.source.fsspec if handler == "fsspec" else module, handlers[handler])
    start = time.perf_counter()
    file = module.open(url, handler=source)
    (tree,) = [value for _, value in file.iteritems() if hasattr(value, "iterate")]
    opened, first, rows = time.perf_counter() - start, 0.0, 0
    for chunk in tree.iterate(step_size="50 MB"):
        first = first or time.perf_counter() - start
        rows += len(chunk)
    emit(time.perf_counter() - start, first, opened, rows)


def root(url):
    import ROOT

    start = time.perf_counter()
    file = ROOT.TFile.Open(url)
    keys = [key.GetName() for key in file.GetListOfKeys()]
    tree = file.Get(keys[0])
    while not tree.InheritsFrom("TTree"):
        tree = tree.Get(tree.GetListOfKeys()[0].GetName())
    opened = time.perf_counter() - start
    # One loop in C++: a loop in Python would measure Python.
    ROOT.gInterpreter.Declare("""
      Long64_t read_all(TTree *tree, Long64_t begin, Long64_t end) {
        Long64_t sum = 0;
        for (Long64_t i = begin; i < end; i++) sum += tree->GetEntry(i);
        return sum;
      }""")
    rows = tree.GetEntries()
    ROOT.read_all(tree, 0, min(1000, rows))
    first = time.perf_counter() - start
    ROOT.read_all(tree, min(1000, rows), rows)
    emit(time.perf_counter() - start, first, opened, rows)


if __name__ == "__main__":
    {"columns": columns, "batches": batches, "specs": specs, "uproot": uproot, "root": root}[sys.argv[1]](*sys.argv[2:])
