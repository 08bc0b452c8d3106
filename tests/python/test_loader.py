"""Loader against a plain NumPy reference made from what uproot reads: same rows, values, masks, labels and weights."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import awkward as ak
import mlaas
import numpy as np
import pytest
import uproot
import xxhash

HERE = Path(__file__).resolve().parents[1]
SHARED = HERE.parent.parent / "shared" / "data"
SMALL = [str(HERE / "data" / "loader" / name) for name in ("a.root", "b.root")]
BASE = {"identifier": ["run", "event", "runNo", "evtNo", "lumi"], "width": 4}


def shared(*names):
    paths = [SHARED / name for name in names]
    if not all(path.exists() for path in paths):
        pytest.skip(f"the physics samples are not in {SHARED}")
    return [str(path) for path in paths]


SAMPLES = {
    "small": lambda: (SMALL, "events", ["extra"]),
    "flat": lambda: (
        shared(
            *(f"tth/flatTree_{name}.root" for name in ("ttHJetTobb_M125_13TeV", "QCD_HT300to500", "QCD_HT700to1000"))
        ),
        "boosted/events",
        [],
    ),
    "jagged": lambda: (shared(*(f"tth-full/full_{name}.root" for name in ("ttH", "TT"))), "boostedAk8/events", []),
}


@pytest.fixture(params=list(SAMPLES))
def sample(request):
    """(files, table, branches to leave out) of one sample."""
    return SAMPLES[request.param]()


# ---- the reference ----


class Reference:
    """All rows of all files as one tensor, by uproot and NumPy: flat branches in byte order, then jagged ones."""

    def __init__(self, files, table, exclude=(), scaler="standard", width=4):
        trees = [uproot.open(f"{name}:{table}") for name in files]
        self.arrays = [tree.arrays() for tree in trees]
        self.ids = [f"{tree.file.uuid}:{Path(name).stat().st_size}" for tree, name in zip(trees, files)]
        left_out = {*exclude, *BASE["identifier"]}
        names = [n for n in self.arrays[0].fields if n not in left_out and all(n in a.fields for a in self.arrays)]
        jagged = {n for n in names if self.arrays[0][n].ndim == 2}
        self.flat, self.jagged = sorted(set(names) - jagged), sorted(jagged)
        self.features = self.flat + [f"{n}_{i}" for n in self.jagged for i in range(width)]
        columns = [self.column(n, scaler, width if n in jagged else 0) for n in self.flat + self.jagged]
        self.x = [np.concatenate([column[f][0] for column in columns], axis=1) for f in range(len(files))]
        self.mask = [np.concatenate([column[f][1] for column in columns], axis=1) for f in range(len(files))]

    def column(self, name, scaler, width):
        """[(values, mask) of each file], scaled by the statistics of all of them."""
        parts = [a[name] for a in self.arrays]
        values = np.concatenate([np.asarray(ak.flatten(p) if width else p, dtype=np.float64) for p in parts])
        values = values[np.isfinite(values)]
        center, scale = {
            "standard": (values.mean(), values.std()),
            "minmax": (values.min(), np.ptp(values)),
            "none": (0.0, 1.0),
        }[scaler]
        out = []
        for part in parts:
            if width:
                padded = ak.pad_none(part, width, clip=True)
                mask = np.asarray(ak.is_none(padded, axis=1)).astype(np.uint8)
                raw = np.asarray(ak.fill_none(padded, 0), dtype=np.float64)
            else:
                raw = np.asarray(part, dtype=np.float64)[:, None]
                mask = np.zeros(raw.shape, np.uint8)
            mask[~np.isfinite(raw) & (mask == 0)] = 2
            x = np.where(mask == 0, (raw - center) / (scale if scale else 1), 0)
            out.append((x.astype(np.float32), mask))
        return out

    def of(self, batch, what):
        return np.stack([what[f][e] for f, e in zip(batch.file, batch.entry)])


def split_of(file_id, entries, seed, shares):
    """docs/split.md in plain Python."""
    key = xxhash.xxh3_64_intdigest(file_id.encode(), seed=seed)
    u = np.array([xxhash.xxh3_64_intdigest(int(e).to_bytes(8, "little"), seed=key) / 2**64 for e in range(entries)])
    return (u >= shares[0]).astype(int) + (u >= shares[0] + shares[1])


def collect(loader):
    """Everything of one epoch, copied: {name: array over rows}."""
    parts = {name: [] for name in ("x", "mask", "y", "w", "raw_w", "file", "entry", "part")}
    for batch in loader:
        for name, arrays in parts.items():
            arrays.append(getattr(batch, name).copy())
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def keys(rows):
    return list(zip(rows["file"].tolist(), rows["entry"].tolist()))


# ---- values ----


@pytest.mark.parametrize("scaler", ["standard", "minmax", "none"])
def test_values_and_masks_are_those_of_numpy(sample, scaler):
    files, table, exclude = sample
    reference = Reference(files, table, exclude, scaler)
    loader = mlaas.Loader(files, list(range(len(files))), {**BASE, "exclude_branches": exclude, "scaler": scaler})
    spread = [max(np.ptp(x[:, i]) for x in reference.x) for i in range(len(reference.features))]
    constant = {n for n, width in zip(reference.features, spread) if width == 0}
    assert loader.features == reference.features
    usable = [i for i, n in enumerate(reference.features) if n not in constant]
    rows = 0
    for batch in loader:
        np.testing.assert_array_equal(batch.mask, reference.of(batch, reference.mask))
        wanted = reference.of(batch, reference.x)[:, usable]
        np.testing.assert_allclose(batch.x[:, usable], wanted, rtol=2e-6, atol=2e-6)
        np.testing.assert_array_equal(batch.y, batch.file)
        assert (batch.w == 1).all() and (batch.raw_w == 1).all() and (batch.part == 0).all()
        rows += batch.rows
    assert rows == loader.num_rows


def test_labels_from_a_branch_are_no_feature():
    reference = Reference(SMALL, "events", ["extra", "target"])
    loader = mlaas.Loader(SMALL, "target", {**BASE, "exclude_branches": ["extra"]}, split="all")
    assert loader.features == reference.features
    rows = collect(loader)
    expected = np.concatenate([np.asarray(a["target"]) for a in reference.arrays])
    np.testing.assert_array_equal(rows["y"], expected)
    assert loader.dataset.classes == [0, 1]


# ---- weights ----


def weighted(**params):
    return mlaas.Loader(SMALL, [1, 0], {**BASE, "exclude_branches": ["extra"], "weight": "weight", **params})


def raw_weights():
    return [uproot.open(f"{name}:events")["weight"].array(library="np") for name in SMALL]


def test_class_norm_makes_classes_equal():
    rows = collect(weighted())
    raw = raw_weights()
    np.testing.assert_array_equal(rows["raw_w"], [raw[f][e] for f, e in keys(rows)])
    w = rows["w"].astype(np.float64)
    np.testing.assert_allclose(w[rows["y"] == 0].sum(), w[rows["y"] == 1].sum(), rtol=1e-5)
    np.testing.assert_allclose(np.abs(w).mean(), 1, rtol=1e-5)
    for file in (0, 1):  # one factor for each class
        ratio = w[rows["file"] == file] / rows["raw_w"][rows["file"] == file]
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-5)
    assert "weight" not in weighted().features


def test_class_norm_none_leaves_weights():
    rows = collect(weighted(class_norm="none"))
    np.testing.assert_array_equal(rows["w"], rows["raw_w"])


def test_negative_weights():
    absolute = collect(weighted(negative_weights="abs", class_norm="none"))
    np.testing.assert_array_equal(absolute["w"], np.abs(absolute["raw_w"]))
    assert (absolute["raw_w"] < 0).any()
    kept, dropped = collect(weighted()), collect(weighted(negative_weights="drop"))
    assert set(keys(dropped)) == {k for k, w in zip(keys(kept), kept["raw_w"]) if w >= 0}
    np.testing.assert_allclose(np.abs(dropped["w"]).mean(), 1, rtol=1e-5)


def test_weights_of_files():
    rows = collect(weighted(weight=[2, 0.5], class_norm="none"))
    np.testing.assert_array_equal(rows["w"], np.where(rows["file"] == 0, 2, 0.5))


# ---- rows ----


def test_splits_are_disjoint_complete_and_by_the_formula(sample):
    files, table, exclude = sample
    params = {**BASE, "exclude_branches": exclude, "seed": 11}
    dataset = mlaas.Dataset(files, list(range(len(files))), params)
    seen = {}
    for part, split in enumerate(("train", "validation", "test")):
        rows = collect(dataset.loader(split))
        assert len(set(keys(rows))) == len(rows["file"]) == dataset.loader(split).num_rows
        seen.update(dict.fromkeys(keys(rows), part))
        assert (rows["part"] == part).all()
    assert len(seen) == sum(row["entries"] for row in dataset.files)
    for f, row in enumerate(dataset.files):
        entries = min(row["entries"], 3000)
        expected = split_of(row["id"], entries, 11, (0.64, 0.16))
        np.testing.assert_array_equal([seen[f, e] for e in range(entries)], expected)


def test_split_by_identifiers_keeps_them_together():
    params = {**BASE, "exclude_branches": ["extra"], "split_by": ["run", "event"], "seed": 5}
    rows = collect(mlaas.Dataset(SMALL, [1, 0], params).loader("all"))
    parts = rows["part"].reshape(-1, 2)  # the events of these files come in pairs
    assert (parts[:, 0] == parts[:, 1]).all() and set(parts.ravel()) == {0, 1, 2}
    first = [xxhash.xxh3_64_intdigest(np.array([1, e], "<i8").tobytes(), seed=5) / 2**64 for e in range(1500)]
    expected = (np.array(first) >= 0.64).astype(int) + (np.array(first) >= 0.8)
    np.testing.assert_array_equal(rows["part"][:3000:2], expected)


def test_batches_mix_classes_in_proportion():
    files = shared(
        "tth/flatTree_ttHJetTobb_M125_13TeV.root", "tth/flatTree_TT_13TeV.root", "tth/flatTree_QCD_HT500to700.root"
    )
    loader = mlaas.Loader(files, [1, 0, 0], {**BASE, "batch_size": 500})
    shares = np.array([np.bincount(batch.file, minlength=3) / batch.rows for batch in loader if batch.rows == 500])
    entries = np.array([row["entries"] for row in loader.dataset.files])
    expected = entries / entries.sum()
    spread = np.sqrt(expected * (1 - expected) / 500)
    pull = (shares - shares.mean(axis=0)) / spread
    np.testing.assert_allclose(shares.mean(axis=0), expected, atol=0.005)
    assert np.abs(pull).max() < 4.5 and 0.8 < pull.std() < 1.15
    # and the rows of a batch come from all over the window, not from a stretch of the file
    entry = next(iter(loader)).entry
    assert np.abs(np.corrcoef(np.arange(len(entry)), entry)[0, 1]) < 0.2 and len(np.unique(entry // 1000)) > 10


def test_nevts_takes_a_share_of_every_file_all_over_it():
    files = shared("tth/flatTree_ttHJetTobb_M125_13TeV.root", "tth/flatTree_TT_13TeV.root")
    dataset = mlaas.Dataset(files, [1, 0], {**BASE, "nevts": 5001})
    rows = collect(dataset.loader("all"))
    counts = np.bincount(rows["file"], minlength=2)
    assert counts.tolist() == [row["quota"] for row in dataset.files] == [1000, 4001]
    for file, row in enumerate(dataset.files):
        places = rows["entry"][rows["file"] == file] / row["entries"]
        assert places.min() < 0.2 and places.max() > 0.8
    assert keys(collect(dataset.loader("all"))) == keys(rows)


def test_more_than_there_is_is_said_once():
    dataset = mlaas.Dataset(SMALL, [1, 0], {**BASE, "nevts": 10**6})
    assert dataset.loader("all").num_rows == 4700
    assert sum("were asked for" in text for text in dataset.warnings) == 1


# ---- the same whatever the machine ----


def test_threads_change_nothing(sample):
    files, table, exclude = sample
    first, second = (
        collect(mlaas.Loader(files, list(range(len(files))), {**BASE, "exclude_branches": exclude}, threads=threads))
        for threads in (1, 8)
    )
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


def test_a_copy_elsewhere_gives_the_same_batches(tmp_path):
    copies = []
    for i, name in enumerate(SMALL):
        copies.append(tmp_path / f"other-name-{i}.root")
        copies[-1].write_bytes(Path(name).read_bytes())
    params = {**BASE, "exclude_branches": ["extra"]}
    assert keys(collect(mlaas.Loader(copies, [1, 0], params))) == keys(collect(mlaas.Loader(SMALL, [1, 0], params)))


def test_a_file_listed_twice_has_rows_of_its_own():
    dataset = mlaas.Dataset([SMALL[0], SMALL[0]], [0, 1], {**BASE})
    assert dataset.files[1]["id"] == dataset.files[0]["id"] + "#2"
    train = collect(dataset.loader("train"))
    entries = [set(train["entry"][train["file"] == f]) for f in (0, 1)]
    assert entries[0] != entries[1]


# ---- schemas ----


def test_branches_that_a_file_lacks_are_dropped_and_named():
    dataset = mlaas.Dataset(SMALL, [1, 0], BASE)
    assert [(d["name"], "a.root has no such branch" in d["reason"]) for d in dataset.dropped] == [("extra", True)]


def test_types_that_do_not_fit_are_an_error_that_says_where(tmp_path):
    one, two = str(tmp_path / "one.root"), str(tmp_path / "two.root")
    with uproot.recreate(one) as f:
        f.mktree("t", {"a": "float32", "b": "float32"}).extend({"a": np.ones(5, "f4"), "b": np.ones(5, "f4")})
    with uproot.recreate(two) as f:
        values = {"a": ak.Array([[1.0], [], [2.0, 3.0]]), "b": np.ones(3, "f4")}
        f.mktree("t", {"a": "var * float32", "b": "float32"}).extend(values)
    said = r"branch a is Float_t\[na\] in .*two.root, but Float_t in the files before it"
    with pytest.raises(mlaas.SchemaError, match=said):
        mlaas.Dataset([one, two], [1, 0], {}).scan()
    assert mlaas.Loader([one, two], [1, 0], {"exclude_branches": ["a", "na"]}).features == ["b"]


def test_empty_files_are_skipped_and_all_empty_is_an_error(tmp_path):
    empty = str(tmp_path / "empty.root")
    with uproot.recreate(empty) as f:
        f.mktree("events", {"met": "float32"})
    dataset = mlaas.Dataset([empty, *SMALL], [2, 1, 0], {**BASE, "exclude_branches": ["extra"]})
    assert dataset.loader("all").num_rows == 4700
    assert any("empty.root has no entries and is skipped" in text for text in dataset.warnings)
    with pytest.raises(mlaas.ArgumentError, match="none of the 1 files has entries"):
        mlaas.Dataset([empty], [1]).scan()


# ---- prediction ----


def test_a_recipe_is_applied_to_other_files_and_renamed_branches(tmp_path):
    trained = mlaas.Dataset(SMALL, [1, 0], {**BASE, "selected_branches": ["met", "Jet_pt"], "nevts": 2000})
    trained.loader("train")
    other = str(tmp_path / "other.root")
    source = uproot.open(f"{SMALL[0]}:events").arrays(["met", "Jet_pt"])
    with uproot.recreate(other) as f:
        f.mktree("tree", {"met_up": "float32", "Jet_pt": "var * float32"}).extend(
            {"met_up": source["met"], "Jet_pt": source["Jet_pt"]}
        )
    predicted = mlaas.Dataset([other], recipe=trained.recipe, rename={"met": "met_up"}).loader("all")
    rows, known = collect(predicted), collect(mlaas.Dataset(SMALL[:1], recipe=trained.recipe).loader("all"))
    np.testing.assert_array_equal(rows["x"], known["x"])
    assert (rows["part"] == -1).all()  # another file: never seen
    training = collect(trained.loader("all"))
    parts = dict(zip(keys(training), training["part"]))
    assert known["part"].tolist() == [parts.get((0, e), -1) for e in range(3000)]
    with pytest.raises(mlaas.NotFoundError, match="met"):
        mlaas.Dataset([other], recipe=trained.recipe).loader("all")


# ---- memory ----

GROWTH = """
    import resource, sys
    import mlaas
    status = lambda: int(next(l for l in open("/proc/self/status") if l.startswith("VmHWM")).split()[1]) << 10
    open("/proc/self/clear_refs", "w").write("5")
    start = status()
    loader = mlaas.Loader(sys.argv[2:], list(range(len(sys.argv) - 2)), {"batch_size": 256}, memory=int(sys.argv[1]))
    for epoch in range(2):
        for batch in loader:
            batch.x[0, 0]
    print(status() - start, loader.stats["memory_peak"], loader.num_rows)
"""


@pytest.mark.parametrize("ceiling", [50 << 20, 300 << 20, 1 << 30])
def test_the_process_stays_under_the_ceiling(ceiling):
    files = shared(*(f"tth-full/full_{name}.root" for name in ("ttH", "TT", "QCD_HT700to1000", "QCD_HT1000to1500")))
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(GROWTH), str(ceiling), *files],
        capture_output=True,
        text=True,
        check=True,
    )
    growth, peak, rows = map(int, run.stdout.split())
    assert rows > 26000
    assert peak <= ceiling
    assert growth <= 1.15 * ceiling


def test_a_name_that_excludes_nothing_is_said_once():
    def about_names(exclude):
        warnings = mlaas.Dataset(SMALL, [1, 0], {**BASE, "exclude_branches": exclude}).warnings
        return [warning for warning in warnings if "exclude_branches" in warning]

    assert about_names(["extra"]) == []
    said = 'exclude_branches names "extras", which no file has; did you mean "extra"?'
    assert about_names(["extra", "extras"]) == [said]
