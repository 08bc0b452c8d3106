"""Makes the files that the benchmarks read, where they are not there yet: data.py FOLDER [EVENTS_A EVENTS_B].

A (tree boostedAk8/events): 22 flat and 52 jagged float branches in 5 collections of up to 10, padded 542 wide.
B (tree events): 29 flat float branches. Same seed, same values in every variant. uproot writes counted arrays with
zlib, LZ4 and ZSTD; std::vector branches and ROOT's own layout come from ../shared/peers/make_bench_data.py where
it and ROOT (.venv-root) are at hand. ROOT also writes files shaped as those of experiments (shapes.cxx).
"""
import os
import subprocess
import sys

import awkward as ak
import numpy as np
import root_build
import uproot

COLLECTIONS = {"jet": 20, "lep": 8, "fatjet": 12, "subjet": 8, "trk": 4}
CLUSTER = 10_000
CODECS = {"zlib": uproot.ZLIB(1), "lz4": uproot.LZ4(4), "zstd": uproot.ZSTD(5)}
MAKER = os.path.join(os.path.dirname(__file__), "..", "..", "shared", "peers", "make_bench_data.py")
BY_ROOT = ["bench_jagged_cnt_zlib.root", "bench_jagged_vec_zlib.root", "bench_jagged_vec_lz4.root",
           "bench_jagged_vec_zstd.root", "bench_flat.root", "bench_flat_lz4.root", "bench_jagged_rntuple_zlib.root",
           "bench_jagged_rntuple_lz4.root", "bench_jagged_rntuple_zstd.root", "bench_flat_rntuple_zstd.root"]
SHAPES = {"nano_zstd.root": ("nano", 505, 10_000), "xaod_zlib.root": ("xaod", 101, 5_000),
          "nested_zlib.root": ("nested", 101, 50_000), "nested_lz4.root": ("nested", 404, 50_000)}
CORPUS = os.path.join(os.path.dirname(__file__), "..", "..", "shared", "corpus", "scikit-hep-testdata")
SMALL = ["uproot-HZZ.root", "uproot-hepdata-example.root", "nanoAOD_2015_CMS_Open_Data_ttbar.root"]


def values(rng, kind, count):
    """Momenta, angles, masses, tags, counts, and mostly zero, in turn."""
    makers = [lambda: 20 + rng.exponential(60, count), lambda: rng.normal(0, 1.4, count),
              lambda: rng.uniform(-np.pi, np.pi, count), lambda: rng.gamma(2, 8, count),
              lambda: rng.beta(0.5, 0.5, count), lambda: rng.poisson(4, count).astype(float),
              lambda: np.where(rng.random(count) < 0.6, 0, rng.exponential(5, count))]
    return makers[kind % len(makers)]().astype(np.float32)


def chunks_a(events):
    rng = np.random.default_rng(20200629)
    for start in range(0, events, CLUSTER):
        rows = min(CLUSTER, events - start)
        chunk = {f"f{i:02d}": values(rng, i, rows) for i in range(22)}
        for name, branches in COLLECTIONS.items():
            counts = np.minimum(rng.poisson(3.05, rows), 10)
            columns = {f"{i:02d}": ak.unflatten(values(rng, i, counts.sum()), counts) for i in range(branches)}
            chunk[name] = ak.zip(columns)
        yield chunk


def chunks_b(events):
    rng = np.random.default_rng(20200630)
    for start in range(0, events, 10 * CLUSTER):
        yield {f"c{i:02d}": values(rng, i, min(10 * CLUSTER, events - start)) for i in range(29)}


def write(path, tree, chunks, codec):
    with uproot.recreate(path + ".part", compression=codec) as file:
        for i, chunk in enumerate(chunks):
            if i == 0:
                file.mktree(tree, {name: column.dtype if isinstance(column, np.ndarray) else column.type.content
                                   for name, column in chunk.items()})
            file[tree].extend(chunk)
    os.replace(path + ".part", path)


def by_root(folder, events_a, events_b):
    """Files that only ROOT writes, as far as it is here."""
    python = os.path.abspath(".venv-root/bin/python")
    missing = [name for name in BY_ROOT if not os.path.exists(os.path.join(folder, name))]
    if missing and os.path.exists(python) and os.path.exists(MAKER):
        subprocess.run([python, MAKER, "--out", folder, "--only", ",".join(missing), "--events-a", str(events_a),
                        "--events-b", str(events_b)], check=False, stdout=sys.stderr)


def shapes(folder):
    """Files shaped as those of experiments, where ROOT and a compiler are here."""
    missing = [name for name in SHAPES if not os.path.exists(os.path.join(folder, name))]
    if not missing or not root_build.home():
        return
    with open(os.path.join(os.path.dirname(__file__), "shapes.cxx")) as source:
        program = root_build.build("shapes", source.read())
    for name in missing:
        kind, compression, events = SHAPES[name]
        print(f"making {name}", file=sys.stderr)
        path = os.path.join(folder, name)
        subprocess.run([program, kind, path + ".part", str(compression), str(events)], check=True)
        os.replace(path + ".part", path)


def small():
    """Real files so small that fixed costs count: {name: path} of those that are here."""
    paths = {name: os.path.abspath(os.path.join(CORPUS, name)) for name in SMALL}
    return {name: path for name, path in paths.items() if os.path.exists(path)}


def wide():
    path = os.path.abspath(os.path.join(CORPUS, "..", "made", "wide-10000.root"))
    return {"wide-10000.root": path} if os.path.exists(path) else {}


def make(folder, events_a=100_000, events_b=1_000_000):
    """Paths of all files there are afterwards, by name."""
    os.makedirs(folder, exist_ok=True)
    for codec, setting in CODECS.items():
        a = ("a_counted", "boostedAk8/events", chunks_a, events_a)
        for name, tree, chunks, events in [a, ("b", "events", chunks_b, events_b)]:
            path = os.path.join(folder, f"{name}_{codec}.root")
            if not os.path.exists(path):
                print(f"making {path}", file=sys.stderr)
                write(path, tree, chunks(events), setting)
    by_root(folder, events_a, events_b)
    shapes(folder)
    return {name: os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(".root")}


if __name__ == "__main__":
    for path in make(sys.argv[1], *map(int, sys.argv[2:4])).values():
        print(path)
