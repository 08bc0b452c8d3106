"""Objects of a file that are no tables: against what ROOT said when it wrote them (tests/data/objects.json, made by
make_objects.py), against uproot, and as plotting libraries see them."""

from __future__ import annotations

import datetime
import glob
import json
import os
import pickle

import mlaas
import numpy as np
import pytest
import uproot

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DATA = os.path.join(ROOT, "tests", "data")
OBJECTS = os.path.join(DATA, "objects.root")
CORPUS = sorted(glob.glob(os.path.join(os.path.dirname(ROOT), "shared", "corpus", "*", "*.root")))

with open(os.path.join(DATA, "objects.json")) as lines:
    TRUTH = json.load(lines)


@pytest.fixture(scope="module")
def file():
    return mlaas.open(OBJECTS)


# ---- histograms ----


@pytest.mark.parametrize("name", TRUTH["histograms"])
def test_bins_are_what_root_says(file, name):
    histogram, wanted = file[name], TRUTH["histograms"][name]
    flat = {what: getattr(histogram, what)(flow=True).transpose().reshape(-1) for what in ("values", "errors")}
    np.testing.assert_array_equal(flat["values"], wanted["values"])
    np.testing.assert_allclose(flat["errors"], wanted["errors"], rtol=1e-13, atol=1e-15)
    assert histogram.num_entries == wanted["entries"]
    assert len(histogram.axes) == len(wanted["edges"])
    for axis, edges in zip(histogram.axes, wanted["edges"], strict=True):
        np.testing.assert_allclose(axis.edges(), edges, rtol=1e-15)
    assert histogram.sum() == pytest.approx(wanted["sum"], rel=1e-13)
    if histogram["fTsumw"]:
        assert histogram["fTsumwx"] / histogram["fTsumw"] == pytest.approx(wanted["mean"], rel=1e-13, nan_ok=True)
    inner = (slice(1, -1),) * len(histogram.axes)
    assert np.array_equal(histogram.values(), histogram.values(flow=True)[inner])


def test_bins_that_were_not_chosen_are_not_guessed(file):
    unbinned = file["unbinned"]
    with pytest.raises(mlaas.UnsupportedError, match="5 entries .* buffer"):
        unbinned.values()
    assert list(unbinned["fBuffer"][:5]) == [5, 1, 0.5, 1, 1] and "TH1D" in repr(unbinned)


def test_axes_are_in_the_order_x_y_z(file):
    assert file["h2"].values().shape == (3, 2)
    assert file["h3"].values(flow=True).shape == (4, 5, 6)
    values, x, y, z = file["h3"].to_numpy()
    assert values.shape == (len(x) - 1, len(y) - 1, len(z) - 1)
    assert file["h2"].axis("y").high == file["h2"].axis(1).high == 1.0


def test_labels_belong_to_their_bins(file):
    assert file["cutflow"].axis().labels == ["all", "trigger", "two jets", "signal"]
    assert list(file["cutflow"].axes[0]) == ["all", "trigger", "two jets", "signal"]
    assert file["cutflow"].axes[0].traits.discrete
    some = file["some_labels"].axis()
    assert some.labels == ["first", "", "last"] and not some.traits.discrete
    assert some[1] == (1.0, 2.0)
    assert file["h1F"].axis().labels is None


def test_effective_entries_of_weights(file):
    weighted = file["weighted"]
    assert weighted.weighted and not file["h1I"].weighted
    values, variances = weighted.values(), weighted.variances()
    np.testing.assert_allclose(weighted.counts(), values**2 / variances)
    assert np.array_equal(file["h1I"].counts(), file["h1I"].values())


def test_error_modes_of_profiles(file):
    for mode, name in (("", "mean"), ("s", "spread"), ("i", "integers"), ("g", "known")):
        own = TRUTH["histograms"]["profile_" + name]["errors"]
        np.testing.assert_allclose(file["profile_mean"].errors(flow=True, mode=mode), own, rtol=1e-13)
    assert file["profile_mean"].kind == "MEAN"
    with pytest.raises(mlaas.ArgumentError):
        file["profile_mean"].errors(mode="x")


