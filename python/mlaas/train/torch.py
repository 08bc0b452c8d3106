"""PyTorch (1.13 or later): a plain training loop on the loader's memory; TorchScript and ONNX out.

A model file may define, beside `model`: `loss(output, y)` or `loss(output, y, w)`, `optimizer(parameters)`, or a whole
`train_step(model, x, y, w, optimizer)` that returns the loss. Without them: a loss that suits the outputs, Adam 1e-3.
A `forward` with parameters named like the inputs gets those; `NAME_mask` (or `mask`) is bool, True where a slot is
padding, as torch's key_padding_mask has it.
"""

from __future__ import annotations

import inspect
import io
import os
import warnings

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from .._errors import ArgumentError, UnsupportedError
from ._base import Predictor, Trainer, flat_scores, slot_valid, wanted_inputs

MODEL_FILE, STATE_FILE, ONNX_FILE = "model.pt", "model_state.pt", "model.onnx"
PROBE = 1000.0  # logits leave [0, 1] when the inputs are this much larger, probabilities do not


class Feed:
    """The arguments of `forward`, in its order, from the inputs of a recipe."""

    def __init__(self, model, inputs, device):
        self.inputs, self.device = inputs, device
        parameters = [
            p
            for p in inspect.signature(model.forward).parameters.values()
            if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
        names = [p.name for p in parameters]
        if len(inputs) == 1 and names and names[0] not in (inputs[0]["name"], inputs[0]["name"] + "_mask"):
            names[0] = inputs[0]["name"]
        known = {item["name"] for item in inputs} | {item["name"] + "_mask" for item in inputs} | {"mask"}
        names = [name for name, p in zip(names, parameters) if name in known or p.default is p.empty]
        self.keys = wanted_inputs(names, inputs)
        if not self.keys:
            there = ", ".join(sorted(known))
            raise ArgumentError(
                f"forward({', '.join(names)}) does not fit the data, which has {there}: name its parameters like that"
            )

    def __call__(self, inputs):
        return tuple(self._tensor(inputs[name], is_mask).to(self.device) for _, name, is_mask in self.keys)

    @staticmethod
    def _tensor(pair, is_mask):
        x, mask = pair
        return torch.from_numpy(~slot_valid(mask)) if is_mask else torch.from_numpy(np.ascontiguousarray(x))

    def example(self, rows: int):
        made = {}
        for item in self.inputs:
            shape = (rows, item["slots"], item["features"]) if item["padded"] else (rows, item["features"])
            made[item["name"]] = (
                np.random.default_rng(0).normal(size=shape).astype(np.float32),
                np.zeros(shape, np.uint8),
            )
        return made


class Scored(nn.Module):
    """A model with the activation that makes its outputs scores."""

    def __init__(self, model, activation: str):
        super().__init__()
        self.model, self.activation = model, activation

    def forward(self, *arguments):
        output = self.model(*arguments)
        if self.activation == "sigmoid":
            return torch.sigmoid(output)
        if self.activation == "softmax":
            return torch.softmax(output, dim=-1)
        return torch.exp(output) if self.activation == "exp" else output


class TorchTrainer(Trainer):
    framework = "torch"

    def __init__(self, user, task, recipe, params, say):
        super().__init__(user, task, recipe, params, say)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model.to(self.device)
        self.feed = Feed(self.model, self.inputs, self.device)
        output = self._probe(1.0)
        self.units = int(output.shape[1]) if output.ndim > 1 else 1
        classes = len(task.classes)
        if not task.regression and self.units not in {task.num_outputs, classes}:
            raise ArgumentError(
                f"the model has {self.units} outputs, the data has {classes} classes: the last layer "
                f"needs {task.num_outputs if classes > 2 else '1 (or 2)'} outputs"
            )
        self.activation = self._activation()
        self.scored = Scored(self.model, self.activation)
        self.optimizer = self._optimizer()
        self.total, self.rows = None, 0

    def _probe(self, factor):
        inputs = {name: (x * np.float32(factor), mask) for name, (x, mask) in self.feed.example(64).items()}
        self.model.eval()
        try:
            with torch.no_grad():
                return self.model(*self.feed(inputs)).float().cpu()
        except (RuntimeError, TypeError, ValueError) as error:
            raise ArgumentError(
                f"{self.user.source or 'model'}: the model does not take the data's inputs: "
                f"{str(error).strip().splitlines()[0]}"
            ) from error

    def _activation(self) -> str:
        """What turns outputs into scores, seen from the outputs themselves: forward may hide its activation."""
        if self.task.regression:
            return ""
        outputs = [self._probe(factor) for factor in (1.0, PROBE, -PROBE)]
        inside = all(bool(((out >= 0) & (out <= 1)).all()) for out in outputs)
        if self.units == 1:
            return "" if inside else "sigmoid"
        if inside and all(bool(((out.sum(dim=1) - 1).abs() < 1e-3).all()) for out in outputs):
            return ""
        logs = all(bool(((out.exp().sum(dim=1) - 1).abs() < 1e-3).all()) for out in outputs)
        return "exp" if logs else "softmax"

    def _optimizer(self):
        make = self.user.hooks.get("optimizer")
        rate = float(self.params.get("learning_rate") or 1e-3)
        made = make(self.model.parameters()) if make else torch.optim.Adam(self.model.parameters(), lr=rate)
        if not hasattr(made, "zero_grad"):
            raise ArgumentError(f"{self.user.source}: optimizer(parameters) must return a torch optimizer")
        return made

    def _loss(self, output, y, w):
        """Mean over the rows of weight times loss."""
        hook = self.user.hooks.get("loss")
        if hook:
            takes_w = len(inspect.signature(hook).parameters) > 2
            value = hook(output, y, w) if takes_w else hook(output, y)
            if takes_w or value.ndim == 0:
                if not takes_w and bool((w != 1).any()):
                    self.note(
                        "loss(output, y) gives one number, so weights are not used: "
                        "return one value for each row, or take loss(output, y, w)"
                    )
                return value.mean()
            return (value.reshape(len(w), -1).mean(dim=1) * w).mean()
        return (self._row_loss(output, y) * w).mean()

    def _row_loss(self, output, y):
        if self.task.regression:
            return functional.mse_loss(output.reshape(len(y)), y, reduction="none")
        if self.units == 1:
            flat = output.reshape(len(y))
            if self.activation == "sigmoid":
                return functional.binary_cross_entropy_with_logits(flat, y, reduction="none")
            return functional.binary_cross_entropy(flat, y, reduction="none")
        if self.activation == "softmax":
            return functional.cross_entropy(output, y, reduction="none")
        logs = output if self.activation == "exp" else torch.log(output.clamp_min(1e-12))
        return functional.nll_loss(logs, y, reduction="none")

    def _batch(self, batch):
        index = self.task.index(batch.y)
        y = torch.from_numpy(np.asarray(index, dtype=np.float32 if self.units == 1 else np.int64))
        w = torch.from_numpy(np.ascontiguousarray(batch.w))
        return self.feed(batch.inputs), y.to(self.device), w.to(self.device)

    def begin_epoch(self):
        self.model.train()
        self.total, self.rows = torch.zeros((), dtype=torch.float64, device=self.device), 0

    def train_batch(self, batch):
        x, y, w = self._batch(batch)
        step = self.user.hooks.get("train_step")
        if step:
            loss = step(self.model, x[0] if len(x) == 1 else x, y, w, self.optimizer)
            loss = torch.as_tensor(0.0 if loss is None else loss)
        else:
            self.optimizer.zero_grad()
            loss = self._loss(self.model(*x), y, w)
            loss.backward()
            self.optimizer.step()
        self.total += loss.detach().double().to(self.device) * len(y)
        self.rows += len(y)

    def end_epoch(self):
        return {"loss": float(self.total) / max(self.rows, 1)}

    def evaluate_batch(self, batch):
        x, y, w = self._batch(batch)
        self.model.eval()
        with torch.no_grad():
            loss = None if "train_step" in self.user.hooks else float(self._loss(self.model(*x), y, w)) * len(y)
            return flat_scores(self.scored(*x).cpu().numpy()), loss

    def predict(self, inputs):
        self.model.eval()
        with torch.no_grad():
            return flat_scores(self.scored(*self.feed(inputs)).cpu().numpy())

    def save_state(self, folder):
        torch.save(
            {
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "random": torch.get_rng_state(),
            },
            os.path.join(folder, STATE_FILE),
        )

    def load_state(self, folder):
        state = torch.load(os.path.join(folder, STATE_FILE), map_location=self.device)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["random"].cpu())

    def export(self, folder):
        self.model.eval().cpu()
        self.feed.device = torch.device("cpu")
        example = self.feed(self.feed.example(3))
        torch.save(self.model.state_dict(), os.path.join(folder, STATE_FILE))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._export_script(os.path.join(folder, MODEL_FILE), example)
            written = self._export_onnx(os.path.join(folder, ONNX_FILE), example)
        inputs = []
        for key, name, is_mask in self.feed.keys:
            item = next(item for item in self.inputs if item["name"] == name)
            shape = [-1, item["slots"], item["features"]] if item["padded"] else [-1, item["features"]]
            inputs.append(
                {
                    "name": key,
                    "recipe_input": name,
                    "dtype": "bool" if is_mask else "float32",
                    "shape": shape[:2] if is_mask else shape,
                    "mask": "padding" if is_mask else "none",
                }
            )
        return {
            "back_end": "onnx" if written else "python",
            "file": ONNX_FILE if written else MODEL_FILE,
            "native_file": MODEL_FILE,
            "state_file": STATE_FILE,
            "inputs": inputs,
            "outputs": [{"name": "score", "dtype": "float32", "shape": [-1, self.units]}],
        }

    def _export_script(self, path, example):
        """TorchScript needs none of the user's code; a module that it cannot hold is pickled whole."""
        try:
            torch.jit.trace(self.scored.eval(), example).save(path)
        except Exception as error:  # tracing runs the user's code
            self.note(
                f"no TorchScript ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}): "
                "model.pt is a pickle and needs the model file to load"
            )
            try:
                torch.save(self.scored, path)
            except (AttributeError, TypeError, OSError) as failure:
                raise UnsupportedError(f"the model can neither be traced nor pickled: {failure}") from failure

    def _export_onnx(self, path, example) -> bool:
        names = [key for key, _, _ in self.feed.keys]
        axes = {name: {0: "rows"} for name in names + ["score"]}
        extra = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
        buffer = io.BytesIO()
        try:
            torch.onnx.export(
                self.scored,
                example,
                buffer,
                input_names=names,
                output_names=["score"],
                dynamic_axes=axes,
                opset_version=14,
                **extra,
            )
        except Exception as error:  # the exporter raises all sorts for operators that it does not know
            self.note(f"no ONNX file: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
            return False
        with open(path, "wb") as stream:
            stream.write(buffer.getvalue())
        return True


class SavedPredictor(Predictor):
    def __init__(self, folder, info):
        path = os.path.join(folder, info["native_file"])
        try:
            self.model = torch.jit.load(path)
        except RuntimeError:
            try:
                self.model = torch.load(path)
            except (AttributeError, ModuleNotFoundError) as error:
                raise UnsupportedError(f"{path}: needs the model file that it was trained with: {error}") from error
        self.model.eval()
        self.inputs = info["inputs"]

    def predict(self, inputs):
        arguments = [Feed._tensor(inputs[item["recipe_input"]], item["mask"] == "padding") for item in self.inputs]
        with torch.no_grad():
            return flat_scores(self.model(*arguments).numpy())


def load(folder, info) -> Predictor:
    return SavedPredictor(folder, info)


TRAINER = TorchTrainer
