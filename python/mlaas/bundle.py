"""Bundles: a directory with a trained model, the recipe of its inputs, its metrics and report. Written whole or not at
all, read back as a `Bundle` that predicts.

Knows the layout on disk; each framework's own files are the business of train/.
"""

from __future__ import annotations

import errno
import html
import json
import os
import re
import shutil

import numpy as np

from . import report
from ._errors import ArgumentError, FormatError, IOError, NotFoundError, UnsupportedError
from ._predictor import open_predictor
from ._recipe import Recipe
from ._scores import stream_scores
from .train._checkpoint import swap_in, sync_tree

FORMAT, VERSION = "mlaas-model", 1
SIZES = {
    "": 1,
    "b": 1,
    "k": 10**3,
    "kb": 10**3,
    "kib": 2**10,
    "m": 10**6,
    "mb": 10**6,
    "mib": 2**20,
    "g": 10**9,
    "gb": 10**9,
    "gib": 2**30,
}


def parse_size(value) -> int:
    """Bytes of 1000000, "300 MB" or "1 GiB"; 0 for None."""
    if value is None:
        return 0
    if isinstance(value, (int, float)):
        return int(value)
    match = re.fullmatch(r"\s*([0-9.]+)\s*([a-zA-Z]*)\s*", value)
    if not match or match[2].lower() not in SIZES:
        raise ArgumentError(f"memory: {value!r} is not a size; write it as 300 MB or 2 GiB")
    return int(float(match[1]) * SIZES[match[2].lower()])


def check_target(out) -> str:
    """The absolute path for a new bundle; refuses to replace what is no bundle."""
    out = os.path.abspath(os.fspath(out))
    if os.path.lexists(out) and not os.path.exists(os.path.join(out, "model.json")):
        if not os.path.isdir(out) or os.listdir(out):
            raise ArgumentError(f"{out}: exists and is no bundle; give another name with out")
    parent = os.path.dirname(out)
    if not os.path.isdir(parent):
        raise NotFoundError(f"{parent}: no such folder for the bundle")
    if not os.access(parent, os.W_OK):
        raise IOError(f"{parent}: no permission to write the bundle here")
    return out


def write_json(path: str, value):
    """Strict JSON: a NaN or infinity in it becomes null."""
    with open(path, "w", encoding="utf-8") as stream:
        json.dump(strict(value), stream, indent=1, ensure_ascii=False, default=_plain, allow_nan=False)
        stream.write("\n")


def _plain(value):
    return strict(value.tolist()) if isinstance(value, (np.ndarray, np.generic)) else str(value)


