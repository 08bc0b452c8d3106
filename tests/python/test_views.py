"""Loader views: each framework gets the loader's memory, in its own convention, and learns from it."""

from __future__ import annotations

import pickle

import mlaas
import numpy as np
import pytest

PARAMS = {"identifier": ["run", "event"], "batch_size": 100, "selected_branches": ["a", "b", "jet_pt"], "seed": 3}
JETS = {
    "identifier": ["run", "event"],
    "batch_size": 100,
    "inputs": [
        {"name": "jets", "kind": "padded", "branches": ["jet_pt", "jet_eta"]},
        {"name": "event", "kind": "flat", "branches": ["a", "b"]},
    ],
}


@pytest.fixture
def flat(sample):
    return mlaas.Dataset(*sample, PARAMS)


@pytest.fixture
def weighted(sample):
    return mlaas.Dataset(*sample, {**PARAMS, "weight": "genw"})


@pytest.fixture
def jets(sample):
    return mlaas.Dataset(*sample, JETS)


@pytest.fixture
def addresses(monkeypatch):
    """Addresses of x, y and w of the batches that loaders deliver from now on."""
    from mlaas._batch import Batch

    seen = []
    make = Batch.__init__

    def noting(batch, *arguments):
        make(batch, *arguments)
        seen.append([array.ctypes.data for array in (batch.x, batch.y, batch.w)])

    monkeypatch.setattr(Batch, "__init__", noting)
    return seen


def reference(dataset, **options):
    return [batch.numpy() for batch in dataset.loader(**options)]


def test_masks_of_nonsense(flat):
    from mlaas._views import Layout

    with pytest.raises(mlaas.ArgumentError, match="masks"):
        Layout(flat.loader(), "padding", None, real=True)


# ---- Keras and TensorFlow ----


@pytest.fixture(scope="module")
def keras():
    pytest.importorskip("tensorflow")
    return pytest.importorskip("keras")


def dense(keras, width, weighted=False):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((width,)), keras.layers.Dense(16, "relu"), keras.layers.Dense(1, "sigmoid")])
    more = {"weighted_metrics": ["accuracy"]} if weighted else {"metrics": ["accuracy"]}
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", **more)
    return model


@pytest.mark.slow
def test_keras_gets_the_loaders_memory(keras, weighted, addresses):
    view = weighted.loader().keras()
    wanted = reference(weighted)
    addresses.clear()
    count = 0
    for k, tensors in enumerate(view.get_tf_dataset()):
        assert [np.asarray(tensor).ctypes.data for tensor in tensors] == addresses[-1]
        for tensor, array in zip(tensors, (wanted[k].x, wanted[k].y, wanted[k].w)):
            np.testing.assert_array_equal(tensor, array)
        count += 1
    assert count == len(view) == view.num_batches == len(weighted.loader())


@pytest.mark.slow
def test_keras_fits_validates_evaluates_and_predicts(keras, flat):
    loader, model = flat.loader(), dense(keras, len(flat.recipe.features()))
    validation = flat.loader("validation").keras()
    history = model.fit(loader.keras(), epochs=4, validation_data=validation, verbose=0).history
    assert len(history["val_accuracy"]) == 4 and history["accuracy"][-1] > 0.65
    wanted = reference(flat, split="validation")
    loss, accuracy = model.evaluate(validation, verbose=0)
    y, scores = np.concatenate([batch.y for batch in wanted]), model.predict(validation, verbose=0)[:, 0]
    assert accuracy == pytest.approx(np.mean((scores > 0.5) == y), abs=1e-6)
    direct = np.concatenate([model.predict_on_batch(batch.x)[:, 0] for batch in wanted])
    np.testing.assert_allclose(scores, direct, rtol=1e-5, atol=1e-6)
    assert loader.epoch >= 3


