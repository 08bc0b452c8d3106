"""One training from files to bundle: data set, leak guard, model, course, test, report, bundle, in this order.

Knows the order of things and nothing of how each is done.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import sys
import textwrap
import time

import numpy as np

from .. import bundle, leak, report
from .._errors import ArgumentError, FormatError, NotFoundError, UnsupportedError
from .._recipe import param_table
from ..progress import costs_text
from ..progress import make as make_progress
from . import _base, _fit, _model
from ._checkpoint import Checkpoint, fingerprint

DEFAULT_MEMORY = 1 << 30
MAX_SCORED_TRAIN_ROWS = 100_000


def read_params(params, more: dict) -> dict:
    """A dict, the path of a params.json, or None; keyword arguments on top."""
    if isinstance(params, (str, os.PathLike)):
        path = os.fspath(params)
        try:
            with open(path, encoding="utf-8") as stream:
                params = json.load(stream)
        except FileNotFoundError as error:
            raise NotFoundError(f"{path}: no such file of parameters") from error
        except ValueError as error:
            raise FormatError(f"{path}: not JSON: {error}") from error
        if not isinstance(params, dict):
            raise FormatError(f"{path}: parameters must be a JSON object, this is a {type(params).__name__}")
    return {**(params or {}), **more}


def params_text(params: dict) -> str:
    """The effective values that are not the defaults, in lines that fit a terminal. All are in the bundle."""
    usual = {row["name"]: row["default"] for row in param_table()}
    usual["training"] = "standard"
    if params.get("weight") is None:
        usual["class_norm"] = "none"
    shown = [
        f"{key} {value if isinstance(value, str) else json.dumps(value)}"
        for key, value in params.items()
        if value != usual.get(key)
    ]
    text = "parameters: " + ("; ".join([*shown, "the others"]) if shown else "all") + " as `mlaas help params` says"
    return textwrap.fill(text, 100, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def make_trainer(user, task, recipe, params, say):
    """The trainer of the model's framework; its file is imported only now."""
    try:
        module = importlib.import_module(f".{user.framework}", __package__)
    except ImportError as error:
        raise UnsupportedError(f"a {user.framework} model needs a package that is not installed: {error}") from error
    return module.TRAINER(user, task, recipe, params, say)


def seed_everything(seed: int):
    """Same seed, same start: every generator that a user's model may draw from and that is loaded already."""
    import random

    random.seed(seed)
    np.random.seed(seed % 2**32)
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(seed % 2**32)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)


def versions(framework: str) -> dict:
    """Versions of what took part."""
    names = {"keras": ("keras", "tensorflow"), "torch": ("torch",), "xgboost": ("xgboost",), "sklearn": ("sklearn",)}
    found = {"python": platform.python_version(), "numpy": np.__version__}
    for name in names[framework]:
        found[name] = getattr(sys.modules.get(name), "__version__", "")
    return found


def _guard(dataset, params, progress, log):
    """Runs the leak guard; the sample is reused by the report."""
    mode = params.get("leak_guard", "warn")
    sample = leak.sample(dataset)
    if mode == "off":
        return sample, None
    findings = leak.check(sample)
    log.write("leak_guard", mode=mode, findings=[finding.to_dict() for finding in findings])
    if findings:
        text = leak.text(findings, sample)
        if mode == "error":
            raise ArgumentError("the leak guard found columns that give the label away\n" + text)
        progress.warn(text)
    return sample, findings


def _evaluate(trainer, dataset, progress, test=None):
    """Scores of the test part (unless the course made them), and of a sample of the training part to compare with."""
    test_loader = _fit.open_part(dataset, "test")
    with progress.step("test", test_loader.num_rows) as step:
        test = test or _fit.score_part(trainer, test_loader, step)
        result = test.metrics(trainer.task, trainer.params)
        step.values.update({key: result[key] for key in ("auc", "accuracy", "rmse") if result.get(key) is not None})
    test_loader.close()
    train_loader = _fit.open_part(dataset, "train", shuffle=True)
    train = _fit.score_part(trainer, train_loader, max_rows=MAX_SCORED_TRAIN_ROWS)
    train_loader.cancel()
    train_loader.close()
    return test, train, {"test": result, "train_sample": train.metrics(trainer.task, trainer.params)}


#: Parameters that may change between a run and its resumption.
_ANY_TIME = ("epochs", "verbose", "early_stopping", "hist", "remote", "redirector", "on_bad_file")


def _identity(dataset, params, user) -> str:
    files = [(item.get("id"), item.get("entries"), item.get("label")) for item in dataset.files]
    kept = {key: value for key, value in params.items() if key not in _ANY_TIME}
    return fingerprint(files, kept, user.framework, user.text)


