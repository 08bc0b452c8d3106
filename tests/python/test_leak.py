"""The leak guard: what it must name, and what it must not."""

import os

import numpy as np
import pytest
from mlaas import leak

SHARED = os.path.join(os.path.dirname(__file__), "..", "..", "..", "shared", "data")
FLAT = (
    "Apla Cent Spher ak4bbDeltaR ak4bbEta ak4bbPhi ak4jetBtag1 ak4jetE1 ak4jetMass1 ak4jetPt1 ak8LjetPt "
    "ak8ak4deltaR1min ak8sumPt jetBtagSub0 jetNBSub nBJets nJets tau1".split()
)


def sample(signal, background, files=2):
    """A sample of one column `v` from signal and background values."""
    values = np.concatenate([signal, background])
    y = np.repeat([1.0, 0.0], [len(signal), len(background)])
    return leak.Sample({"v": values}, (1 - y).astype(int), y, ["s.root", "b.root"][:files])


def reasons(found):
    return [reason for finding in found for reason in finding.reasons]


@pytest.mark.parametrize("name", FLAT + ["pruned", "mcgregor", "jetBtagSub1", "generic", "rungs", "lumpy", "ak4bbPhi"])
def test_names_that_only_contain_a_word_are_fine(name):
    assert leak.suspicious_word(name) is None


@pytest.mark.parametrize(
    "name,word",
    [
        ("genEvtWeight", "gen"),
        ("runNo", "run"),
        ("nPartons", "parton"),
        ("isMC", "mc"),
        ("jetFlavor", "flavor"),
        ("HLT_PFHT900", "hlt"),
        ("triggerPre", "trigger"),
        ("event_category", "event"),
        ("mva", "mva"),
        ("jet_partonFlavour", "parton"),
        ("GenJet_pt", "gen"),
        ("luminosityBlock", "luminosity"),
    ],
)
def test_names_with_a_word(name, word):
    assert leak.suspicious_word(name) == word


def test_a_column_that_separates_is_found_and_an_overlapping_one_is_not():
    rng = np.random.default_rng(0)
    assert "AUC" in reasons(leak.check(sample(rng.normal(5, 1, 2000), rng.normal(0, 1, 2000))))[0]
    assert leak.check(sample(rng.normal(1.5, 1, 2000), rng.normal(0, 1, 2000))) == []


def test_a_separation_that_is_not_monotonic_is_found():
    rng = np.random.default_rng(0)
    ring = rng.choice([-1, 1], 3000) * rng.uniform(2, 3, 3000)
    found = reasons(leak.check(sample(ring, rng.uniform(-1.9, 1.9, 3000))))
    assert any("binned AUC" in reason for reason in found)


def test_parity_like_codes_are_found():
    rng = np.random.default_rng(0)
    found = reasons(leak.check(sample(rng.integers(0, 8, 3000) * 2, rng.integers(0, 8, 3000) * 2 + 1)))
    assert any("binned AUC" in reason for reason in found)


def test_noise_does_not_pass_the_binned_test():
    rng = np.random.default_rng(0)
    assert leak.check(sample(rng.normal(size=150), rng.normal(size=150))) == []


def test_ranges_and_constants_of_files():
    rng = np.random.default_rng(0)
    assert any(
        "does not overlap" in r for r in reasons(leak.check(sample(rng.uniform(2, 3, 60), rng.uniform(0, 1, 60))))
    )
    assert any("constant in each file" in r for r in reasons(leak.check(sample(np.full(60, 1.0), np.full(60, 2.0)))))
    assert any("constant 7 in a file" in r for r in reasons(leak.check(sample(np.full(99, 7.0), rng.normal(0, 9, 99)))))
    assert leak.check(sample(np.full(60, 1.0), np.full(60, 1.0))) == []


def test_list_lengths_and_slots():
    rng = np.random.default_rng(0)
    y = np.repeat([1.0, 0.0], 500)
    lengths = np.where(y == 1, 3, 2)
    offsets = np.r_[0, np.cumsum(lengths)]
    values = rng.normal(size=offsets[-1])
    second = offsets[:-1] + 1
    other = values.copy()
    other[second] += 20 * y
    made = leak.Sample(
        {"jet_a": (offsets, values), "jet_b": (offsets, other), "k": rng.normal(size=1000)},
        (1 - y).astype(int),
        y,
        ["s", "b"],
    )
    found = {finding.branch: finding for finding in leak.check(made)}
    assert set(found) == {"jet_a", "jet_b"}
    assert any("length of jet_a" in reason for reason in found["jet_a"].reasons)
    assert any("jet_b_1: AUC" in reason for reason in found["jet_b"].reasons)
    assert found["jet_a"].collection == "jet_"
    assert '"exclude_branches": ["jet_a", "jet_b"]' in leak.text(list(found.values()))


