from keras.layers import Dense, Dropout
from keras.models import Sequential
from tensorflow import keras


def model(idim):
    net = Sequential(
        [
            Dense(128, activation="relu", input_shape=(idim,)),
            Dropout(0.5),
            Dense(64, activation="relu"),
            Dropout(0.5),
            Dense(1, activation="sigmoid"),
        ]
    )
    net.compile(
        optimizer=keras.optimizers.Adam(learning_rate=1e-3),
        loss=keras.losses.BinaryCrossentropy(),
        metrics=["accuracy", keras.metrics.AUC(name="auc")],
    )
    return net