def test_the_protocol_of_plotting_libraries(file):
    plottable = pytest.importorskip("uhi.typing.plottable")
    for name in TRUTH["histograms"]:
        histogram = file[name]
        assert isinstance(histogram, plottable.PlottableHistogram)
        assert all(isinstance(axis, plottable.PlottableAxisGeneric) for axis in histogram.axes)
    assert file["h2"].axes[0] == file["h2"].axes[0] != file["h2"].axes[1]


@pytest.mark.slow
def test_mplhep_draws_it(file):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    mplhep = pytest.importorskip("mplhep")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2)
    steps = mplhep.histplot(file["weighted"], ax=axes[0])
    assert np.array_equal(steps[0].stairs.get_data().values, file["weighted"].values())
    mesh = mplhep.hist2dplot(file["h2"], ax=axes[1], cbar=False)
    drawn = mesh.pcolormesh if hasattr(mesh, "pcolormesh") else mesh[0]
    assert np.array_equal(np.asarray(drawn.get_array()).reshape(2, 3), file["h2"].values().T)
    plt.close(figure)


def test_a_sum_of_weights_normalises(file):
    weight = 12.5 * 59.7 / file["cutflow"].sum()
    assert weight == pytest.approx(12.5 * 59.7 / (1000 + 400.5 + 35.25 + 2))
    assert dict(zip(file["cutflow"].axis().labels, file["cutflow"].values(), strict=True))["signal"] == 2


# ---- others ----


def test_graphs(file):
    x, y = file["graph"].to_numpy()
    assert list(x) == [0, 1, 2] and list(y) == [0, 1, 4]
    errors = file["graph_errors"].errors()
    assert [list(each) for each in errors] == [[0.5] * 3, [0, 0.25, 0.5]]
    asymm = file["graph_asymm"].to_numpy()
    assert len(asymm) == 6 and list(asymm[3]) == [0.2] * 3
    assert len(file["graph2"].values()) == 3 and len(file["graph_empty"]) == 0


def test_efficiency(file):
    values, edges = file["efficiency"].to_numpy()
    np.testing.assert_allclose(values, TRUTH["efficiency"])
    assert len(edges) == 5 and file["efficiency"].total.num_entries == 50


def test_matrices(file):
    assert list(file["vector"].to_numpy()) == [0, 1.5, 3]
    assert np.array_equal(file["matrix"].to_numpy(), [[0, 1, 2], [3, 4, 5]])
    assert np.array_equal(file["symmetric"].to_numpy(), [[0, 1, 2], [1, 11, 12], [2, 12, 22]])
    assert file["symmetric_float"].to_numpy().dtype == np.float32
    assert np.asarray(file["symmetric_float"])[1, 0] == 0.5


def test_values(file):
    assert [file[f"parameter_{i}"].value for i in range(5)] == [-5, 0.25, 1.5, True, 1 << 40]
    assert file["parameter_3"].value is True
    assert str(file["string"]) == file["string"].value == "text with \u00fcml\u00e4uts"
    assert file["long_string"].value == "x" * 300
    assert (file["named"].name, file["named"].title) == ("a name", "a title")
    assert file["formula"].expression == "x*[p0]+sin(y)" and "exp" in file["f1"].expression
    assert file["date"].value == datetime.datetime(2024, 2, 29, 12, 34, 56)
    assert file["string_key"].value == "a string" and file["strings_key"].value == ["s", "t"]
    assert list(file["vector_key"].to_numpy()) == [0.5, 1.5] and file["map_key"].value == {"k": 4}
    assert file["fitted"]["fFunctions"][0].expression == "[p0]+[p1]*x"
    assert file["ref"]["fUniqueID"] == 1 and list(file["refs"]["fUIDs"]) == [1]


def test_collections(file):
    mapped, plain = file["map"], file["map"].value
    assert plain["one"] == plain["two"] == "shared" and plain["list"][0] == 139.5
    assert mapped["one"] is mapped["two"]
    assert "list" in mapped and sorted(mapped) == ["list", "one", "two"]
    assert [each.name for each in file["list"]] == ["lumi", "run"] and len(file["list"]) == 2
    assert file["array"].value == ["first", None, "third"]
    for name in ("clones", "clones_plain"):
        assert [each.title for each in file[name]] == ["title0", "title1"]
    twice = file["twice"]
    assert twice[0] is twice[1]
    assert file["exmap"].value == {7: -8}


def points(*rows):
    return [{"x": x, "y": y, "many": list(many)} for x, y, many in rows]


