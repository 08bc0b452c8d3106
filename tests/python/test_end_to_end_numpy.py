"""Whole trainings against the same model on NumPy arrays that uproot read, and against recorded reference figures."""

import json

import mlaas
import numpy as np
import pytest
from golden_cases import SHARED
from make_sample import write_events
from plain_numpy import auc, check_weights, read_flat, weight_runs

TREE = "boosted/events"
NOT_FEATURES = ["genEvtWeight", "runNo", "evtNo", "lumi"]
PARAMS = {
    "branch": TREE,
    "exclude_branches": ["genEvtWeight"],
    "identifier": ["runNo", "evtNo", "lumi"],
    "scaler": "minmax",
}
SAME_ROWS = 0.002  # two trainings on the same rows: seeds differ by 0.0003, order of rows and rounding by as much
OTHER_ROWS = 0.005  # another test part of 40000 rows: its AUC scatters by 0.0025

pytestmark = pytest.mark.slow
needs_samples = pytest.mark.skipif(
    not SHARED, reason="../shared/data is not there: the full samples are not trained on"
)


@pytest.fixture(autouse=True)
def one_thread():
    """OpenMP's threads wait for each other in a busy loop, which makes a loaded machine crawl."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield


def file_id(path):
    with mlaas.open(path) as file:
        return file.info["id"]


@pytest.fixture(scope="module")
def sample():
    """(files, labels) of the flat sample in the order of the reference."""
    files = sorted((SHARED / "tth").glob("*.root"))
    return [str(path) for path in files], [int("ttH" in path.name) for path in files]


@pytest.fixture(scope="module")
def flat(sample):
    files, labels = sample
    import uproot

    with uproot.open(files[0]) as file:
        features = sorted(name for name in file[TREE].keys() if name not in NOT_FEATURES)
    assert len(features) == 26
    return read_flat(files, labels, TREE, features, file_id)


def reference(*path):
    found = json.loads((SHARED / "golden" / "reference-auc.json").read_text())["flat"]
    for key in path:
        found = found[key]
    return found["mean"] - found["std"]


def keras_network(idim):
    import keras

    layers = [keras.Input((idim,)), keras.layers.Dense(128, "relu"), keras.layers.Dropout(0.5)]
    layers += [keras.layers.Dense(64, "relu"), keras.layers.Dropout(0.5), keras.layers.Dense(1, "sigmoid")]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.Adam(1e-3), "binary_crossentropy")
    return model


def train(sample, model, folder, **params):
    return mlaas.train(*sample, model, {**PARAMS, **params}, out=str(folder / "bundle"), progress=False)


def check_auc(bundle, flat, numpy_auc, reference_auc):
    """Same rows in the test part, an AUC not below NumPy's, and not below the reference."""
    test = bundle.metrics["test"]
    assert test["rows"] == int((flat.part == 2).sum())
    assert test["auc"] > numpy_auc - SAME_ROWS
    assert test["auc"] > reference_auc - OTHER_ROWS


@needs_samples
def test_keras_does_as_well_as_on_numpy_arrays(sample, flat, tmp_path):
    import keras

    keras.utils.set_random_seed(1)
    model = keras_network(26)
    model.fit(*flat.rows(0), epochs=5, batch_size=200, verbose=0)
    x, y = flat.rows(2)
    bundle = train(sample, keras_network, tmp_path, epochs=5, batch_size=200)
    check_auc(
        bundle, flat, auc(model.predict(x, batch_size=4096, verbose=0), y), reference("keras_real_epochs", "auc_test")
    )
    scores = bundle.predict([sample[0][0]])
    own = bundle.model.predict({"x": (flat.x[: len(scores)], np.zeros(flat.x[: len(scores)].shape, np.uint8))})
    np.testing.assert_allclose(scores, own, atol=1e-5)


@needs_samples
def test_xgboost_does_as_well_as_on_numpy_arrays(sample, flat, tmp_path):
    import xgboost

    def trees():
        return xgboost.XGBClassifier(n_estimators=200, max_depth=4, learning_rate=0.1, tree_method="hist", n_jobs=1)

    x, y = flat.rows(2)
    numpy_auc = auc(trees().fit(*flat.rows(0)).predict_proba(x)[:, 1], y)
    bundle = train(sample, trees, tmp_path)
    check_auc(bundle, flat, numpy_auc, reference("xgboost_200_depth4_lr0.1", "auc_test"))


@needs_samples
@pytest.mark.parametrize("name", ["LogisticRegression", "HistGradientBoosting"])
def test_sklearn_does_as_well_as_on_numpy_arrays(name, sample, flat, tmp_path):
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    def estimator():
        if name == "LogisticRegression":
            return LogisticRegression(max_iter=1000)
        return HistGradientBoostingClassifier(max_iter=200, random_state=1)

    x, y = flat.rows(2)
    numpy_auc = auc(estimator().fit(*flat.rows(0)).predict_proba(x)[:, 1], y)
    bundle = train(sample, estimator(), tmp_path)
    check_auc(bundle, flat, numpy_auc, reference("five_folds", f"{name}_all", "auc"))


# ---- weights ----


def small_network(idim):
    import keras

    layers = [keras.Input((idim,)), keras.layers.Dense(16, "relu"), keras.layers.Dense(1, "sigmoid")]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.Adam(1e-2), "binary_crossentropy")
    return model


