"""Scores of files: entry by entry, all formats, names, tags, renamed branches, nothing half-written."""

import os
import sys

import numpy as np
import pytest

pytest.importorskip("sklearn")
import mlaas
import uproot
from sklearn.linear_model import LogisticRegression

predict = sys.modules["mlaas.predict"]  # mlaas.predict is the function
PARAMS = {"identifier": ["run", "event"], "exclude_branches": ["genw", "njet"]}


@pytest.fixture(scope="module")
def bundle(sample, tmp_path_factory):
    return mlaas.train(
        *sample, LogisticRegression(), PARAMS, out=tmp_path_factory.mktemp("predict") / "b", progress=False
    )


def read(path):
    if path.endswith(".root"):
        return {name.split(";")[0]: array for name, array in uproot.open(path)["mlaas"].arrays(library="np").items()}
    if path.endswith(".npz"):
        return dict(np.load(path))
    import pandas

    frame = pandas.read_csv(path) if path.endswith(".csv") else pandas.read_parquet(path)
    return {name: frame[name].to_numpy() for name in frame.columns}


@pytest.mark.parametrize("format", predict.FORMATS)
def test_one_row_for_each_entry_in_order(bundle, sample, tmp_path, format):
    paths = mlaas.predict(bundle, sample[0], tmp_path, format=format, progress=False)
    assert [os.path.basename(path) for path in paths] == [f"signal.scores.{format}", f"background.scores.{format}"]
    assert sorted(os.listdir(tmp_path)) == sorted(os.path.basename(path) for path in paths)
    for name, path in zip(sample[0], paths):
        columns, source = read(path), uproot.open(name)["events"].arrays(["run", "event"], library="np")
        assert list(columns) == ["run", "event", "score", "split"]
        np.testing.assert_array_equal(columns["event"], source["event"])
        np.testing.assert_array_equal(columns["run"], source["run"])
        np.testing.assert_allclose(columns["score"], bundle.predict(name), atol=1e-6)
        file_id = next(f["id"] for f in bundle.info["training"]["files"] if f["url"] == name)
        np.testing.assert_array_equal(columns["split"], bundle.recipe.split(file_id, 0, 1500))
        assert set(np.unique(columns["split"])) == {0, 1, 2}


def test_types_of_the_tree(bundle, sample, tmp_path):
    (path,) = mlaas.predict(bundle.path, sample[0][0], tmp_path, progress=False)
    tree = uproot.open(path)["mlaas"]
    types = {name: str(tree[name].interpretation.to_dtype) for name in tree.keys()}
    assert types == {"run": "int32", "event": "int64", "score": "float32", "split": "int8"}


def test_many_chunks_are_one_file(bundle, sample, tmp_path, monkeypatch):
    monkeypatch.setattr(predict, "CHUNK_ROWS", 400)
    (path,) = mlaas.predict(bundle, sample[0][:1], tmp_path, progress=False, batch_size=150)
    np.testing.assert_array_equal(read(path)["event"], np.arange(1500))
    np.testing.assert_allclose(read(path)["score"], bundle.predict(sample[0][0]), atol=1e-6)


def test_names_clash(tmp_path):
    paths = predict.out_paths(["a/x.root", "b/x.root", "http://s/y.root?z=1", "x_2.root"], str(tmp_path), "root")
    names = [os.path.basename(path) for path in paths]
    assert names == ["x.scores.root", "x_2.scores.root", "y.scores.root", "x_2_2.scores.root"]


def test_tag_and_renamed_branches(bundle, sample, tmp_path):
    """`a` comes from a branch a_up, as a systematic variation has it."""
    import awkward as ak

    source = uproot.open(sample[0][0])["events"].arrays()
    varied = str(tmp_path / "varied.root")
    with uproot.recreate(varied) as file:
        jet = ak.zip({"pt": source["jet_pt"], "eta": source["jet_eta"]})
        flat = {"a_up": ak.to_numpy(source["a"]) + 1, "b": ak.to_numpy(source["b"]), "c": ak.to_numpy(source["c"])}
        file.mktree("events", {**{k: v.dtype for k, v in flat.items()}, "jet": jet.type}).extend({**flat, "jet": jet})
    (path,) = mlaas.predict(bundle, [varied], tmp_path, rename={"a": "a_up"}, tag="jesUp", progress=False)
    assert os.path.basename(path) == "varied.jesUp.scores.root"
    columns = read(path)
    assert list(columns) == ["score_jesUp", "split"]
    shifted = {name: source[name] for name in bundle.recipe.branches}
    shifted["a"] = source["a"] + 1
    np.testing.assert_allclose(columns["score_jesUp"], bundle.predict(shifted), atol=1e-5)
    with pytest.raises(mlaas.NotFoundError, match="rename: the model does not use a branch 'q'"):
        mlaas.predict(bundle, [varied], tmp_path, rename={"q": "p"}, progress=False)


def test_a_failure_leaves_no_file(bundle, sample, tmp_path, monkeypatch):
    calls = []

    def failing(inputs):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return np.zeros(len(inputs["x"][0]), np.float32)

    monkeypatch.setattr(bundle.model, "predict", failing)
    with pytest.raises(KeyboardInterrupt):
        mlaas.predict(bundle, sample[0], tmp_path, progress=False, batch_size=500)
    assert os.listdir(tmp_path) == []


def test_unknown_format_and_no_files(bundle, tmp_path):
    with pytest.raises(mlaas.ArgumentError, match="format 'xml' is not known; it is one of root, parquet, csv, npz"):
        mlaas.predict(bundle, ["x.root"], tmp_path, format="xml")
    with pytest.raises(mlaas.ArgumentError, match="no files"):
        mlaas.predict(bundle, [], tmp_path)


def test_files_never_seen_have_split_minus_one(bundle, tmp_path):
    from make_sample import write_events

    (path,) = mlaas.predict(bundle, [write_events(tmp_path / "new.root", 300, True, 77)], tmp_path, progress=False)
    assert set(read(path)["split"]) == {-1}
