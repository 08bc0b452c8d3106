"""Bundles predict in C as their frameworks do, without importing them; and in Python where nothing else can."""

import logging
import subprocess
import sys

import mlaas
import numpy as np
import pytest

ONE_FILE = """
import sys, numpy, mlaas
numpy.save(sys.argv[3], mlaas.load(sys.argv[1]).predict(sys.argv[2]))
heavy = {"tensorflow", "keras", "torch", "sklearn", "xgboost", "onnxruntime"} & set(sys.modules)
sys.exit(f"imported {heavy}" if heavy else 0)
"""


def both_ways(bundle, files):
    """Scores in C and by the framework; they are as close as float32 sums in another order can be."""
    ours, theirs = (mlaas.load(bundle.path, backend=backend).predict(files) for backend in (None, "python"))
    assert ours.shape == theirs.shape and ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=2e-6)
    return ours


def in_c(bundle):
    from mlaas._predictor import CorePredictor

    return isinstance(mlaas.load(bundle.path).model, CorePredictor)


def test_xgboost(train_small, sample, tmp_path):
    xgboost = pytest.importorskip("xgboost")
    bundle = train_small(lambda: xgboost.XGBClassifier(n_estimators=20, max_depth=3, n_jobs=1))
    assert in_c(bundle)
    scores = both_ways(bundle, sample[0])
    out = tmp_path / "scores.npy"
    done = subprocess.run(
        [sys.executable, "-c", ONE_FILE, bundle.path, sample[0][0], str(out)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert np.array_equal(np.load(out), scores[: len(np.load(out))])
    slots = bundle.info["inputs"][0]["shape"][1]
    x, mask = np.zeros((2, slots), np.float32), np.zeros((2, slots), np.uint8)
    mask[1] = 1  # missing is not the same as 0
    assert len(set(bundle.model.predict({"x": (x, mask)}).tolist())) == 2 and (x == 0).all()


@pytest.mark.parametrize("kind", ["forest", "network"])
def test_sklearn(train_small, sample, kind, caplog):
    pytest.importorskip("sklearn")
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.neural_network import MLPClassifier

    models = {
        "forest": RandomForestClassifier(10, max_depth=4, random_state=0),
        "network": MLPClassifier((8,), max_iter=5, random_state=0),
    }
    bundle = train_small(models[kind], epochs=1)
    assert in_c(bundle) and not caplog.records
    both_ways(bundle, sample[0])


def test_margins_stay_with_the_framework(train_small, sample, caplog):
    pytest.importorskip("sklearn")
    from sklearn.svm import LinearSVC

    bundle = train_small(LinearSVC())
    with caplog.at_level(logging.WARNING, "mlaas"):
        assert not in_c(bundle)
        scores = bundle.predict(sample[0])
    assert 0 <= scores.min() and scores.max() <= 1
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1 and "sklearn runs the model in Python" in said[0]
    with pytest.raises(mlaas.UnsupportedError):
        mlaas.load(bundle.path, backend="onnxruntime").predict(sample[0])


@pytest.mark.slow
def test_keras_by_three_ways(train_small, sample):
    keras = pytest.importorskip("keras")

    def model(idim):
        net = keras.Sequential([keras.Input((idim,)), keras.layers.Dense(16, "relu"), keras.layers.Dense(1, "sigmoid")])
        net.compile("adam", "binary_crossentropy")
        return net

    bundle = train_small(model, epochs=1)
    assert in_c(bundle)
    scores = both_ways(bundle, sample[0])
    other = mlaas.load(bundle.path, backend="openvino").predict(sample[0])
    np.testing.assert_allclose(other, scores, atol=2e-6)
    coarse = mlaas.load(bundle.path, backend="openvino", options={"precision": "bf16"}).predict(sample[0])
    np.testing.assert_allclose(coarse, scores, atol=0.05)
    with pytest.raises(mlaas.ArgumentError, match="nonsense"):
        mlaas.load(bundle.path, options={"nonsense": 1}).predict(sample[0])
    with pytest.raises(mlaas.ArgumentError):
        mlaas.load(bundle.path, backend="python", options={"precision": "bf16"}).predict(sample[0])


def test_torch_with_a_mask(train_small, sample):
    torch = pytest.importorskip("torch")

    class Sets(torch.nn.Module):
        def __init__(self, features):
            super().__init__()
            self.phi, self.rho = torch.nn.Linear(features, 8), torch.nn.Linear(8, 1)

        def forward(self, jets, jets_mask):
            return self.rho((torch.relu(self.phi(jets)) * (~jets_mask).unsqueeze(-1)).sum(dim=1))

    bundle = train_small(
        lambda recipe: Sets(recipe.inputs[0]["features"]),
        epochs=1,
        inputs=[{"name": "jets", "kind": "padded", "branches": ["jet_eta", "jet_pt"]}],
    )
    if not in_c(bundle):
        pytest.skip("ONNX Runtime is not here")
    both_ways(bundle, sample[0])
