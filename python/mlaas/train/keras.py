"""Keras 3 (TensorFlow): trains on whole ready batches with one compiled step, exports .keras and a SavedModel.

The loop is our own because `fit` gathers rows and so runs at half the speed of ready batches. A model with a
`train_step` of its own is trained by `train_on_batch`.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import tensorflow as tf

from .._errors import ArgumentError, FormatError, UnsupportedError
from ._base import Predictor, Trainer, check_width, flat_scores, slot_valid, wanted_inputs

PROBABILITIES = ("sigmoid", "softmax", "hard_sigmoid")
TFAAS_INPUT = "inputs_input"  # TFaaS looks for the operation serving_default_inputs_input and for nothing else


def to_tensor(array):
    """A float32 array as a tensor on the same memory; a copy where DLPack cannot (other types, borrowed read-only)."""
    if array.dtype == np.float32 and array.flags.c_contiguous and array.flags.writeable and array.ctypes.data % 64 == 0:
        return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
    return tf.convert_to_tensor(array)


class Feed:
    """Turns the inputs of a recipe into what the model's `call` takes: a tensor, or a dict by the model's own names."""

    def __init__(self, model, inputs):
        self.inputs = inputs
        tensors = list(getattr(model, "inputs", None) or [])
        names = [tensor.name.split(":")[0] for tensor in tensors]
        wanted = wanted_inputs(names, inputs)
        self.single = wanted is None and len(inputs) == 1 and len(tensors) <= 1
        if self.single:
            self.keys = [(inputs[0]["name"], inputs[0]["name"], False)]
        elif wanted is not None and names:
            self.keys = wanted
        elif not tensors:
            self.keys = [(item["name"], item["name"], False) for item in inputs]
        else:
            known = ", ".join(f"{item['name']}, {item['name']}_mask" for item in inputs)
            raise ArgumentError(
                f"the model's inputs are named {', '.join(names)}; the data has {known}: "
                "name the keras.Input layers like that"
            )
        ranks = {name: (len(tensor.shape), tensor.dtype) for name, tensor in zip(names, tensors)}
        self.ranks = {} if self.single else ranks
        self.bare = self.single or (len(self.keys) == 1 and len(tensors) == 1)

    def _mask(self, key, mask):
        rank, dtype = self.ranks.get(key, (2, "bool"))
        valid = slot_valid(mask) if rank == 2 else np.asarray(mask) == 0
        return tf.convert_to_tensor(valid.astype(dtype))

    def __call__(self, inputs):
        tensors = {}
        for key, name, is_mask in self.keys:
            x, mask = inputs[name]
            tensors[key] = self._mask(key, mask) if is_mask else to_tensor(x)
        return next(iter(tensors.values())) if self.bare else tensors

    def signature(self):
        specs = {}
        by_name = {item["name"]: item for item in self.inputs}
        for key, name, is_mask in self.keys:
            item = by_name[name]
            shape = [None, item["slots"], item["features"]] if item["padded"] else [None, item["features"]]
            rank, dtype = self.ranks.get(key, (len(shape), "float32"))
            specs[key] = tf.TensorSpec(shape[:rank] if is_mask else shape, dtype if is_mask else "float32", name=key)
        return next(iter(specs.values())) if self.bare else specs


def loss_name(loss) -> str:
    name = loss if isinstance(loss, str) else getattr(loss, "name", None) or getattr(loss, "__name__", "")
    return str(name or "")


def expected_width(model):
    """The number of columns that a one-input model was built for, or None."""
    inputs = getattr(model, "inputs", None)
    return inputs[0].shape[-1] if inputs and len(inputs) == 1 else None


class KerasTrainer(Trainer):
    framework = "keras"

    def __init__(self, user, task, recipe, params, say):
        super().__init__(user, task, recipe, params, say)
        if keras.backend.backend() != "tensorflow":
            raise UnsupportedError(
                f"Keras runs on {keras.backend.backend()} here; set KERAS_BACKEND=tensorflow "
                "(the bundle needs a SavedModel), or give a torch.nn.Module"
            )
        check_width(expected_width(self.model), self.inputs, user.source or "model")
        self.feed = Feed(self.model, self.inputs)
        signature = self.feed.signature()
        output = self._build(signature)
        self.units = int(output.shape[-1]) if len(output.shape) > 1 else 1
        self._check_outputs()
        self.logits = self._compile()
        self.one_hot = self.units > 1 and "sparse" not in loss_name(self.model.loss) and not task.regression
        self.total, self.rows = tf.Variable(0.0, dtype=tf.float64, trainable=False), 0
        self.own_step = type(self.model).train_step is keras.Model.train_step
        self._make_steps(signature)

    def _build(self, signature):
        zeros = tf.nest.map_structure(lambda spec: tf.zeros([2, *spec.shape[1:]], spec.dtype), signature)
        try:
            output = self.model(zeros, training=False)
        except Exception as error:
            first = str(error).strip().splitlines()[0]
            raise ArgumentError(
                f"{self.user.source or 'model'}: the model does not take the data's inputs: "
                f"{type(error).__name__}: {first}"
            ) from error
        if isinstance(output, (list, tuple, dict)):
            raise UnsupportedError("the model has several outputs; give one output, a score for each class")
        return output

    def _check_outputs(self):
        classes = len(self.task.classes)
        if not self.task.regression and self.units not in {self.task.num_outputs, classes}:
            raise ArgumentError(
                f"the model has {self.units} outputs, the data has {classes} classes: the last layer "
                f"needs {self.task.num_outputs if classes > 2 else '1 (or 2)'} units"
            )

    def _compile(self) -> bool:
        """Compiles what the user has not; returns whether the outputs are logits."""
        layers = getattr(self.model, "layers", None) or [None]
        activation = getattr(getattr(layers[-1], "activation", None), "__name__", "")
        plain = activation in PROBABILITIES
        if getattr(self.model, "compiled", False):
            return bool(getattr(self.model.loss, "from_logits", False)) and not self.task.regression
        if self.task.regression:
            loss = keras.losses.MeanSquaredError()
        elif self.units == 1:
            loss = keras.losses.BinaryCrossentropy(from_logits=not plain)
        else:
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=not plain)
        self.model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=loss)
        self.note(f"the model is not compiled: trained with Adam(1e-3) and {loss_name(loss)}")
        return not plain and not self.task.regression

    def _scores(self, output):
        if not self.logits:
            return output
        return tf.nn.sigmoid(output) if self.units == 1 else tf.nn.softmax(output)

    def _make_steps(self, signature):
        y_type = tf.float32 if self.task.regression or self.units == 1 or self.one_hot else tf.int64
        y_spec = tf.TensorSpec([None, self.units] if self.one_hot else [None], y_type)
        w_spec = tf.TensorSpec([None], tf.float32)
        model, optimizer = self.model, self.model.optimizer
        optimizer.build(model.trainable_variables)

        def train(x, y, w):
            with tf.GradientTape() as tape:
                output = model(x, training=True)
                loss = model.compute_loss(x=x, y=y, y_pred=output, sample_weight=w, training=True)
                scaled = optimizer.scale_loss(loss)
            optimizer.apply_gradients(zip(tape.gradient(scaled, model.trainable_variables), model.trainable_variables))
            self.total.assign_add(tf.cast(loss, tf.float64) * tf.cast(tf.shape(w)[0], tf.float64))

        def evaluate(x, y, w):
            output = model(x, training=False)
            return self._scores(output), model.compute_loss(x=x, y=y, y_pred=output, sample_weight=w, training=False)

        self.train_step = tf.function(train, input_signature=[signature, y_spec, w_spec])
        self.evaluate_step = tf.function(evaluate, input_signature=[signature, y_spec, w_spec])
        self.predict_step = tf.function(lambda x: self._scores(model(x, training=False)), input_signature=[signature])

    def _labels(self, batch):
        index = self.task.index(batch.y)
        if self.one_hot:
            return np.eye(self.units, dtype=np.float32)[index]
        return index.astype(np.float32 if self.units == 1 or self.task.regression else np.int64, copy=False)

    def begin_epoch(self):
        self.total.assign(0.0)
        self.rows = 0

    def train_batch(self, batch):
        x, y = self.feed(batch.inputs), self._labels(batch)
        self.rows += len(y)
        if self.own_step:
            self.train_step(x, tf.convert_to_tensor(y), to_tensor(batch.w))
        else:
            logs = self.model.train_on_batch(x, y, sample_weight=batch.w, return_dict=True)
            self.total.assign_add(float(logs.get("loss", 0.0)) * len(y))

    def end_epoch(self):
        return {"loss": float(self.total.numpy()) / max(self.rows, 1)}

    def evaluate_batch(self, batch):
        score, loss = self.evaluate_step(
            self.feed(batch.inputs), tf.convert_to_tensor(self._labels(batch)), to_tensor(batch.w)
        )
        return flat_scores(score.numpy()), float(loss) * len(batch.y)

    def predict(self, inputs):
        return flat_scores(self.predict_step(self.feed(inputs)).numpy())

    def _variables(self):
        return list(self.model.variables) + list(self.model.optimizer.variables)

    def save_state(self, folder):
        np.savez(
            os.path.join(folder, "keras.npz"),
            **{f"v{i}": np.asarray(variable) for i, variable in enumerate(self._variables())},
        )

    def load_state(self, folder):
        variables = self._variables()
        with np.load(os.path.join(folder, "keras.npz")) as saved:
            if len(saved.files) != len(variables):
                raise FormatError(
                    f"{folder}: the checkpoint is of another model ({len(saved.files)} variables, "
                    f"this model has {len(variables)}); remove it or train without resume"
                )
            for i, variable in enumerate(variables):
                if tuple(variable.shape) != saved[f"v{i}"].shape:
                    raise FormatError(
                        f"{folder}: variable {variable.path} has another shape in the checkpoint; "
                        "remove it or train without resume"
                    )
                variable.assign(saved[f"v{i}"])

    def _serving(self):
        """The function of the SavedModel: named inputs, float32, scores; and its tensor specs."""
        specs, bare = self.feed.signature(), self.feed.bare
        if bare:
            specs = {TFAAS_INPUT: tf.TensorSpec(specs.shape, specs.dtype, name=TFAAS_INPUT)}
        names = list(specs)

        def serve(*tensors):
            x = tensors[0] if bare else dict(zip(names, tensors))
            return {"output_0": self._scores(self.model(x, training=False))}

        return tf.function(serve, input_signature=list(specs.values())), specs

    def export(self, folder):
        self.model.save(os.path.join(folder, "model.keras"))
        serve, specs = self._serving()
        module = tf.Module()
        # TensorFlow's own variables, not Keras's: of those the export makes copies, which is what would be restored
        module.held = [variable.value for variable in self.model.variables]
        target = os.path.join(folder, "saved_model")
        tf.saved_model.save(module, target, signatures={"serving_default": serve.get_concrete_function()})
        os.makedirs(os.path.join(target, "assets"), exist_ok=True)  # TFaaS takes a folder for a SavedModel by it
        with open(os.path.join(target, "assets", "keep"), "wb"):
            pass
        sources = {key: (name, is_mask) for key, name, is_mask in self.feed.keys}
        inputs = []
        for (key, spec), (name, is_mask) in zip(specs.items(), sources.values()):
            shape = [-1 if size is None else int(size) for size in spec.shape]
            inputs.append(
                {
                    "name": key,
                    "recipe_input": name,
                    "dtype": spec.dtype.name,
                    "shape": shape,
                    "mask": "valid" if is_mask else "none",
                }
            )
        return {
            "back_end": "tensorflow",
            "file": "saved_model",
            "native_file": "model.keras",
            "inputs": inputs,
            "outputs": [{"name": "output_0", "dtype": "float32", "shape": [-1, self.units]}],
        }


class SavedPredictor(Predictor):
    """Scores from the SavedModel: needs none of the user's classes."""

    def __init__(self, folder, info):
        self.loaded = tf.saved_model.load(os.path.join(folder, info["file"]))
        self.run, self.inputs = self.loaded.signatures["serving_default"], info["inputs"]

    def predict(self, inputs):
        feed = {}
        for item in self.inputs:
            x, mask = inputs[item["recipe_input"]]
            if item["mask"] == "valid":
                valid = slot_valid(mask) if len(item["shape"]) == 2 else np.asarray(mask) == 0
                feed[item["name"]] = tf.convert_to_tensor(valid.astype(item["dtype"]))
            else:
                feed[item["name"]] = to_tensor(x)
        return flat_scores(next(iter(self.run(**feed).values())).numpy())


def load(folder, info) -> Predictor:
    return SavedPredictor(folder, info)


TRAINER = KerasTrainer
