"""The boosted decision trees of the example: a function model() without argument returns the estimator."""

import xgboost


def model():
    "Two hundred trees of depth four."
    return xgboost.XGBClassifier(n_estimators=200, max_depth=4, learning_rate=0.1)
