"""Training of Keras models: the model file, the course, weights, resume, export."""

import json
import os
import re

import numpy as np
import pytest

keras = pytest.importorskip("keras")
import mlaas  # noqa: E402
from mlaas import metrics  # noqa: E402
from mlaas.progress import Progress  # noqa: E402

MODEL = os.path.join(os.path.dirname(__file__), "model_keras.py")


def small(idim):
    keras.utils.set_random_seed(3)
    net = keras.Sequential(
        [keras.Input((idim,)), keras.layers.Dense(16, activation="relu"), keras.layers.Dense(1, activation="sigmoid")]
    )
    net.compile(optimizer=keras.optimizers.Adam(1e-2), loss="binary_crossentropy")
    return net


def write_model(folder, text, name="model.py"):
    path = folder / name
    path.write_text(text)
    return str(path)


@pytest.fixture(scope="module")
def bundle(sample, tmp_path_factory):
    params = {"identifier": ["run", "event"], "exclude_branches": ["genw", "njet"], "batch_size": 200, "epochs": 3}
    return mlaas.train(*sample, MODEL, params, out=tmp_path_factory.mktemp("keras") / "bundle", progress=False)


def test_the_published_model_file_trains_and_predicts(bundle, sample, make_dataset):
    assert bundle.info["training"]["framework"] == "keras"
    assert bundle.info["back_end"] == "tensorflow" and bundle.info["classes"] == [0, 1]
    assert [row["epoch"] for row in bundle.info["training"]["history"]] == [0, 1, 2]
    assert bundle.metrics["test"]["auc"] > 0.68
    score = bundle.predict(sample[0])
    assert score.dtype == np.float32 and score.shape == (3000,)
    assert metrics.auc(score, np.repeat([1, 0], 1500)) > 0.68


def test_the_test_part_is_the_recipe_s_and_evaluated_once(bundle, sample):
    """AUC in the metrics = AUC of predicted scores over exactly the entries that the recipe calls test."""
    import uproot

    parts, y = [], []
    for name, label in zip(*sample):
        rows = uproot.open(name)["events"].num_entries
        ident = next(f["id"] for f in bundle.info["training"]["files"] if f["url"] == name)
        parts.append(bundle.recipe.split(ident, 0, rows))
        y.append(np.full(rows, label))
    part, y = np.concatenate(parts), np.concatenate(y)
    score = bundle.predict(sample[0])
    assert bundle.metrics["test"]["rows"] == np.sum(part == 2)
    assert bundle.metrics["test"]["auc"] == pytest.approx(metrics.auc(score[part == 2], y[part == 2]), abs=1e-6)


def test_saved_model_and_keras_file_give_the_same(bundle, make_dataset):
    import tensorflow as tf

    dataset = make_dataset()
    batch = next(iter(dataset.loader("test")))
    x = np.array(batch.x)
    loaded = tf.saved_model.load(os.path.join(bundle.path, "saved_model"))
    served = loaded.signatures["serving_default"]
    assert list(served.structured_input_signature[1]) == ["inputs_input"]
    scores = served(inputs_input=tf.constant(x))["output_0"].numpy()
    np.testing.assert_allclose(
        keras.models.load_model(os.path.join(bundle.path, "model.keras")).predict(x, verbose=0), scores, atol=1e-6
    )
    np.testing.assert_allclose(bundle.model.predict(batch.inputs), scores[:, 0], atol=1e-6)
    with tf.compat.v1.Session(graph=tf.Graph()) as session:  # as servers load it, through TensorFlow's C interface
        tf.compat.v1.saved_model.load(session, ["serve"], os.path.join(bundle.path, "saved_model"))
        again = session.run("StatefulPartitionedCall:0", {"serving_default_inputs_input:0": x})
    np.testing.assert_allclose(again, scores, atol=1e-6)
    params = json.load(open(os.path.join(bundle.path, "saved_model", "params.json")))
    assert params["input_name"] == "serving_default_inputs_input" and params["model"] == "saved_model.pb"
    assert os.path.isdir(os.path.join(bundle.path, "saved_model", "assets"))


@pytest.mark.slow
def test_same_seed_same_model(train_small, sample):
    one, two = train_small(MODEL, out="a", seed=5), train_small(MODEL, out="b", seed=5)
    np.testing.assert_array_equal(one.predict(sample[0]), two.predict(sample[0]))
    assert not np.array_equal(train_small(MODEL, out="c", seed=6).predict(sample[0]), one.predict(sample[0]))


class StopAfter(Progress):
    """Interrupts, as Ctrl-C does, when so many epochs have been said."""

    def __init__(self, epochs):
        self.left = epochs

    def _finish(self, step):
        if step.label.startswith("epoch"):
            self.left -= 1

    def step(self, label, total=None, unit="events"):
        if self.left == 0:
            raise KeyboardInterrupt
        return super().step(label, total, unit)