def small_trees():
    import xgboost

    return xgboost.XGBClassifier(n_estimators=30, max_depth=3, learning_rate=0.2, n_jobs=1, subsample=0.8)


def small_regression():
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression()


@pytest.mark.parametrize("make_model", [small_network, small_trees, small_regression])
def test_weight_zero_on_flipped_labels_is_as_good_as_leaving_them_out(make_model, tmp_path):
    check_weights(weight_runs(mlaas.train, tmp_path, make_model))


# ---- lists as a set ----


def deep_sets(recipe):
    """Sum over the valid slots of a network of each, then a network of the sum."""
    import keras

    (item,) = recipe.inputs
    x = keras.Input((item["slots"], item["features"]), name="jets")
    mask = keras.Input((item["slots"],), name="jets_mask")
    each = keras.layers.Dense(16, "relu")(keras.layers.Dense(16, "relu")(x))
    total = keras.ops.sum(each * keras.ops.expand_dims(mask, -1), axis=1)
    out = keras.layers.Dense(1, "sigmoid")(keras.layers.Dense(16, "relu")(total))
    model = keras.Model([x, mask], out)
    model.compile(keras.optimizers.Adam(1e-2), "binary_crossentropy")
    return model


def padded_by_numpy(path, slots, center, width):
    """jet_pt and jet_eta side by side, and which slots hold a jet."""
    import uproot

    with uproot.open(path) as file:
        lists = file["events"].arrays(["jet_pt", "jet_eta"], library="np")
    rows = len(lists["jet_pt"])
    x, mask = np.zeros((rows, slots, 2), np.float32), np.ones((rows, slots, 2), np.uint8)
    for k, name in enumerate(("jet_eta", "jet_pt")):
        for row, values in enumerate(lists[name]):
            values = values[:slots].astype(np.float64)
            x[row, : len(values), k] = (values - center[name]) / width[name]
            mask[row, : len(values), k] = 0
    return x, mask


def test_deep_sets_with_mask_trains_and_predicts(tmp_path):
    import uproot

    files = [write_events(tmp_path / "s.root", 6000, True, 1), write_events(tmp_path / "b.root", 6000, False, 2)]
    inputs = [{"name": "jets", "kind": "padded", "branches": ["jet_pt", "jet_eta"], "width": "max"}]
    params = {"identifier": ["run", "event"], "inputs": inputs, "epochs": 6, "batch_size": 200, "leak_guard": "off"}
    bundle = mlaas.train(files, [1, 0], deep_sets, params, out=str(tmp_path / "bundle"), progress=False)
    assert bundle.metrics["test"]["auc"] > 0.62  # lengths alone give 0.58
    (item,) = bundle.recipe.inputs
    flat = {
        name: [uproot.open(f)["events"][name].array().layout.content.data for f in files]
        for name in ("jet_pt", "jet_eta")
    }
    values = {name: np.concatenate([np.asarray(part, np.float64) for part in parts]) for name, parts in flat.items()}
    center = {name: v.mean() for name, v in values.items()}
    width = {name: v.std() for name, v in values.items()}
    x, mask = padded_by_numpy(files[0], item["slots"], center, width)
    filled_x, filled_mask = bundle.recipe.fill(mlaas.open(files[0])["events"])["jets"]
    np.testing.assert_array_equal(filled_mask, mask)
    np.testing.assert_allclose(filled_x, x, rtol=1e-5, atol=1e-6)
    scores = bundle.predict([files[0]])
    np.testing.assert_allclose(scores, bundle.model.predict({"jets": (x, mask)}), atol=1e-5)
    turned = x.copy()
    turned[mask == 1] = 77  # what stands in the padding must not matter
    np.testing.assert_allclose(bundle.model.predict({"jets": (turned, mask)}), scores, atol=1e-5)


# ---- leaks ----

LEAKS = ["runNo", "evtNo", "lumi", "genEvtWeight", "mva", "triggerPre", "category", "nPartons"]


@needs_samples
def test_leak_guard_names_what_tells_the_class_and_nothing_else(tmp_path):
    from mlaas import leak

    files = [str(SHARED / "tth-full" / f"full_{name}.root") for name in ("ttH", "TT")]
    dataset = mlaas.Dataset(files, [1, 0], {"branch": "boostedAk8/events"})
    named = {finding.branch for finding in leak.check(leak.sample(dataset))}
    partons = {name for name in dataset.recipe.branches if name.startswith("parton")}
    flavours = {name for name in dataset.recipe.branches if "Flavor" in name}
    assert len(partons) == 6 and len(flavours) == 5
    assert named == {*LEAKS, *partons, *flavours}
    params = {"branch": "boostedAk8/events", "exclude_branches": sorted(named), "leak_guard": "error", "nevts": 12000}
    bundle = mlaas.train(files, [1, 0], small_trees, params, out=str(tmp_path / "bundle"), progress=False)
    assert 0.7 < bundle.metrics["test"]["auc"] < 0.9


@needs_samples
def test_leak_guard_is_silent_on_honest_features(sample):
    from mlaas import leak

    dataset = mlaas.Dataset(*sample, PARAMS)
    assert len(dataset.recipe.branches) == 26
    assert leak.check(leak.sample(dataset)) == []