def simple(value):
    """Arrays as lists, to compare."""
    if isinstance(value, dict):
        return {key: simple(each) for key, each in value.items()}
    if isinstance(value, list):
        return [simple(each) for each in value]
    return value.tolist() if isinstance(value, np.ndarray) else value


def test_every_kind_of_member(file):
    inner = {"fUniqueID": 0, "fBits": 0, "fName": "inner", "fTitle": "object"}
    assert simple(file["holder"].to_dict()) == {
        "base": 0.5, "n": 3, "counted": [1, 2, 4], "ranged": 0.75, "small": [0.5, 0.25],
        "grid": [[1, 2, 3], [4, 5, 6]], "letters": [97, 98, 99, 0], "text": "chars", "word": "word",
        "words": ["p", "q"], "tstring": "tstring", "tstrings": ["r", "s"], "one": points((1, 1.5, [1, 2]))[0],
        "two": points((2, 2.5, []), (3, 3.5, [7])), "points": points((4, 4.5, [4, 4]), (5, 5.5, [5])), "empty": [],
        "nested": [[1], [], [2, 3]], "texts": ["u", ""], "counts": {"a": 1, "b": 2}, "lists": {1: [0.5], 2: []},
        "named": {"k": points((6, 6.5, []))[0]}, "unordered": {9: "nine"},
        "pairs": [{"first": 1, "second": "x"}, {"first": 2, "second": "y"}], "maps": [{1: 2}, {}], "shorts": [1, 3],
        "bits": [True, False, True, False, True], "bools": [True, False], "colours": [1, 7], "colour": 7,
        "arrays": [[1.5], []], "loose": points((8, 8.5, [8]))[0], "none": None, "named_one": inner, "same": inner,
        "pointers": [inner, None, {**inner, "fName": "second", "fTitle": ""}], "behind": [2.5],
        "loop": points((1, 0, []), (2, 0, [9]), (3, 0, [])), "flag": True, "big": 18446744073709551615,
    }  # fmt: skip
    holder = file["holder"]
    assert holder["named_one"] is holder["same"] is holder["pointers"][0]


def test_a_canvas_has_its_histogram(file):
    canvas = file["dir/canvas"]
    drawn = [each for each in canvas["fPrimitives"] if isinstance(each, mlaas.Histogram)]
    assert drawn[0].name == "drawn" and list(drawn[0].values()) == [1, 0]


# ---- files ----


def test_objects_beside_tables(file):
    assert file.tables == file.keys() == [] and len(file) == 0
    assert file.objects["dir/below;1"] == "TH1F" and "dir/below" in file and "/dir/below;1" in file
    assert file["dir/below"].path == "dir/below;1" and file["dir/below"].name == "below"
    assert "objects" in repr(file) and "TH1F" in file._repr_html_()
    assert "5 bins" in repr(file["h1F"]) and "fXaxis" in file["h1F"]._repr_html_()


def test_what_is_not_there(file):
    with pytest.raises(mlaas.NotFoundError, match="h1F"):
        file["h1f"]
    with pytest.raises(KeyError):
        file["nothing of the kind"]
    with pytest.raises(mlaas.NotFoundError, match="did you mean fEntries"):
        file["h1F"]["fEntry"]
    assert file["h1F"].member("none", 3) == 3
    table = mlaas.open(os.path.join(DATA, "tntuple.root"))
    with pytest.raises(mlaas.ArgumentError, match="table"):
        table.read_object(table.tables[0])


def test_arrays_outlive_the_file_and_are_counted():
    file = mlaas.open(OBJECTS, memory="1 MB")
    before = file.info["memory"]["held"]
    values = file["h3"].values()
    assert file.info["memory"]["held"] > before
    file.close()
    assert values.sum() == TRUTH["histograms"]["h3"]["sum"] and not values.flags.writeable
    with pytest.raises(mlaas.LimitError):
        small = mlaas.open(OBJECTS, memory="200 kB")
        held = [small[path] for path in small.objects]
        assert not held


def test_a_forked_child_reads_objects_again(file):
    before = file["h2"].values()
    child = os.fork()
    if child == 0:
        try:
            equal = np.array_equal(file["h2"].values(), before)
            del before
            os._exit(0 if equal else 1)
        except BaseException:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0 and before.sum() > 0