def _train(user, task, dataset, params, run):
    """The trained trainer, its history, and the scores of the test rows where the course has judged them itself."""
    trainer = make_trainer(user, task, dataset.recipe, params, run.progress.say)
    if params.get("compat") and params.get("training") != "standard":
        from . import _compat

        return (trainer, *_compat.chunks(trainer, run))
    if trainer.streams:
        return trainer, _fit.stream(trainer, run), None
    return trainer, trainer.fit(run), None


def _about(user, task, dataset, params, trainer, history, seconds, lost):
    """The block "training" of model.json."""
    return {
        "params": params,
        "framework": user.framework,
        "versions": versions(user.framework),
        "epochs_run": len(history),
        "history": history,
        "seconds": round(seconds, 2),
        "notes": trainer.notes,
        "model_source": user.text,
        "files": dataset.files,
        "dropped": dataset.dropped,
        "warnings": dataset.warnings,
        "lost": lost,
        "classes": task.classes,
    }


def _tell_costs(dataset, params, progress, log):
    """What reading took: into the log, and to people who want to know more."""
    source = getattr(dataset, "source", None)  # those of compat read another way
    if source is None:
        return
    sources = [{"url": item["url"], **costs} for item, costs in zip(dataset.files, dataset.sources)]
    log.write("source", **source, files=sources)
    if int(params.get("verbose") or 0) > 0:
        for costs in sources:
            progress.insist(costs_text(costs["url"], costs))
        progress.insist(costs_text("all files", source))


def run(files, labels, model, params, out, resume, progress, more, **how):
    """See mlaas.train; `how`: memory, threads, limits and specs for the data set."""
    from .._loader import Dataset

    start = time.monotonic()
    out = bundle.check_target(out)
    dataset = Dataset(files, labels, read_params(params, more), **how)
    return train_dataset(dataset, model, out, resume, make_progress(progress), start)


def train_dataset(dataset, model, out, resume, progress, start=None):
    """The same for an open data set: what tests and notebooks with their own data set call."""
    start = time.monotonic() if start is None else start
    with progress.step("scan") as step:
        dataset.scan(lambda done, total: step.at(done, total))
    params = dataset.params
    if params.get("compat") and params.get("training") != "standard":
        from ..compat.dataset import CompatDataset

        dataset = CompatDataset(dataset)
    for warning in dataset.warnings:
        progress.warn(warning)
    progress.say(params_text(params))
    task = _base.make_task(dataset)
    user = _model.load(model, dataset.recipe, lambda: seed_everything(int(params.get("seed") or 0)))
    checkpoint = Checkpoint(out, _identity(dataset, params, user))
    state = checkpoint.start(resume)
    log = _fit.Log(checkpoint.log, append=state is not None)
    try:
        log.write(
            "start" if state is None else "resume",
            params=params,
            files=dataset.files,
            out=str(out),
            columns=len(dataset.recipe.features()),
        )
        sample, findings = _guard(dataset, params, progress, log)
        course = _fit.Run(
            dataset,
            params,
            progress,
            log,
            checkpoint,
            bundle.parse_size(params.get("memory") or DEFAULT_MEMORY),
            state=state,
        )
        trainer, history, judged = _train(user, task, dataset, params, course)
        test, train, result = _evaluate(trainer, dataset, progress, judged)
        lost = list(getattr(dataset, "lost", []))
        about = _about(user, task, dataset, params, trainer, history, time.monotonic() - start, lost)
        if lost:
            log.write("lost", files=lost)
        _tell_costs(dataset, params, progress, log)
        log.write("done", seconds=about["seconds"], test={k: v for k, v in result["test"].items() if "roc" not in k})
        view = report.Content(
            os.path.basename(out),
            task,
            params,
            about,
            result,
            test,
            train,
            sample,
            findings,
            report.normalised_sample(dataset),
        )
        bundle.write(out, trainer, dataset.recipe, about, result, view, checkpoint.log)
    except KeyboardInterrupt:
        log.write("interrupted")
        raise
    except Exception as error:
        log.write("failed", error=f"{type(error).__name__}: {error}")
        raise
    finally:
        log.close()
    checkpoint.remove()
    for row in lost:
        amount = f", {row['rows']} rows" if "rows" in row else f", {row['entries']} entries" if row["entries"] else ""
        reason = row["reason"].removeprefix(row["url"] + ": ")
        progress.insist(f"warning: {row['url']} was left out ({row['stage']}{amount}): {reason}")
    progress.say(f"bundle: {out}  report: {os.path.join(out, 'report.html')}")
    return bundle.load(out)
