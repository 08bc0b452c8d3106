"""The neural network of the example, in the form that the original workflow.py takes: a function model(idim)."""

from keras.layers import Dense, Dropout
from keras.models import Sequential
from tensorflow import keras


def model(idim):
    "A small dense network for `idim` inputs, compiled."
    ml_model = Sequential(
        [
            keras.Input(shape=(idim,)),
            Dense(128, activation="relu"),
            Dropout(0.5),
            Dense(64, activation="relu"),
            Dropout(0.5),
            Dense(1, activation="sigmoid"),
        ]
    )
    ml_model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=1e-3),
        loss=keras.losses.BinaryCrossentropy(),
        metrics=["accuracy", keras.metrics.AUC(name="auc")],
    )
    return ml_model
