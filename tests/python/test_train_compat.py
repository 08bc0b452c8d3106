"""`compat`: all epochs on one chunk, then the next; the test rows of each chunk judged by the model of that moment."""

import numpy as np
import pytest

pytest.importorskip("sklearn")
import mlaas
from mlaas.compat import CompatLoader
from sklearn.linear_model import LogisticRegression, SGDClassifier

PARAMS = {
    "compat": True,
    "chunk_size": 1000,
    "nevents": 2000,
    "epochs": 2,
    "identifier": ["run", "event"],
    "branch": "events",
    "exclude_branches": ["genw", "njet"],
    "batch_size": 100,
}


def test_chunks_epochs_and_split(sample, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bundle = mlaas.train(*sample, lambda: SGDClassifier(loss="log_loss", alpha=0.01), PARAMS, out="b", progress=False)
    history = bundle.info["training"]["history"]
    assert [(row["chunk"], row["epoch"]) for row in history] == [(0, 0), (0, 1), (1, 2), (1, 3)]
    chunks = list(CompatLoader(sample[0], sample[1], {**PARAMS, "nevts": 2000}, folder=None))
    assert [len(chunk) for chunk in chunks] == [1000, 1000]
    assert bundle.metrics["test"]["rows"] == 400
    assert (tmp_path / "global-specs.json").exists()
    assert bundle.recipe.features() == chunks[0].columns


def test_the_bundle_predicts_from_what_training_saw(sample, tmp_path, monkeypatch):
    """The recipe of the bundle makes the chunks' values, so scores of files are scores of the chunks."""
    monkeypatch.chdir(tmp_path)
    bundle = mlaas.train(*sample, lambda: SGDClassifier(loss="log_loss", alpha=0.01), PARAMS, out="b", progress=False)
    chunk = next(iter(CompatLoader(sample[0], sample[1], {**PARAMS, "nevts": 2000}, folder=None)))
    x = chunk.filled().astype(np.float32)
    taken = dict(chunk.per_file)[sample[0][0]]
    expected = bundle.model.predict({"x": (x[:taken], np.zeros((taken, x.shape[1]), np.uint8))})
    np.testing.assert_allclose(bundle.predict(sample[0][0])[:taken], expected, atol=1e-4)


def test_models_that_need_everything_at_once_are_refused(sample, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(mlaas.UnsupportedError, match="compat trains chunk by chunk, which LogisticRegression cannot"):
        mlaas.train(*sample, LogisticRegression(), PARAMS, out="b", progress=False)
