"""How good a set of scores is: ROC, AUC, accuracy, confusion. Plain NumPy; knows neither files nor frameworks.

Weights may be negative (NLO generators make them). The weighted AUC is the sum over all pairs of one signal and one
background row of w_s w_b [s > b], ties counted half, over W_s W_b; it equals scikit-learn's for weights >= 0.
"""

from __future__ import annotations

import numpy as np

CURVE_POINTS = 512


def _grouped(score, y, w):
    """Sums of signal and background weight at each distinct score, highest score first."""
    score = np.asarray(score, dtype=np.float64).ravel()
    positive = np.asarray(y).ravel() > 0
    w = np.ones(len(score)) if w is None else np.asarray(w, dtype=np.float64).ravel()
    if not len(score) == len(positive) == len(w):
        raise ValueError(f"{len(score)} scores, {len(positive)} labels and {len(w)} weights: the lengths must agree")
    order = np.argsort(-score, kind="stable")
    score, positive, w = score[order], positive[order], w[order]
    starts = np.flatnonzero(np.r_[True, score[1:] != score[:-1]]) if len(score) else np.zeros(0, dtype=np.intp)
    signal = np.add.reduceat(np.where(positive, w, 0.0), starts) if len(starts) else np.zeros(0)
    background = np.add.reduceat(np.where(positive, 0.0, w), starts) if len(starts) else np.zeros(0)
    return score[starts], signal, background


def auc(score, y, w=None) -> float:
    """Weighted area under the ROC curve (NaN when a class is empty, sums to no weight or a score is not a number)."""
    if np.isnan(np.asarray(score, dtype=np.float64)).any():
        return float("nan")
    _, signal, background = _grouped(score, y, w)
    total = signal.sum() * background.sum()
    if total == 0:
        return float("nan")
    below = background.sum() - np.cumsum(background)
    return float(np.sum(signal * (below + background / 2)) / total)


def roc(score, y, w=None):
    """False positive rate, true positive rate and threshold, from (0, 0) to (1, 1)."""
    threshold, signal, background = _grouped(score, y, w)
    with np.errstate(divide="ignore", invalid="ignore"):
        tpr = np.r_[0.0, np.cumsum(signal) / signal.sum()]
        fpr = np.r_[0.0, np.cumsum(background) / background.sum()]
    return fpr, tpr, np.r_[np.inf, threshold]


def thin(curve, points: int = CURVE_POINTS):
    """At most `points` of a curve (tuple of arrays), evenly along it, both ends kept."""
    size = len(curve[0])
    if size <= points:
        return curve
    index = np.unique(np.linspace(0, size - 1, points).round().astype(np.intp))
    return tuple(np.asarray(column)[index] for column in curve)


def cut_scan(score, y, w=None, points: int = 101):
    """Cut, efficiency (signal kept) and purity (signal among what is kept) for cuts spread over the scores."""
    threshold, signal, background = _grouped(score, y, w)
    if not len(threshold):
        return np.zeros(0), np.zeros(0), np.zeros(0)
    kept_signal, kept_background = np.cumsum(signal), np.cumsum(background)
    with np.errstate(divide="ignore", invalid="ignore"):
        efficiency = kept_signal / kept_signal[-1]
        purity = kept_signal / (kept_signal + kept_background)
    cuts = np.linspace(threshold[-1], threshold[0], points)
    last = np.searchsorted(-threshold, -cuts, side="right") - 1
    return cuts, efficiency[last], purity[last]


def confusion(y, predicted, num_classes: int, w=None):
    """Sums of weight, rows: true class, columns: predicted class."""
    y, predicted = np.asarray(y, dtype=np.intp), np.asarray(predicted, dtype=np.intp)
    cells = np.bincount(y * num_classes + predicted, weights=w, minlength=num_classes * num_classes)
    return cells.reshape(num_classes, num_classes)


def class_scores(score, num_classes: int):
    """Scores as rows x classes: one column of a binary model becomes (1 - p, p)."""
    score = np.asarray(score, dtype=np.float64)
    if score.ndim == 2 and score.shape[1] == 1:
        score = score[:, 0]
    if score.ndim == 1:
        if num_classes > 2:
            raise ValueError(f"the model gives one score for each row, the data has {num_classes} classes")
        return np.column_stack([1 - score, score])
    return score


def _number(value):
    """A number that strict JSON can hold."""
    value = float(value)
    return value if np.isfinite(value) else None


def _summary(score, index, num_classes, w, threshold):
    table = class_scores(score, num_classes)
    chosen = table[:, 1] >= threshold if num_classes == 2 else table.argmax(axis=1)
    cells = confusion(index, chosen, num_classes, w)
    total = cells.sum()
    result = {"accuracy": _number(np.trace(cells) / total) if total else None, "confusion": cells.tolist()}
    if num_classes == 2:
        result["auc"] = _number(auc(table[:, 1], index, w))
        fpr, tpr, _ = thin(roc(table[:, 1], index, w))
        result["roc"] = {"fpr": [_number(v) for v in fpr], "tpr": [_number(v) for v in tpr]}
        return result
    areas = [auc(table[:, k], index == k, w) for k in range(num_classes)]
    result["auc_per_class"] = [_number(value) for value in areas]
    result["auc"] = _number(np.nanmean(areas)) if np.isfinite(areas).any() else None
    curves = [thin(roc(table[:, k], index == k, w), CURVE_POINTS // 2) for k in range(num_classes)]
    result["roc_per_class"] = [{"fpr": [_number(v) for v in c[0]], "tpr": [_number(v) for v in c[1]]} for c in curves]
    return result


def classification(index, score, num_classes: int, raw_w=None, threshold: float = 0.5) -> dict:
    """All metrics of a classifier, unweighted, and with the original signed weights under "weighted". `threshold`: from
    which score on a row counts as signal in accuracy and confusion (two classes)."""
    index = np.asarray(index, dtype=np.intp)
    result = {
        "task": "classification",
        "rows": int(len(index)),
        "rows_per_class": np.bincount(index, minlength=num_classes).tolist(),
    }
    if not len(index):
        return result
    result.update(_summary(score, index, num_classes, None, threshold))
    if raw_w is not None and not np.all(np.asarray(raw_w) == 1):
        result["weighted"] = _summary(score, index, num_classes, np.asarray(raw_w, dtype=np.float64), threshold)
        result["weighted"]["sum_of_weights"] = float(np.sum(raw_w, dtype=np.float64))
        result["weighted"]["negative_rows"] = int(np.sum(np.asarray(raw_w) < 0))
    return result


def _errors(y, prediction, w):
    total = w.sum()
    if not total:
        return {"rmse": None, "mae": None, "r2": None}
    difference = prediction - y
    spread = np.sum(w * (y - np.sum(w * y) / total) ** 2)
    square = np.sum(w * difference**2)
    return {
        "rmse": _number(np.sqrt(max(square / total, 0.0))),
        "mae": _number(np.sum(w * abs(difference)) / total),
        "r2": _number(1 - square / spread) if spread else None,
    }


def regression(y, prediction, raw_w=None) -> dict:
    """Root mean square error, mean absolute error and R2, unweighted and weighted."""
    y, prediction = np.asarray(y, dtype=np.float64), np.asarray(prediction, dtype=np.float64).reshape(len(y), -1)[:, 0]
    result = {"task": "regression", "rows": int(len(y))}
    if not len(y):
        return result
    result.update(_errors(y, prediction, np.ones(len(y))))
    if raw_w is not None and not np.all(np.asarray(raw_w) == 1):
        result["weighted"] = _errors(y, prediction, np.asarray(raw_w, dtype=np.float64))
    return result