@pytest.mark.slow
def test_keras_fit_is_train_on_batch(keras, flat):
    """The same weights as from the same batches by hand: nothing is reordered, dropped or repeated."""
    width = len(flat.recipe.features())
    fitted, by_hand = dense(keras, width), dense(keras, width)
    fitted.fit(flat.loader().keras(), epochs=2, verbose=0)
    loader = flat.loader()
    for _ in range(2):
        for batch in loader:
            by_hand.train_on_batch(batch.x, batch.y)
    for ours, wanted in zip(fitted.get_weights(), by_hand.get_weights()):
        np.testing.assert_allclose(ours, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_keras_gets_weights(keras, weighted):
    assert len(next(iter(weighted.loader().keras().get_tf_dataset()))) == 3
    assert len(next(iter(weighted.loader().keras(weights=False).get_tf_dataset()))) == 2
    history = (
        dense(keras, len(weighted.recipe.features()), weighted=True).fit(weighted.loader().keras(), verbose=0).history
    )
    assert np.isfinite(history["loss"][0])


@pytest.mark.slow
def test_keras_masks_are_true_where_real(keras, jets):
    loader = jets.loader()
    inputs, y = next(iter(loader.keras().get_tf_dataset()))
    assert sorted(inputs) == ["event", "jets", "jets_mask"]
    batch = reference(jets)[0]
    np.testing.assert_array_equal(inputs["jets_mask"], batch.inputs["jets"][1][:, :, 0] != 1)
    values, _ = next(iter(loader.keras(masks="values").get_tf_dataset()))
    assert values["jets_mask"].shape == values["jets"].shape and "event_mask" in values
    assert sorted(next(iter(loader.keras(masks=False).get_tf_dataset()))[0]) == ["event", "jets"]
    slots, features = jets.recipe.inputs[0]["slots"], 2
    one, two = keras.Input((slots, features), name="jets"), keras.Input((2,), name="event")
    mask = keras.Input((slots,), name="jets_mask", dtype="bool")
    real = keras.ops.expand_dims(keras.ops.cast(mask, "float32"), -1)
    pooled = keras.ops.sum(keras.layers.Dense(8, "relu")(one) * real, axis=1)
    score = keras.layers.Dense(1, "sigmoid")(keras.layers.Concatenate()([pooled, two]))
    model = keras.Model({"jets": one, "jets_mask": mask, "event": two}, score)
    model.compile("adam", "binary_crossentropy")
    assert np.isfinite(model.fit(loader.keras(), epochs=2, verbose=0).history["loss"]).all()


@pytest.mark.slow
def test_other_back_ends_get_numpy(keras, jets):
    inputs, y = next(jets.loader().keras().get_numpy_iterator())
    assert isinstance(inputs["jets"], np.ndarray) and inputs["jets_mask"].dtype == bool and y.dtype == np.float32


@pytest.mark.slow
def test_tf_data(keras, weighted, jets, addresses):
    loader = weighted.loader()
    dataset = loader.tf_data()
    wanted = reference(weighted)
    addresses.clear()
    assert dataset.cardinality().numpy() == len(wanted)
    got = [tuple(np.asarray(tensor) for tensor in tensors) for tensors in dataset]
    assert {x.ctypes.data for x, _, _ in got} <= {place[0] for place in addresses}
    for (x, _, w), batch in zip(got, wanted):
        np.testing.assert_array_equal(x, batch.x)
        np.testing.assert_array_equal(w, batch.w)
    second = [y.numpy() for _, y, _ in dataset]
    assert not np.array_equal(np.concatenate(second), np.concatenate([y for _, y, _ in got]))
    inputs, _ = next(iter(jets.loader().tf_data()))
    assert inputs["jets_mask"].dtype == bool and inputs["jets"].shape[1:] == inputs["jets_mask"].shape[1:] + (2,)


@pytest.mark.slow
def test_memory_that_is_not_aligned_is_copied(keras):
    """TensorFlow ends the process on it."""
    from mlaas._recipe import aligned
    from mlaas._tensorflow import _to_tensors

    class Whole:
        single, weights, masked = True, False, ()

        def arrays(self, batch, convert, convert_mask):
            return (convert(batch),)

    import tensorflow as tf

    odd = aligned((101,), np.float32)[1:]
    odd[:] = 2
    (tensor,) = _to_tensors(Whole())(odd)
    assert float(tf.reduce_sum(tensor * 2)) == 400


# ---- XGBoost ----


def test_xgboost(weighted):
    xgboost = pytest.importorskip("xgboost")
    loader = mlaas.Dataset(weighted._files, [1, 0], {**PARAMS, "weight": "genw", "negative_weights": "abs"}).loader()
    batches = [batch.numpy() for batch in loader]
    loader.set_epoch(0)
    matrix = xgboost.QuantileDMatrix(loader.xgboost(), max_bin=64)
    assert matrix.num_row() == loader.num_rows and matrix.feature_names == loader.features
    np.testing.assert_array_equal(matrix.get_label(), np.concatenate([batch.y for batch in batches]))
    np.testing.assert_allclose(matrix.get_weight(), np.concatenate([batch.w for batch in batches]), rtol=1e-6)
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1, "max_depth": 3, "max_bin": 64}, matrix, 20)
    x, y = (np.concatenate([getattr(batch, name) for batch in batches]) for name in "xy")
    direct = xgboost.train(
        {"objective": "binary:logistic", "nthread": 1, "max_depth": 3, "max_bin": 64},
        xgboost.QuantileDMatrix(
            x, y, weight=np.concatenate([b.w for b in batches]), feature_names=loader.features, max_bin=64
        ),
        20,
    )
    plain = xgboost.DMatrix(x, feature_names=loader.features)
    np.testing.assert_allclose(booster.predict(plain), direct.predict(plain), atol=0.05)