@pytest.mark.slow
def test_resume_after_an_interrupt_gives_what_an_unbroken_training_gives(train_small, sample, tmp_path):
    whole = train_small(MODEL, out="whole", epochs=4)
    with pytest.raises(KeyboardInterrupt):
        train_small(MODEL, out="broken", epochs=4, progress=StopAfter(2))
    assert not (tmp_path / "broken").exists()
    assert (tmp_path / "broken.checkpoint" / "last" / "state.json").exists()
    broken = train_small(MODEL, out="broken", epochs=4, resume=True)
    np.testing.assert_allclose(broken.predict(sample[0]), whole.predict(sample[0]), atol=1e-6)
    keep = [[row["epoch"], row["val_auc"]] for row in broken.info["training"]["history"]]
    assert keep == pytest.approx(np.array([[r["epoch"], r["val_auc"]] for r in whole.info["training"]["history"]]))
    events = [json.loads(line)["event"] for line in open(os.path.join(broken.path, "train.log.jsonl"))]
    assert events.count("epoch") == 4 and "interrupted" in events and "resume" in events
    assert not (tmp_path / "broken.checkpoint").exists()


@pytest.mark.slow
def test_resume_with_other_parameters_is_refused(train_small):
    with pytest.raises(KeyboardInterrupt):
        train_small(MODEL, epochs=3, progress=StopAfter(1))
    with pytest.raises(mlaas.StaleError, match="checkpoint is of other files, parameters or another model"):
        train_small(MODEL, epochs=3, resume=True, batch_size=100)


@pytest.mark.slow
def test_early_stopping_keeps_the_best_epoch(train_small):
    def wild(idim):
        net = small(idim)
        net.optimizer.learning_rate = 0.5
        return net

    bundle = train_small(wild, epochs=30, early_stopping=2)
    history = bundle.info["training"]["history"]
    losses = [row["val_loss"] for row in history]
    assert len(history) < 30 and len(history) - 1 - int(np.argmin(losses)) == 2
    assert bundle.metrics["test"]["auc"] > 0.6


@pytest.mark.slow
def test_weights_reach_the_model(train_small, tmp_path):
    """Half of the signal has its label flipped and weight 0: as good as without it; with weight 1 it is not."""
    from make_sample import write_events

    files = [
        write_events(tmp_path / "s1.root", 1500, True, 11),
        write_events(tmp_path / "s2.root", 1500, True, 12),
        write_events(tmp_path / "b1.root", 1500, False, 13),
        write_events(tmp_path / "b2.root", 1500, False, 14),
    ]
    held = [write_events(tmp_path / "s.root", 2000, True, 15), write_events(tmp_path / "b.root", 2000, False, 16)]
    y = np.repeat([1, 0], 2000)

    def auc(name, files, labels, **params):
        bundle = mlaas.train(
            files,
            labels,
            small,
            {
                "identifier": ["run", "event"],
                "exclude_branches": ["genw", "njet"],
                "batch_size": 200,
                "epochs": 4,
                "leak_guard": "off",
                **params,
            },
            out=tmp_path / name,
            progress=False,
        )
        return metrics.auc(bundle.predict(held), y)

    alone = auc("alone", [files[0], files[2]], [1, 0])
    weighted = auc("weighted", files, [1, 0, 0, 1], weight=[1, 0, 1, 0], class_norm="none")
    unweighted = auc("unweighted", files, [1, 0, 0, 1])
    assert weighted > alone - 0.03
    assert unweighted < alone - 0.1


@pytest.mark.slow
def test_negative_weights_are_taken_as_they_are(train_small):
    bundle = train_small(small, weight="genw", exclude_branches=["njet"])
    test = bundle.metrics["test"]
    assert test["weighted"]["negative_rows"] > 0
    assert test["weighted"]["auc"] != test["auc"]
    assert "genw" not in bundle.recipe.branches


def deepsets(recipe):
    """Sum over the slots of a network of each jet, padding left out by the mask."""
    jets = recipe.inputs[0]
    x = keras.Input((jets["slots"], jets["features"]), name="jets")
    mask = keras.Input((jets["slots"],), name="jets_mask", dtype="float32")
    phi = keras.layers.Dense(16, activation="relu")(x)
    phi = keras.layers.Multiply()([phi, keras.layers.Reshape((jets["slots"], 1))(mask)])
    pooled = keras.ops.sum(phi, axis=1)
    y = keras.layers.Dense(1, activation="sigmoid")(keras.layers.Dense(16, activation="relu")(pooled))
    return keras.Model([x, mask], y)