def test_pickles(file):
    twin = pickle.loads(pickle.dumps(file["h2"]))
    assert np.array_equal(twin.values(flow=True), file["h2"].values(flow=True)) and twin.path == "h2;1"


# ---- the corpus, against uproot ----


def same(ours, theirs):
    theirs = np.asarray(theirs)
    return (
        isinstance(ours, np.ndarray)
        and ours.dtype == theirs.dtype.newbyteorder("=")
        and np.array_equal(ours, theirs, equal_nan=ours.dtype.kind == "f")
    )


def differences(ours, theirs, where, depth=0):
    """Members that uproot has and we do not have, or have otherwise."""
    if isinstance(theirs, uproot.model.UnknownClass) or isinstance(theirs, uproot.models.TRef.Model_TRef) or depth > 6:
        return []
    if isinstance(theirs, uproot.model.Model) and isinstance(ours, mlaas.Object) and ours.keys():
        found = []
        for name, member in theirs.all_members.items():
            if not name.startswith("@") and name != "fSize":  # of a collection
                value = ours.member(name, KeyError)
                found += [f"{where}.{name} missing"] if value is KeyError else differences(
                    value, member, f"{where}.{name}", depth + 1
                )  # fmt: skip
        return found
    if isinstance(theirs, np.ndarray) and theirs.dtype != object:
        if where.endswith(".fElements") and ours.size != theirs.size:  # uproot has the triangle, we the square
            return [] if same(ours[np.triu_indices(len(ours))], theirs) else [where]
        return [] if same(ours.reshape(-1), theirs.reshape(-1)) else [where]
    if isinstance(theirs, (bool, int, float, np.number, np.bool_)):
        return [] if ours == theirs or ours != ours and theirs != theirs else [where]
    if isinstance(theirs, str):
        return [] if str(ours) == theirs else [where]
    if isinstance(theirs, (list, np.ndarray)) and isinstance(ours, list):
        if len(ours) != len(theirs):
            return [where]
        return [each for a, b in zip(ours, theirs, strict=True) for each in differences(a, b, where + "[]", depth + 1)]
    return []


def histogram_differences(ours, theirs):
    found = []
    for flow in (False, True):
        variances = ours.variances(flow) if ours.kind == "COUNT" else ours.errors(flow, mode="") ** 2
        found += [] if same(ours.values(flow), theirs.values(flow=flow)) else ["values"]
        found += [] if same(variances, theirs.variances(flow=flow)) else ["variances"]
        for i in range(len(ours.axes)):
            found += [] if same(ours.axis(i).edges(flow), theirs.axis(i).edges(flow=flow)) else ["edges"]
    return found


def compare(path, counts):
    """What differs between the objects of a file here and in uproot."""
    try:
        ours, theirs = mlaas.open(path, threads=1), uproot.open(path)
    except Exception:
        return []
    found = []
    for name, class_name in ours.objects.items():
        try:
            wanted = theirs[name]
        except Exception:  # uproot cannot read it: nothing to compare with
            continue
        if isinstance(wanted, uproot.model.UnknownClass):
            continue
        got = ours.read_object(name)
        if isinstance(got, mlaas.Histogram) and np.any(np.asarray(got.member("fBuffer", ()))[:1]):
            continue  # uproot leaves the bins empty while entries are in the buffer
        different = differences(got, wanted, "")
        if isinstance(got, mlaas.Histogram) and class_name.startswith(("TH", "TProfile")):
            different += histogram_differences(got, wanted)
        counts[class_name] = counts.get(class_name, 0) + 1
        found += [f"{os.path.basename(path)}: {name} {class_name}: {different}"] if different else []
    return found


def test_uproot_reads_the_same_from_what_root_wrote():
    counts = {}
    assert compare(OBJECTS, counts) == []
    assert counts["TH1D"] >= 3 and counts["TProfile"] == 4 and counts["TGraphAsymmErrors"] == 1


@pytest.mark.slow
@pytest.mark.skipif(not CORPUS, reason="../shared/corpus is not there")
def test_uproot_reads_the_same_from_the_corpus():
    counts, found = {}, []
    for path in CORPUS:
        found += compare(path, counts)
    assert found == []
    assert counts["TH1D"] > 130 and counts["TH2D"] > 100 and counts["TParameter<double>"] > 400