def test_xgboost_missing_and_padded(jets):
    xgboost = pytest.importorskip("xgboost")
    loader = jets.loader()
    padding = sum(int((mask != 0).sum()) for batch in loader for _, mask in batch.inputs.values())
    loader.set_epoch(0)
    matrix = xgboost.QuantileDMatrix(loader.xgboost(missing=True, weights=False))
    slots = jets.recipe.inputs[0]["slots"]
    assert matrix.num_col() == 2 * slots + 2 == len(set(matrix.feature_names))
    assert matrix.num_nonmissing() == loader.num_rows * matrix.num_col() - padding


# ---- PyTorch (in the environment that has it) ----


def test_torch_gets_the_loaders_memory(weighted, addresses):
    torch = pytest.importorskip("torch")
    wanted = reference(weighted)
    addresses.clear()
    for k, tensors in enumerate(weighted.loader().torch()):
        assert [tensor.data_ptr() for tensor in tensors] == addresses[-1]
        assert all(tensor.dtype == torch.float32 for tensor in tensors)
        np.testing.assert_array_equal(tensors[0], wanted[k].x)


def test_torch_masks_are_true_where_padded(jets):
    torch = pytest.importorskip("torch")
    inputs, y = next(iter(jets.loader().torch()))
    assert sorted(inputs) == ["event", "jets", "jets_mask"] and inputs["jets_mask"].dtype == torch.bool
    np.testing.assert_array_equal(inputs["jets_mask"], reference(jets)[0].inputs["jets"][1][:, :, 0] == 1)
    padded = inputs["jets"][inputs["jets_mask"]]
    assert (padded == 0).all()


def test_torch_learns(flat):
    torch = pytest.importorskip("torch")
    torch.manual_seed(1)
    model = torch.nn.Sequential(
        torch.nn.Linear(len(flat.recipe.features()), 16), torch.nn.ReLU(), torch.nn.Linear(16, 1)
    )
    optimizer, loader = torch.optim.Adam(model.parameters(), 0.01), flat.loader().torch()
    for _ in range(5):
        for x, y in loader:
            optimizer.zero_grad()
            torch.nn.functional.binary_cross_entropy_with_logits(model(x)[:, 0], y).backward()
            optimizer.step()
    right = [((model(x)[:, 0] > 0) == (y > 0.5)).float().mean().item() for x, y in flat.loader("validation").torch()]
    assert np.mean(right) > 0.65


@pytest.mark.parametrize("workers", [0, 2])
def test_torch_workers_share_the_rows(flat, workers):
    torch = pytest.importorskip("torch")
    from torch.utils.data import DataLoader

    loader = DataLoader(flat.loader().torch(), batch_size=None, num_workers=workers)
    epochs = [torch.cat([x for x, _ in loader]) for _ in range(2)]
    whole = np.concatenate([batch.x for batch in flat.loader()])
    for x in epochs:
        assert len(x) == len(whole) // max(workers, 1) * max(workers, 1)
        got = {row.tobytes() for row in x.numpy()}
        assert got <= {row.tobytes() for row in whole}
    assert not torch.equal(epochs[0], epochs[1])


def test_torch_views_pickle(flat):
    pytest.importorskip("torch")
    view = flat.loader().torch()
    twin = pickle.loads(pickle.dumps(view))
    for (x, _), (wanted, _) in zip(twin, view):
        np.testing.assert_array_equal(x, wanted)
