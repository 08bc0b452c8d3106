"""Training of XGBoost models: streaming into the quantised matrix, weights, early stopping, resume, UBJ."""

import os

import numpy as np
import pytest

xgboost = pytest.importorskip("xgboost")
import mlaas  # noqa: E402
from mlaas import metrics  # noqa: E402
from mlaas.progress import Progress  # noqa: E402


def trees(**options):
    return lambda: xgboost.XGBClassifier(
        **{"n_estimators": 25, "max_depth": 3, "learning_rate": 0.3, "n_jobs": 1, **options}
    )


def columns(dataset, split):
    """All rows of a part as XGBoost should get them: NaN where masked."""
    x, y, w = zip(
        *(
            (np.where(b.mask == 0, b.x, np.nan), np.array(b.y), np.array(b.w))
            for b in dataset.loader(split, shuffle=False)
        )
    )
    return np.concatenate(x), np.concatenate(y), np.concatenate(w)


def test_same_as_xgboost_on_the_same_rows(train_small, make_dataset, sample):
    bundle = train_small(trees())
    x, y, w = columns(make_dataset(), "train")
    plain = xgboost.XGBClassifier(
        n_estimators=25, max_depth=3, learning_rate=0.3, tree_method="hist", random_state=0
    ).fit(x, y)
    test_x, test_y, _ = columns(make_dataset(), "test")
    expected = metrics.auc(plain.predict_proba(test_x)[:, 1], test_y)
    assert bundle.metrics["test"]["auc"] == pytest.approx(expected, abs=0.01)
    assert bundle.info["back_end"] == "xgboost" and bundle.info["inputs"][0]["mask"] == "nan"
    history = bundle.info["training"]["history"]
    assert len(history) == 25 and history[-1]["loss"] < history[0]["loss"] and 0.5 < history[-1]["val_auc"] <= 1


def test_the_ubj_file_gives_the_same_and_names_the_columns(train_small, make_dataset, sample):
    bundle = train_small(trees())
    booster = xgboost.Booster(model_file=os.path.join(bundle.path, "model.ubj"))
    assert booster.feature_names == bundle.recipe.features()
    x, _, _ = columns(make_dataset(), "test")
    matrix = xgboost.DMatrix(x, feature_names=booster.feature_names)
    batch = [b for b in make_dataset().loader("test", shuffle=False)]
    ours = np.concatenate([bundle.model.predict(b.inputs) for b in batch])
    np.testing.assert_allclose(booster.predict(matrix), ours, atol=1e-6)


def test_negative_weights_are_dropped_and_it_is_said(train_small):
    bundle = train_small(trees(), weight="genw", exclude_branches=["njet"])
    assert "refuses negative weights" in bundle.info["training"]["notes"][0]
    assert bundle.metrics["test"]["weighted"]["negative_rows"] > 0


def test_negative_weights_abs(train_small):
    bundle = train_small(trees(), weight="genw", exclude_branches=["njet"], negative_weights="abs")
    assert bundle.info["training"]["notes"] == []


def test_weights_reach_the_trees(tmp_path):
    from make_sample import write_events

    files = [write_events(tmp_path / f"{k}.root", 1500, k % 2 == 0, 20 + k) for k in range(4)]
    held = [write_events(tmp_path / "s.root", 2000, True, 25), write_events(tmp_path / "b.root", 2000, False, 26)]

    def auc(name, files, labels, **params):
        bundle = mlaas.train(
            files,
            labels,
            trees(),
            {"identifier": ["run", "event"], "exclude_branches": ["genw", "njet"], "leak_guard": "off", **params},
            out=tmp_path / name,
            progress=False,
        )
        return metrics.auc(bundle.predict(held), np.repeat([1, 0], 2000))

    alone = auc("alone", files[:2], [1, 0])
    assert auc("weighted", files, [1, 0, 0, 1], weight=[1, 1, 0, 0], class_norm="none") > alone - 0.02
    assert auc("unweighted", files, [1, 0, 0, 1]) < alone - 0.1


def test_early_stopping_keeps_the_best_trees(train_small):
    bundle = train_small(trees(n_estimators=400, max_depth=8, learning_rate=0.5), early_stopping=3)
    losses = [row["val_loss"] for row in bundle.info["training"]["history"]]
    assert len(losses) < 400
    booster = xgboost.Booster(model_file=os.path.join(bundle.path, "model.ubj"))
    assert booster.num_boosted_rounds() == int(np.argmin(losses)) + 1


class Stop(Progress):
    """Interrupts in the middle of boosting."""

    def step(self, label, total=None, unit="events"):
        step = super().step(label, total, unit)
        if label == "boosting":
            update = step.update

            def interrupted(count=0, **values):
                update(count, **values)
                if step.done == 12:
                    raise KeyboardInterrupt

            step.update = interrupted
        return step


def test_resume_gives_the_unbroken_model(train_small, sample, monkeypatch):
    from mlaas.train import xgboost as trainer

    monkeypatch.setattr(trainer, "CHECKPOINT_SECONDS", 0.0)
    whole = train_small(trees(), out="whole")
    with pytest.raises(KeyboardInterrupt):
        train_small(trees(), out="broken", progress=Stop())
    broken = train_small(trees(), out="broken", resume=True)
    assert [row["epoch"] for row in broken.info["training"]["history"]] == list(range(25))
    np.testing.assert_allclose(broken.predict(sample[0]), whole.predict(sample[0]), atol=1e-5)


def test_three_classes(tmp_path, sample):
    from make_sample import write_events

    third = write_events(tmp_path / "third.root", 1500, True, 9)
    bundle = mlaas.train(
        [*sample[0], third],
        [1, 0, 2],
        trees(),
        {"identifier": ["event"], "exclude_branches": ["genw", "njet"]},
        out=tmp_path / "three",
        progress=False,
    )
    assert bundle.predict(sample[0]).shape == (3000, 3)
    assert bundle.predict(sample[0]).sum(axis=1) == pytest.approx(1, abs=1e-5)
