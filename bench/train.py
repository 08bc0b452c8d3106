"""Does making batches hide behind training?   train.py FILE [--events N] [--rounds R]

Prints one JSON line: seconds for an epoch of the loader alone (one core), of Keras alone on ready batches (the other
core), and of both at once, medians over interleaved rounds. The ratio is both / max(loader, Keras): 1 is perfect.
The model is the one of the original's example (Dense 128, 64, 1), batches of 500, TensorFlow with one thread. The epoch
has to be long against a window of the shuffle (65,536 rows): its first window is made before there is anything to train
on, its last one trained while nothing is made.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

BATCH = 500


def open_data(file, events):
    import mlaas

    params = {"nevts": events, "batch_size": BATCH, "split": [1, 0, 0]}
    return mlaas.Dataset([file] * 8, [1, 0] * 4, params, threads=1, memory="1GB")


def make_trainer(dataset):
    import keras
    import tensorflow as tf
    from mlaas.train import _base
    from mlaas.train._model import load
    from mlaas.train.keras import KerasTrainer

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)

    def model(idim):
        layers = [keras.Input((idim,)), keras.layers.Dense(128, "relu"), keras.layers.Dense(64, "relu")]
        made = keras.Sequential([*layers, keras.layers.Dense(1, "sigmoid")])
        made.compile("adam", "binary_crossentropy")
        return made

    user = load(model, dataset.recipe, lambda: None)
    return KerasTrainer(user, _base.make_task(dataset), dataset.recipe, dataset.params, lambda text: None)


def timed(batches, work):
    start, rows = time.perf_counter(), 0
    for batch in batches:
        work(batch)
        rows += batch.rows
    return (time.perf_counter() - start) / rows


def loader_alone(dataset):
    loader = dataset.loader("train")
    timed(loader, lambda batch: None)  # the first epoch warms caches and memory
    return timed(loader, lambda batch: None)


def keras_alone(dataset):
    trainer = make_trainer(dataset)
    ready = []
    for batch in dataset.loader("train"):
        ready.append(batch.numpy())
        if len(ready) == 100:
            break
    trainer.begin_epoch()
    timed(ready, trainer.train_batch)
    return min(timed(ready, trainer.train_batch) for _ in range(2))


def both(dataset):
    trainer, loader = make_trainer(dataset), dataset.loader("train")
    trainer.begin_epoch()
    timed(loader, trainer.train_batch)
    return timed(loader, trainer.train_batch)


PARTS = {"loader": (loader_alone, "0"), "keras": (keras_alone, "1"), "both": (both, "0,1")}


def measure(part, file, events):
    """Seconds per event, in a process of its own on its own cores."""
    command = ["taskset", "-c", PARTS[part][1], sys.executable, os.path.abspath(__file__), file]
    command += ["--events", str(events), "--part", part]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.strip().splitlines()[-1])


def main():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("file")
    words.add_argument("--events", type=int, default=600_000)
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    args = words.parse_args()
    if args.part:
        print(PARTS[args.part][0](open_data(args.file, args.events)))
        return
    taken = {part: [] for part in PARTS}
    for _ in range(args.rounds):
        for part, values in taken.items():
            values.append(measure(part, args.file, args.events))
    medians = {part: statistics.median(values) for part, values in taken.items()}
    ratio = medians["both"] / max(medians["loader"], medians["keras"])
    rates = {part + "_kevents_per_s": round(1e-3 / value, 1) for part, value in medians.items()}
    print(json.dumps({"bench": "train", "file": os.path.basename(args.file), **rates, "ratio": round(ratio, 3),
                      "target": 1.15}))


if __name__ == "__main__":
    main()
