"""Bundles on disk: written whole or not at all, versions checked, strict JSON."""

import errno
import json
import os
import shutil

import numpy as np
import pytest

pytest.importorskip("sklearn")
import mlaas
from mlaas import bundle as bundles
from sklearn.linear_model import LogisticRegression


@pytest.fixture(scope="module")
def made(sample, tmp_path_factory):
    params = {"identifier": ["run", "event"], "exclude_branches": ["genw", "njet"], "weight": "genw"}
    return mlaas.train(
        *sample, LogisticRegression(), params, out=tmp_path_factory.mktemp("bundle") / "model", progress=False
    )


@pytest.fixture
def copy(made, tmp_path):
    return shutil.copytree(made.path, tmp_path / "copy")


def test_files_of_a_bundle(made):
    assert {
        "model.json",
        "recipe.json",
        "params.json",
        "labels.txt",
        "metrics.json",
        "report.html",
        "train.log.jsonl",
        "model.joblib",
    } <= set(os.listdir(made.path))
    for name in ("model.json", "recipe.json", "metrics.json", "params.json"):
        json.load(open(os.path.join(made.path, name)), parse_constant=pytest.fail)
    assert made.info["format"] == "mlaas-model" and made.info["version"] == 1 and made.info["name"] == "model"
    assert json.load(open(os.path.join(made.path, "params.json")))["name"] == "model"
    training = made.info["training"]
    assert (
        training["framework"] == "sklearn"
        and training["versions"]["sklearn"]
        and training["params"]["batch_size"] == 256
    )


def test_load_gives_the_same_scores(made, sample):
    again = mlaas.load(made.path)
    np.testing.assert_array_equal(again.predict(sample[0]), made.predict(sample[0]))


def test_a_dict_and_an_awkward_array_predict_like_files(made, sample):
    import awkward as ak
    import uproot

    arrays = uproot.open(sample[0][0])["events"].arrays(made.recipe.branches)
    expected = made.predict(sample[0][0])
    np.testing.assert_allclose(made.predict(arrays), expected, atol=1e-6)
    np.testing.assert_allclose(made.predict({name: arrays[name] for name in arrays.fields}), expected, atol=1e-6)
    np.testing.assert_allclose(made.predict(arrays, batch_size=7), expected, atol=1e-6)
    assert made.predict(arrays[:0]).shape == (0,)
    del ak


def test_representations(made):
    assert repr(made).startswith("<mlaas.Bundle 'model': sklearn, ") and "test auc 0." in repr(made)
    page = made._repr_html_()
    assert "<table>" in page and "test auc" in page


def test_retraining_replaces_the_bundle_at_once(made, sample, tmp_path):
    out = tmp_path / "b"
    for c in (1.0, 1e-6):
        mlaas.train(
            *sample,
            LogisticRegression(C=c),
            {"identifier": ["run", "event"], "exclude_branches": ["genw"]},
            out=out,
            progress=False,
        )
    assert sorted(os.listdir(tmp_path)) == ["b"]


def test_a_folder_that_is_no_bundle_is_not_replaced(sample, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("...")
    with pytest.raises(mlaas.ArgumentError, match="thesis: exists and is no bundle"):
        mlaas.train(*sample, LogisticRegression(), {}, out=tmp_path / "thesis", progress=False)
    with pytest.raises(mlaas.NotFoundError, match="no such folder for the bundle"):
        mlaas.train(*sample, LogisticRegression(), {}, out=tmp_path / "no" / "b", progress=False)


@pytest.mark.parametrize("step", ["export", "recipe", "report", "sync"])
def test_a_full_disk_leaves_nothing_half_written(step, train_small, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    from mlaas import report
    from mlaas.train import sklearn as trainer

    if step == "export":
        monkeypatch.setattr(trainer.SklearnTrainer, "export", full)
    elif step == "report":
        monkeypatch.setattr(report, "render", full)
    elif step == "sync":
        monkeypatch.setattr(bundles, "sync_tree", full)
    else:
        monkeypatch.setattr(bundles, "write_json", full)
    with pytest.raises(mlaas.IOError, match="no space left on the disk while writing the bundle") as caught:
        train_small(LogisticRegression())
    assert caught.value.exit_code == 4
    assert os.listdir(tmp_path) == ["bundle.checkpoint"]
    log = [json.loads(line) for line in open(tmp_path / "bundle.checkpoint" / "train.log.jsonl")]
    assert log[-1]["event"] == "failed"


def test_a_kill_between_the_renames_keeps_one_of_them(tmp_path):
    from mlaas.train import _checkpoint

    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "v").write_text("2")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "v").write_text("1")
    real = os.rename

    def broken(source, target):
        if str(source).endswith("new"):
            raise OSError(errno.EIO, "broken")
        real(source, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_checkpoint.os, "rename", broken)
        with pytest.raises(OSError):
            _checkpoint.swap_in(str(tmp_path / "new"), str(tmp_path / "b"))
    assert (tmp_path / "b" / "v").read_text() == "1"
    _checkpoint.swap_in(str(tmp_path / "new"), str(tmp_path / "b"))
    assert (tmp_path / "b" / "v").read_text() == "2" and os.listdir(tmp_path) == ["b"]


def change(folder, **values):
    path = os.path.join(folder, "model.json")
    info = {**json.load(open(path)), **values}
    json.dump({key: value for key, value in info.items() if value is not None}, open(path, "w"))


@pytest.mark.parametrize(
    "values,kind,words",
    [
        ({"version": 2}, "UnsupportedError", "version 2 of mlaas-model is newer than this program knows"),
        ({"format": "other"}, "FormatError", '"format" is \'other\', expected "mlaas-model"'),
        ({"inputs": None}, "FormatError", 'no "inputs"'),
    ],
)
def test_other_versions_and_formats_are_refused(copy, values, kind, words):
    change(copy, **values)
    with pytest.raises(getattr(mlaas, kind), match=words):
        mlaas.load(copy)


def test_broken_bundles(copy, tmp_path):
    with pytest.raises(mlaas.NotFoundError, match="no such bundle"):
        mlaas.load(tmp_path / "none")
    with pytest.raises(mlaas.NotFoundError, match="no model.json, so this is no bundle"):
        mlaas.load(tmp_path)
    (copy / "model.json").write_text("{")
    with pytest.raises(mlaas.FormatError, match="model.json: not JSON"):
        mlaas.load(copy)


@pytest.mark.parametrize(
    "text,size",
    [("300 MB", 300_000_000), ("1GiB", 1 << 30), ("5k", 5000), (7, 7), (None, 0), ("1.5 GB", 1_500_000_000)],
)
def test_sizes(text, size):
    assert bundles.parse_size(text) == size


def test_wrong_size():
    with pytest.raises(mlaas.ArgumentError, match="memory: 'lots' is not a size"):
        bundles.parse_size("lots")