def strict(value):
    if isinstance(value, dict):
        return {str(key): strict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [strict(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    return value


def tfaas_params(name: str, exported: dict) -> dict:
    """params.json as TFaaS wants it, with both spellings of its keys."""
    inputs, outputs = exported["inputs"], exported["outputs"]
    model = "saved_model.pb" if exported["back_end"] == "tensorflow" else exported["file"]
    first = "serving_default_" + inputs[0]["name"] if exported["back_end"] == "tensorflow" else inputs[0]["name"]
    last = "StatefulPartitionedCall" if exported["back_end"] == "tensorflow" else outputs[0]["name"]
    return {
        "name": name,
        "model": model,
        "labels": "labels.txt",
        "description": "trained by mlaas",
        "input_name": first,
        "output_name": last,
        "input_node": first,
        "output_node": last,
        "inputNode": first,
        "outputNode": last,
    }


def _write_labels(folder: str, classes: list):
    with open(os.path.join(folder, "labels.txt"), "w", encoding="utf-8") as stream:
        stream.writelines(f"{value:g}\n" for value in classes)


def _fill(folder: str, name: str, trainer, recipe, about: dict, result: dict, view, log_path: str):
    exported = trainer.export(folder)
    short = {key: value for key, value in result["test"].items() if "roc" not in key}
    write_json(
        os.path.join(folder, "model.json"),
        {
            "format": FORMAT,
            "version": VERSION,
            "name": name,
            "model_version": 1,
            **exported,
            "classes": about["classes"],
            "labels": [f"{value:g}" for value in about["classes"]],
            "metrics": short,
            "training": about,
        },
    )
    with open(os.path.join(folder, "recipe.json"), "w", encoding="utf-8") as stream:
        stream.write(recipe.to_json())
    write_json(
        os.path.join(folder, "metrics.json"),
        {"format": "mlaas-metrics", "version": 1, **result, "history": about["history"]},
    )
    folders = [folder] + ([os.path.join(folder, exported["file"])] if exported["back_end"] == "tensorflow" else [])
    for target in folders:  # the SavedModel's folder is what a TFaaS takes, so it has them too
        write_json(os.path.join(target, "params.json"), tfaas_params(name, exported))
        _write_labels(target, about["classes"])
    with open(os.path.join(folder, "report.html"), "w", encoding="utf-8") as stream:
        stream.write(report.render(view))
    shutil.copyfile(log_path, os.path.join(folder, "train.log.jsonl"))


def write(out: str, trainer, recipe, about: dict, result: dict, view, log_path: str):
    """Writes a bundle beside its place, syncs it and renames it; a failure leaves what was there before."""
    temporary = f"{out}.new-{os.getpid()}"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        os.makedirs(temporary)
        _fill(temporary, os.path.basename(out), trainer, recipe, about, result, view, log_path)
        sync_tree(temporary)
        swap_in(temporary, out)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise IOError(
                f"{out}: no space left on the disk while writing the bundle; nothing was left behind, the "
                "training can be resumed from its checkpoint"
            ) from error
        if isinstance(error, IOError):
            raise
        raise IOError(f"{out}: the bundle cannot be written: {error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _read_json(folder: str, name: str) -> dict:
    path = os.path.join(folder, name)
    try:
        with open(path, encoding="utf-8") as stream:
            value = json.load(stream)
    except FileNotFoundError as error:
        raise NotFoundError(f"{folder}: no {name}, so this is no bundle of mlaas") from error
    except ValueError as error:
        raise FormatError(f"{path}: not JSON: {error}") from error
    if not isinstance(value, dict):
        raise FormatError(f"{path}: expected a JSON object")
    return value


class Bundle:
    """A trained model with its recipe. `predict` takes raw events: files, a Table, a dict or an awkward array."""

    def __init__(self, path: str, backend: str | None = None, options: dict | None = None):
        self.path = os.path.abspath(os.fspath(path))
        self.info = _read_json(self.path, "model.json")
        check_format(self.info, os.path.join(self.path, "model.json"))
        with open(self._file("recipe.json"), encoding="utf-8") as stream:
            self.recipe = Recipe.from_json(stream.read())
        self.metrics = _read_json(self.path, "metrics.json") if os.path.exists(self._file("metrics.json")) else {}
        self._how, self._model = (backend, options), None

    def _file(self, name: str) -> str:
        path = os.path.join(self.path, name)
        if name == "recipe.json" and not os.path.exists(path):
            raise NotFoundError(f"{self.path}: no {name}, so raw events cannot be turned into inputs")
        return path

    @property
    def name(self) -> str:
        return self.info["name"]

    @property
    def classes(self) -> list:
        return self.info.get("classes") or []

    @property
    def model(self):
        """The model, opened at first use: has predict({input: (x, mask)})."""
        if self._model is None:
            self._model = open_predictor(self.path, self.info, *self._how)
        return self._model

    def predict(self, data, *, rename=None, batch_size=8192):
        """Scores as float32, (rows,) or (rows, classes), in the order of the events."""
        if isinstance(data, (str, os.PathLike)) or (
            isinstance(data, (list, tuple)) and data and isinstance(data[0], (str, os.PathLike))
        ):
            parts = [score for _, score in stream_scores(self, data, rename=rename, batch_size=batch_size)]
        else:
            parts = list(self._predict_table(data, batch_size))
        if parts:
            return np.concatenate(parts)
        return np.zeros((0, len(self.classes)) if len(self.classes) > 2 else 0, dtype=np.float32)

    def _predict_table(self, data, batch_size):
        rows = _num_rows(data)
        for start in range(0, rows, batch_size):
            yield self.model.predict(self.recipe.fill(data, start, min(start + batch_size, rows)))

    def __repr__(self):
        test = self.info.get("metrics", {})
        quality = "".join(f", test {key} {test[key]:.4f}" for key in ("auc", "rmse") if test.get(key) is not None)
        return (
            f"<mlaas.Bundle {self.name!r}: {self.info['training']['framework']}, "
            f"{len(self.recipe.features())} columns{quality}, at {self.path}>"
        )

    def _repr_html_(self):
        test, training = self.info.get("metrics", {}), self.info["training"]
        rows = [
            ("framework", training["framework"]),
            ("columns", len(self.recipe.features())),
            ("classes", ", ".join(self.info.get("labels") or []) or "regression"),
            ("epochs", training["epochs_run"]),
        ]
        rows += [
            (f"test {key}", f"{test[key]:.4f}") for key in ("auc", "accuracy", "rmse") if test.get(key) is not None
        ]
        cells = "".join(
            f"<tr><th style='text-align:left'>{html.escape(str(k))}</th><td>{html.escape(str(v))}</td></tr>"
            for k, v in rows
        )
        return f"<b>{html.escape(self.name)}</b><table>{cells}</table><small>{html.escape(self.path)}</small>"


def _num_rows(data) -> int:
    if hasattr(data, "num_entries"):
        return int(data.num_entries)
    if isinstance(data, dict):
        first = next(iter(data.values()), ())
        return len(first[0]) - 1 if isinstance(first, tuple) else len(first)
    return len(data)


def check_format(info: dict, path: str):
    """Refuses what is no model.json of ours, or a newer one."""
    if info.get("format") != FORMAT:
        raise FormatError(f'{path}: "format" is {info.get("format")!r}, expected "{FORMAT}"')
    if int(info.get("version", 0)) > VERSION:
        raise UnsupportedError(
            f"{path}: version {info['version']} of {FORMAT} is newer than this program knows ({VERSION}); update mlaas"
        )
    for key in ("name", "back_end", "file", "inputs", "outputs", "training"):
        if key not in info:
            raise FormatError(f'{path}: no "{key}"')


def load(path, backend: str | None = None, options: dict | None = None) -> Bundle:
    """Opens a bundle that `train` wrote.

    It runs in C by the back end that fits. backend: another one (tensorflow, onnxruntime, openvino, xgboost), or
    python for the framework that trained it. options: for the back end, such as {"precision": "bf16"} of openvino.
    """
    if not os.path.isdir(path):
        raise NotFoundError(f"{os.fspath(path)}: no such bundle (a folder with model.json)")
    return Bundle(path, backend, options)