PADDED = [{"name": "jets", "kind": "padded", "branches": ["jet_eta", "jet_pt"]}]


@pytest.mark.slow
def test_a_deepsets_model_with_mask(train_small, sample):
    bundle = train_small(deepsets, inputs=PADDED, epochs=10, exclude_branches=["genw", "njet", "a", "b", "c"])
    assert "not compiled" in bundle.info["training"]["notes"][0]
    assert [item["name"] for item in bundle.info["inputs"]] == ["jets", "jets_mask"]
    scores = bundle.predict(sample[0])
    assert scores.shape == (3000,)
    assert metrics.auc(scores, np.repeat(sample[1], 1500)) > 0.57
    # what stands in padded slots must not matter
    slots, features = bundle.info["inputs"][0]["shape"][1:]
    x, mask = np.ones((2, slots, features), np.float32), np.ones((2, slots, features), np.uint8)
    mask[:, :2] = 0
    other = x.copy()
    other[:, 2:] = 99
    one, two = (bundle.model.predict({"jets": (v, mask)}) for v in (x, other))
    np.testing.assert_array_equal(one, two)


@pytest.mark.slow
def test_three_classes(tmp_path, sample):
    from make_sample import write_events

    third = write_events(tmp_path / "third.root", 1500, True, 9)

    def model(idim):
        return keras.Sequential([keras.Input((idim,)), keras.layers.Dense(3)])

    bundle = mlaas.train(
        [*sample[0], third],
        [1, 0, 2],
        model,
        {"identifier": ["event"], "exclude_branches": ["genw", "njet"]},
        epochs=2,
        out=tmp_path / "three",
        progress=False,
    )
    assert bundle.predict(sample[0]).shape == (3000, 3)
    assert bundle.predict(sample[0]).sum(axis=1) == pytest.approx(1)
    assert len(bundle.metrics["test"]["auc_per_class"]) == 3


# ---- bad input ----


def refused(train_small, tmp_path, text, **params):
    with pytest.raises(mlaas.Error) as caught:
        train_small(write_model(tmp_path, text), **params)
    return caught.value


def test_syntax_error_names_file_and_line(train_small, tmp_path):
    error = refused(train_small, tmp_path, "import keras\ndef model(idim)\n    return 1\n")
    assert isinstance(error, mlaas.ArgumentError) and error.exit_code == 2
    assert "model.py, line 2 (def model(idim)): syntax error: expected ':'" in str(error)


def test_removed_argument_says_how_to_write_it(train_small, tmp_path):
    text = open(MODEL).read().replace("learning_rate=", "lr=")
    error = str(refused(train_small, tmp_path, text))
    assert re.search(r"model.py, line \d+ \(optimizer=keras.optimizers.Adam\(lr=1e-3\)", error)
    assert "`lr` is now `learning_rate`" in error


@pytest.mark.parametrize(
    "text,words",
    [
        ("def net(idim): pass\n", "no function `model`"),
        ("def model(idim): return None\n", "model() returned nothing; it must return a Keras model"),
        ("def model(idim): return 7\n", "model() returned an object of builtins.int"),
        ("def model(idim, depth): pass\n", "model(idim, depth) needs 2 arguments"),
        (
            "def model(idim): return 1 / 0\n",
            "line 1 (def model(idim): return 1 / 0): the model could not be built: ZeroDivisionError",
        ),
        (
            "import nonsense_of_mine\n",
            "line 1 (import nonsense_of_mine): the model file cannot be imported: ModuleNotFoundError",
        ),
        (
            "import keras\ndef model(): return keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])\n",
            "the model takes 3 columns, the data has",
        ),
        (
            "import keras\ndef model(idim): return keras.Sequential([keras.Input((idim,)), keras.layers.Dense(5)])\n",
            "the model has 5 outputs, the data has 2 classes",
        ),
    ],
)
def test_wrong_model_files(train_small, tmp_path, text, words):
    error = refused(train_small, tmp_path, text)
    assert isinstance(error, mlaas.ArgumentError)
    assert words in str(error)


def test_missing_model_file(train_small, tmp_path):
    with pytest.raises(mlaas.NotFoundError, match="no such model file"):
        train_small(str(tmp_path / "none.py"))


def test_one_class_is_refused(sample, tmp_path):
    with pytest.raises(mlaas.ArgumentError, match="every file has label 1; a classifier needs two classes"):
        mlaas.train(sample[0], [1, 1], small, {}, out=tmp_path / "b", progress=False)


def test_leak_guard_as_an_error(train_small, tmp_path):
    with pytest.raises(mlaas.ArgumentError, match=r'(?s)give the label away.*"exclude_branches": \["run"\]'):
        train_small(small, leak_guard="error", identifier=["event"])
    assert not (tmp_path / "bundle").exists()
