"""mlaas.metrics against the definition (all pairs) and scikit-learn."""

import numpy as np
import pytest
from mlaas import metrics
from sklearn.metrics import confusion_matrix, roc_auc_score, roc_curve


def pairs_auc(score, y, w):
    """The definition, written out."""
    signal, background = y > 0, y <= 0
    s, b = score[signal][:, None], score[background][None, :]
    product = w[signal][:, None] * w[background][None, :]
    return np.sum(product * ((s > b) + 0.5 * (s == b))) / (w[signal].sum() * w[background].sum())


@pytest.fixture(params=[0, 1, 2])
def scored(request):
    rng = np.random.default_rng(request.param)
    y = rng.integers(0, 2, 400)
    score = np.round(rng.normal(y * 0.7, 1), request.param)  # 0 and 1 decimals: many ties
    return score, y, rng.normal(1, 1, 400)


def test_auc_with_signed_weights_is_the_sum_over_pairs(scored):
    score, y, w = scored
    assert (w < 0).any()
    assert metrics.auc(score, y, w) == pytest.approx(pairs_auc(score, y, w), abs=1e-12)


def test_auc_equals_sklearn_where_weights_are_positive(scored):
    score, y, w = scored
    assert metrics.auc(score, y) == pytest.approx(roc_auc_score(y, score), abs=1e-12)
    assert metrics.auc(score, y, abs(w)) == pytest.approx(roc_auc_score(y, score, sample_weight=abs(w)), abs=1e-12)


def test_roc_equals_sklearn(scored):
    score, y, w = scored
    fpr, tpr, threshold = metrics.roc(score, y, abs(w))
    expected = roc_curve(y, score, sample_weight=abs(w), drop_intermediate=False)
    np.testing.assert_allclose(np.c_[fpr, tpr, threshold], np.c_[expected], atol=1e-12)


def test_auc_of_one_class_or_of_nan_is_nan():
    assert np.isnan(metrics.auc([0.1, 0.2], [1, 1]))
    assert np.isnan(metrics.auc([0.1, np.nan], [1, 0]))
    with pytest.raises(ValueError, match="2 scores, 3 labels and 2 weights"):
        metrics.auc([1, 2], [1, 0, 1], [1, 1])


def test_cut_scan_keeps_what_is_at_or_above_the_cut():
    score, y = np.array([0.1, 0.4, 0.4, 0.8]), np.array([0, 0, 1, 1])
    cuts, efficiency, purity = metrics.cut_scan(score, y, points=8)
    for cut, e, p in zip(cuts, efficiency, purity):
        kept = score >= cut - 1e-12
        assert e == pytest.approx(y[kept].sum() / 2)
        assert p == pytest.approx(y[kept].mean())


def test_classification_of_three_classes():
    rng = np.random.default_rng(1)
    index = rng.integers(0, 3, 300)
    score = rng.dirichlet([1, 1, 1], 300) + np.eye(3)[index] * 0.3
    score /= score.sum(axis=1, keepdims=True)
    result = metrics.classification(index, score, 3, rng.normal(1, 0.5, 300))
    expected = [roc_auc_score(index == k, score[:, k]) for k in range(3)]
    assert result["auc_per_class"] == pytest.approx(expected)
    assert result["auc"] == pytest.approx(np.mean(expected))
    assert result["accuracy"] == pytest.approx(np.mean(score.argmax(axis=1) == index))
    np.testing.assert_array_equal(result["confusion"], confusion_matrix(index, score.argmax(axis=1)))
    assert result["weighted"]["negative_rows"] > 0


def test_weighted_metrics_only_where_there_are_weights():
    index, score = np.array([0, 1, 1, 0]), np.array([0.2, 0.7, 0.4, 0.6])
    assert "weighted" not in metrics.classification(index, score, 2, np.ones(4))
    weighted = metrics.classification(index, score, 2, np.array([1.0, 2.0, -1.0, 1.0]))["weighted"]
    assert weighted["auc"] == pytest.approx(1.5)  # 0.7 beats both backgrounds: 2 x 2, 0.4 one: -1 x 1; over 1 x 2
    assert weighted["sum_of_weights"] == 3


def test_accuracy_threshold():
    index, score = np.array([0, 1, 1, 0]), np.array([0.2, 0.7, 0.4, 0.6])
    assert metrics.classification(index, score, 2)["accuracy"] == 0.5
    assert metrics.classification(index, score, 2, threshold=0.3)["accuracy"] == 0.75


def test_regression():
    result = metrics.regression(np.array([1.0, 2, 3]), np.array([[1.0], [2], [5]]), np.array([1.0, 1, 0]))
    assert result["rmse"] == pytest.approx(np.sqrt(4 / 3))
    assert result["mae"] == pytest.approx(2 / 3)
    assert result["weighted"]["rmse"] == 0


def test_thin_keeps_both_ends():
    curve = (np.arange(1000), np.arange(1000) * 2)
    x, y = metrics.thin(curve, 50)
    assert len(x) == 50 and x[0] == 0 and x[-1] == 999 and (y == 2 * x).all()
