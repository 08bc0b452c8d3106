"""On the physics samples mlaas.train is as good as the same model on NumPy arrays made by uproot, and as the recorded
reference trainings. Minutes; needs ../shared."""

import json
import os

import mlaas
import numpy as np
import pytest
from mlaas import metrics
from reference_arrays import PARAMS, SAMPLING, SHARED, arrays, available, reference, sample

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not available(), reason="needs ../shared/data/tth")]


def check(bundle, plain_auc, row, spread):
    ours = bundle.metrics["test"]["auc"]
    assert len(bundle.recipe.features()) == 26
    assert ours > plain_auc - spread, f"{ours:.4f}, NumPy {plain_auc:.4f}"
    assert ours > reference(row) - SAMPLING, f"{ours:.4f}, reference {reference(row):.4f}"


def train(model, tmp_path, **params):
    return mlaas.train(*sample(), model, {**PARAMS, **params}, out=tmp_path / "bundle", progress=False)


def test_keras(tmp_path):
    keras = pytest.importorskip("keras")
    from model_keras import model

    bundle = train(os.path.join(os.path.dirname(__file__), "model_keras.py"), tmp_path)
    part = arrays(bundle)
    keras.utils.set_random_seed(1)
    net = model(26)
    net.compile(optimizer=net.optimizer, loss=net.loss)
    net.fit(*part["train"], epochs=5, batch_size=100, verbose=0)
    plain = metrics.auc(net.predict(part["test"][0], batch_size=4096, verbose=0)[:, 0], part["test"][1])
    check(bundle, plain, "keras_real_epochs", 0.001)


def test_xgboost(tmp_path):
    xgboost = pytest.importorskip("xgboost")

    def model():
        return xgboost.XGBClassifier(n_estimators=200, max_depth=4, learning_rate=0.1)

    bundle = train(model, tmp_path)
    part = arrays(bundle)
    plain = metrics.auc(model().fit(*part["train"]).predict_proba(part["test"][0])[:, 1], part["test"][1])
    check(bundle, plain, "xgboost_200_depth4_lr0.1", 0.0005)


def test_sklearn(tmp_path):
    linear = pytest.importorskip("sklearn.linear_model")
    bundle = train(linear.LogisticRegression(max_iter=1000), tmp_path)
    part = arrays(bundle)
    plain = linear.LogisticRegression(max_iter=1000).fit(*part["train"])
    area = metrics.auc(plain.predict_proba(part["test"][0])[:, 1], part["test"][1])
    check(bundle, area, "LogisticRegression_all", 0.0005)


def test_scores_of_files_are_the_model_on_uproot_s_arrays(tmp_path):
    linear = pytest.importorskip("sklearn.linear_model")
    bundle = train(linear.LogisticRegression(), tmp_path)
    part = arrays(bundle)
    expected = bundle.model.predict({"x": (part["test"][0], np.zeros(part["test"][0].shape, np.uint8))})
    assert metrics.auc(expected, part["test"][1]) == pytest.approx(bundle.metrics["test"]["auc"], abs=1e-6)


def test_what_the_guard_names_makes_the_full_sample_honest(tmp_path):
    """ttH against TT: with everything the AUC is 1; without what the guard names it is what the reference found."""
    linear = pytest.importorskip("sklearn.linear_model")
    files = [os.path.join(SHARED, "tth-full", f"full_{name}.root") for name in ("ttH", "TT")]
    if not os.path.exists(files[0]):
        pytest.skip("needs ../shared/data/tth-full")
    params = {"branch": "boostedAk8/events", "epochs": 3}

    def model():
        return linear.SGDClassifier(loss="log_loss", alpha=0.01, random_state=0)

    leaky = mlaas.train(files, [1, 0], model, {**params, "leak_guard": "warn"}, out=tmp_path / "leaky", progress=False)
    lines = [json.loads(line) for line in open(os.path.join(leaky.path, "train.log.jsonl"))]
    named = [item["branch"] for line in lines if line["event"] == "leak_guard" for item in line["findings"]]
    assert {"runNo", "genEvtWeight", "mva", "triggerPre", "category", "nPartons", "partonId", "jetFlavor"} <= set(named)
    assert leaky.metrics["test"]["auc"] > 0.99
    params = {**params, "leak_guard": "error", "exclude_branches": named}
    honest = mlaas.train(files, [1, 0], model, params, out=tmp_path / "honest", progress=False)
    assert 0.8 < honest.metrics["test"]["auc"] < 0.9