def test_missing_values_can_leak():
    rng = np.random.default_rng(0)
    signal = np.where(np.arange(500) % 2 == 0, np.nan, rng.normal(size=500))
    assert leak.check(sample(signal, rng.normal(size=500))) == []
    mostly = np.where(np.arange(500) > 2, np.nan, 0.0)
    assert any("NaN in v" in reason for reason in reasons(leak.check(sample(mostly, rng.normal(size=500)))))


def test_classes_and_labels_without_classes():
    rng = np.random.default_rng(0)
    y = np.repeat([0.0, 1.0, 2.0], 400)
    made = leak.Sample(
        {"v": rng.normal(size=1200) + 30 * (y == 2), "u": rng.normal(size=1200)}, y.astype(int), y, ["a"] * 3
    )
    assert [finding.branch for finding in leak.check(made)] == ["v"]
    assert any("for label 2" in reason for reason in leak.check(made)[0].reasons)
    smooth = leak.Sample(
        {"v": rng.normal(size=900), "genPt": rng.normal(size=900)}, np.zeros(900, int), rng.normal(size=900), ["a"]
    )
    assert [finding.branch for finding in leak.check(smooth)] == ["genPt"]


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir(os.path.join(SHARED, "tth-full")), reason="needs ../shared/data/tth-full")
@pytest.mark.parametrize("other", ["full_TT", "full_QCD_HT1000to1500"])
def test_full_sample(other, shared_sample):
    made = shared_sample("boostedAk8/events", ["tth-full/full_ttH", f"tth-full/{other}"], [1, 0])
    named = {finding.branch for finding in leak.check(made)}
    for name in (
        "runNo",
        "genEvtWeight",
        "mva",
        "triggerPre",
        "category",
        "nPartons",
        "ak4Flavor",
        "jetFlavor",
        "jetFlavorHadron",
        "jetFlavorSub0",
        "partonPt",
        "partonId",
        "partonEta",
    ):
        assert name in named
    assert not named & {"jetPt", "jetMassSoftDrop", "nJets", "nBJets", "ht", "met", "npv", "jetBtag", "ak4QGL", "lId"}


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir(os.path.join(SHARED, "tth")), reason="needs ../shared/data/tth")
def test_flat_sample_has_nothing(shared_sample):
    names = sorted(name[:-5] for name in os.listdir(os.path.join(SHARED, "tth")) if name.endswith(".root"))
    made = shared_sample(
        "boosted/events",
        [f"tth/{name}" for name in names],
        ["ttH" in name for name in names],
        {"genEvtWeight", "runNo", "evtNo", "lumi"},
    )
    assert len(made.columns) == 26
    assert leak.check(made) == []


@pytest.fixture
def shared_sample():
    """Reads a leak sample by uproot, so that the guard is tested apart from the reader."""
    import awkward as ak
    import uproot

    def read(tree, names, labels, left_out=(), rows=15_000):
        parts, file, y = [], [], []
        for number, (name, label) in enumerate(zip(names, labels)):
            table = uproot.open(os.path.join(SHARED, name + ".root"))[tree]
            for start, stop in leak._spread(table.num_entries, rows // len(names)):
                arrays = {
                    key: table[key].array(entry_start=start, entry_stop=stop)
                    for key in table.keys()
                    if key not in left_out
                }
                parts.append(
                    {
                        key: ak.to_numpy(a)
                        if a.ndim == 1
                        else (np.r_[0, np.cumsum(ak.to_numpy(ak.num(a)))], ak.to_numpy(ak.flatten(a)))
                        for key, a in arrays.items()
                    }
                )
                file.append(np.full(stop - start, number))
                y.append(np.full(stop - start, float(label)))
        return leak.Sample(
            {key: leak._join([part[key] for part in parts]) for key in parts[0]},
            np.concatenate(file),
            np.concatenate(y),
            list(names),
        )

    return read
