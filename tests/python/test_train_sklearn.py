"""Training of scikit-learn models: streamed or collected, ONNX, weights, the memory ceiling."""

import os

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn")
import mlaas  # noqa: E402
from mlaas import metrics  # noqa: E402
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier  # noqa: E402
from sklearn.linear_model import LogisticRegression, SGDClassifier  # noqa: E402
from sklearn.naive_bayes import GaussianNB  # noqa: E402
from sklearn.neighbors import KNeighborsClassifier  # noqa: E402
from sklearn.svm import LinearSVC  # noqa: E402


def rows(dataset, split):
    x, y = zip(*((np.array(b.x), np.array(b.y)) for b in dataset.loader(split, shuffle=False)))
    return np.concatenate(x), np.concatenate(y)


def test_collected_is_the_same_as_fit_on_the_same_rows(train_small, make_dataset):
    bundle = train_small(LogisticRegression())
    x, y = rows(make_dataset(), "train")
    test_x, test_y = rows(make_dataset(), "test")
    expected = metrics.auc(LogisticRegression().fit(x, y).predict_proba(test_x)[:, 1].astype(np.float32), test_y)
    assert bundle.metrics["test"]["auc"] == pytest.approx(expected, abs=1e-4)


def test_streamed_by_partial_fit(train_small, sample):
    bundle = train_small(lambda: SGDClassifier(loss="log_loss", random_state=0, alpha=0.01), epochs=4)
    history = bundle.info["training"]["history"]
    assert len(history) == 4 and history[-1]["val_auc"] > 0.65
    again = train_small(lambda: SGDClassifier(loss="log_loss", random_state=0, alpha=0.01), out="again", epochs=4)
    np.testing.assert_array_equal(bundle.predict(sample[0]), again.predict(sample[0]))


def test_naive_bayes_in_one_epoch_is_exact(train_small, make_dataset, sample):
    bundle = train_small(GaussianNB(), epochs=1)
    x, y = rows(make_dataset(), "train")
    plain = GaussianNB().fit(x, y)
    np.testing.assert_allclose(
        bundle.predict(sample[0]), plain.predict_proba(rows(make_dataset(), "all")[0])[:, 1], atol=2e-3
    )


@pytest.mark.parametrize("model", [LogisticRegression(), RandomForestClassifier(20, max_depth=5, random_state=0)])
def test_onnx_file_gives_the_same(train_small, make_dataset, model):
    onnxruntime = pytest.importorskip("onnxruntime")
    bundle = train_small(model)
    assert bundle.info["back_end"] == "onnx" and bundle.info["file"] == "model.onnx"
    x, _ = rows(make_dataset(), "test")
    session = onnxruntime.InferenceSession(os.path.join(bundle.path, "model.onnx"))
    scores = session.run([bundle.info["outputs"][-1]["name"]], {bundle.info["inputs"][0]["name"]: x})[0][:, 1]
    batches = make_dataset().loader("test", shuffle=False)
    ours = np.concatenate([bundle.model.predict(b.inputs) for b in batches])
    np.testing.assert_allclose(scores, ours, atol=1e-4)


def test_a_model_that_onnx_does_not_know_is_kept_as_joblib(train_small):
    class Odd(LogisticRegression):
        def predict_proba(self, x):
            return super().predict_proba(x)[:, ::-1]

    import sklearn.linear_model

    sklearn.linear_model.Odd = Odd  # pickles find classes by module
    Odd.__module__, Odd.__qualname__ = "sklearn.linear_model", "Odd"
    bundle = train_small(Odd())
    assert bundle.info["back_end"] == "python" and bundle.info["file"] == "model.joblib"
    assert "no ONNX file" in bundle.info["training"]["notes"][0]


def test_decision_function_is_enough(train_small):
    bundle = train_small(LinearSVC())
    assert bundle.metrics["test"]["auc"] > 0.68


def test_the_ceiling_is_kept_and_the_error_says_what_to_do(train_small, monkeypatch):
    from mlaas.train import sklearn as trainer

    monkeypatch.setattr(trainer, "ROW_EXTRA", 100_000)  # rows as if they were large
    with pytest.raises(
        mlaas.LimitError,
        match=r"HistGradientBoostingClassifier has no partial_fit, so its \d+ training rows"
        r" of \d+ columns must be held at once: .* MB, the ceiling is",
    ):
        train_small(HistGradientBoostingClassifier(), memory="50 MB")


def test_models_that_take_no_weights_say_so(train_small):
    bundle = train_small(KNeighborsClassifier(), weight="genw", exclude_branches=["njet"])
    assert "takes no weights" in bundle.info["training"]["notes"][0]


def test_models_that_refuse_negative_weights_train_without_those_rows(train_small):
    class Strict(LogisticRegression):
        def fit(self, x, y, sample_weight=None):
            if sample_weight is not None and (sample_weight < 0).any():
                raise ValueError("Negative values in data passed to sample_weight")
            return super().fit(x, y, sample_weight)

    import sklearn.linear_model

    sklearn.linear_model.Strict = Strict
    Strict.__module__, Strict.__qualname__ = "sklearn.linear_model", "Strict"
    bundle = train_small(Strict(), weight="genw", exclude_branches=["njet"])
    assert "refuses negative weights" in bundle.info["training"]["notes"][0]


def test_resume_of_a_streamed_model(train_small, sample):
    from mlaas.progress import Progress

    class Stop(Progress):
        def step(self, label, total=None, unit="events"):
            if label == "epoch 3/4":
                raise KeyboardInterrupt
            return super().step(label, total, unit)

    def model():
        return SGDClassifier(loss="log_loss", random_state=0)

    whole = train_small(model, out="whole", epochs=4)
    with pytest.raises(KeyboardInterrupt):
        train_small(model, out="broken", epochs=4, progress=Stop())
    broken = train_small(model, out="broken", epochs=4, resume=True)
    np.testing.assert_array_equal(broken.predict(sample[0]), whole.predict(sample[0]))
