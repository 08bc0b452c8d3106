"""The user's model: where it comes from (file, function, object), how it is built, which framework it belongs to.

Must not import any framework but one that the user's file is called after: his own code has done so by the time one is
needed.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import os
import re
import sys
import traceback
from dataclasses import dataclass, field

from .._errors import ArgumentError, NotFoundError

HOOKS = ("loss", "optimizer", "train_step")
# What current libraries have removed, and how the line is written now.
REMOVED = (
    (r"(not recognized|unexpected keyword).*\blr\b", "`lr` is now `learning_rate`: write Adam(learning_rate=1e-3)"),
    (
        r"(not recognized|unexpected keyword).*\bdecay\b",
        "`decay` is gone: use a learning rate schedule, or `weight_decay` if that is meant",
    ),
    (
        r"No module named 'keras\.(layers|models|optimizers|utils)\.",
        "import from keras.layers, keras.models or keras.utils directly; the sub-modules of old Keras are gone",
    ),
    (r"No module named 'tensorflow\.keras", "write `import keras` or `from tensorflow import keras`"),
    (
        r"No module named 'keras\.wrappers",
        "keras.wrappers is gone: return the scikit-learn estimator or the Keras model",
    ),
    (
        r"cannot import name '(\w+)' from 'keras\.optimizers",
        "this optimizer is gone from Keras 3: take one of Adam, SGD, RMSprop, Adagrad",
    ),
    (
        r"module 'tensorflow' has no attribute '(Session|placeholder|ConfigProto|set_random_seed)'",
        "TensorFlow 1 interface: write tf.compat.v1 in front of it, or remove the line",
    ),
    (
        r"module 'numpy' has no attribute '(float|int|bool|object|long)'",
        "NumPy removed this alias: write the plain Python type (float, int, bool)",
    ),
    (r"use_label_encoder", "XGBoost removed use_label_encoder: leave it out"),
    (r"weights should be set after|batch_input_shape", "use keras.Input(shape=...) as the first layer"),
)


@dataclass
class UserModel:
    """What the user gave, built: the object, its framework and the hooks that a model file may define beside it."""

    model: object
    framework: str
    source: str = ""
    text: str = ""
    hooks: dict = field(default_factory=dict)


def framework_of(model) -> str | None:
    """keras, torch, xgboost or sklearn by the classes of the object; None for anything else."""
    kinds = type(model).__mro__
    roots = [kind.__module__.split(".")[0] for kind in kinds]
    if "xgboost" in roots:
        return "xgboost"
    if "torch" in roots and any(kind.__name__ == "Module" for kind in kinds):
        return "torch"
    if ("keras" in roots or "tensorflow" in roots) and any(kind.__name__ == "Model" for kind in kinds):
        return "keras"
    if hasattr(model, "fit") and (hasattr(model, "predict") or hasattr(model, "decision_function")):
        return "sklearn"
    return None


def _advice(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error}"
    for pattern, words in REMOVED:
        if re.search(pattern, text, re.S):
            return "; " + words
    return ""


def _user_line(error: BaseException, path: str) -> str:
    """`model.py line 12 (the line itself)` of the deepest frame in the user's file."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    if not frames:
        return path
    line = (frames[-1].line or "").strip()
    return f"{path}, line {frames[-1].lineno}" + (f" ({line})" if line else "")


def _explain(error: Exception, path: str, what: str):
    first = str(error).strip().splitlines()
    message = f"{type(error).__name__}: {first[0] if first else ''}"
    return ArgumentError(f"{_user_line(error, path)}: {what}: {message}{_advice(error)}")


_FRAMEWORKS = ("keras", "numpy", "sklearn", "tensorflow", "torch", "xgboost")


def _import_file(path: str):
    if not os.path.exists(path):
        raise NotFoundError(f"{path}: no such model file; it must be a Python file with a function model(idim)")
    if not os.path.isfile(path):
        raise ArgumentError(f"{path}: not a file; --model takes a Python file with a function model(idim)")
    stem = os.path.splitext(os.path.basename(path))[0]
    if stem in _FRAMEWORKS:  # else the file would find itself when it imports the framework
        with contextlib.suppress(ImportError):
            importlib.import_module(stem)
    name = "mlaas_user_" + re.sub(r"\W", "_", stem)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ArgumentError(f"{path}: not a Python file; its name should end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # pickled classes of the file need to find it
    sys.path.insert(0, os.path.dirname(path))
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        where = error.filename or path
        line = (error.text or "").strip()
        raise ArgumentError(f"{where}, line {error.lineno} ({line}): syntax error: {error.msg}") from error
    except Exception as error:
        raise _explain(error, path, "the model file cannot be imported") from error
    finally:
        sys.path.remove(os.path.dirname(path))
    return module


def _arguments(function, recipe) -> list:
    """model(recipe), model(idim) or model(): by the name and number of what the function needs."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return [idim_of(recipe)]
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = [p for p in positional if p.default is p.empty]
    if len(needed) > 1:
        names = ", ".join(p.name for p in needed)
        raise ArgumentError(
            f"model({names}) needs {len(needed)} arguments; it is called as model(idim), model(recipe) or model()"
        )
    known = needed or [p for p in positional if p.name in ("idim", "recipe")]
    if not known:
        return []
    return [recipe if known[0].name == "recipe" else idim_of(recipe)]


def idim_of(recipe) -> int:
    """Number of columns of the first flat input: what the original calls idim."""
    for item in recipe.inputs:
        if not item["padded"]:
            return int(item["features"])
    return int(recipe.inputs[0]["features"])


def _call(function, recipe, path: str):
    arguments = _arguments(function, recipe)
    try:
        return function(*arguments)
    except Exception as error:
        raise _explain(error, path, "the model could not be built") from error


def _checked(model, source: str) -> str:
    framework = framework_of(model)
    if framework is None:
        kind = "nothing" if model is None else f"an object of {type(model).__module__}.{type(model).__name__}"
        raise ArgumentError(
            f"{source}: model() returned {kind}; it must return a Keras model, a torch.nn.Module, "
            "an XGBoost estimator or a scikit-learn estimator"
        )
    return framework


def load(model, recipe, prepare=lambda: None) -> UserModel:
    """Builds the user's model for a recipe. `model`: path of a Python file, function, or a model as it is. `prepare`
    is called once the file's imports are done and before the model is built (seeds)."""
    if isinstance(model, (str, os.PathLike)):
        path = os.path.abspath(os.fspath(model))
        module = _import_file(path)
        function = getattr(module, "model", None)
        if function is None:
            raise ArgumentError(f"{path}: no function `model`; define model(idim) that returns the model")
        prepare()
        built = function if framework_of(function) else _call(function, recipe, path)
        hooks = {name: getattr(module, name) for name in HOOKS if callable(getattr(module, name, None))}
        with open(path, encoding="utf-8", errors="replace") as stream:
            return UserModel(built, _checked(built, path), path, stream.read(), hooks)
    if model is None:
        raise ArgumentError("no model: give a Python file with model(idim), a function, or a model object")
    framework = None if inspect.isclass(model) else framework_of(model)
    if framework:
        return UserModel(model, framework)
    if not callable(model):
        raise ArgumentError(f"model is a {type(model).__name__}; it must be a file, a function, or a model object")
    try:
        path = inspect.getsourcefile(model) or "model"
    except TypeError:
        path = "model"
    prepare()
    built = _call(model, recipe, path)
    return UserModel(built, _checked(built, path), path)
