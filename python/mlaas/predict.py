"""Prediction on files: streams them through recipe and model and writes scores beside every input, entry by entry.

Per input one STEM.scores.root (tree `mlaas`, exactly the input's entries in order, so that ROOT's AddFriend fits), or
the same as .parquet, .csv or .npz. Each file appears whole or not at all.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import bundle as bundles
from ._errors import BAD_FILE, ArgumentError, Error, IOError, NotFoundError, UnsupportedError
from ._file import open as open_file
from ._places import expand, hidden
from ._scores import stream_scores
from .formats._names import COMPRESSED, by_name
from .progress import costs_text
from .progress import make as make_progress

FORMATS = ("root", "parquet", "csv", "npz")


class _OutputError(IOError):  # type: ignore[misc, valid-type]
    """The scores cannot be written: no fault of the file that they are of."""


TREE = "mlaas"
CHUNK_ROWS = 65_536
NEVER_SEEN = -1


def file_list(files, redirector=None, remote=None) -> list:
    """The files that are meant, as for mlaas.Dataset."""
    return expand(files, redirector, remote).names


def score_names(bundle, tag=None) -> list:
    """Names of the score columns: `score`, or `score_CLASS` for each of several classes; `_TAG` behind."""
    end = f"_{tag}" if tag else ""
    if len(bundle.classes) <= 2:
        return ["score" + end]
    words = [f"{value:g}".replace("-", "m").replace(".", "p") for value in bundle.classes]
    return [f"score_{word}{end}" for word in words]


def _columns(names: list, scores) -> dict:
    if scores.ndim == 1:
        return {names[0]: scores}
    if len(names) == 1:  # two outputs for two classes: the second is the signal
        return {names[0]: np.ascontiguousarray(scores[:, -1])}
    return {name: np.ascontiguousarray(scores[:, k]) for k, name in enumerate(names)}


def out_paths(files: list, out: str, format: str, tag=None) -> list:
    """One name per input in folder `out`; inputs of equal names get _2, _3 ... in their order."""
    end = f".{tag}" if tag else ""
    used, result = set(), []
    for name in files:
        first = name.split("|")[0].split("?")[0] if "://" in name else name
        stem = _stem(os.path.basename(first))
        candidate, number = stem, 1
        while candidate in used:
            number += 1
            candidate = f"{stem}_{number}"
        used.add(candidate)
        result.append(os.path.join(out, f"{candidate}{end}.scores.{format}"))
    return result


def _stem(name: str) -> str:
    """The name without what says its format."""
    if by_name(name):
        for end in COMPRESSED:
            name = name.removesuffix(end)
        return os.path.splitext(name)[0]
    return name.removesuffix(".root")


# ---- writers: append(dict of arrays), close() ---------------------------------------------------


class RootWriter:
    """A TTree by uproot, one basket per chunk."""

    def __init__(self, path):
        import uproot

        self.file, self.tree = uproot.recreate(path), None

    def append(self, columns):
        if self.tree is None:
            self.tree = self.file.mktree(TREE, {name: values.dtype for name, values in columns.items()})
        self.tree.extend(columns)

    def close(self):
        self.file.close()


class ParquetWriter:
    def __init__(self, path):
        self.path, self.writer = path, None

    def append(self, columns):
        import pyarrow
        import pyarrow.parquet

        table = pyarrow.table(columns)
        if self.writer is None:
            self.writer = pyarrow.parquet.ParquetWriter(self.path, table.schema)
        self.writer.write_table(table)

    def close(self):
        if self.writer:
            self.writer.close()


class CsvWriter:
    def __init__(self, path):
        self.stream, self.names = open(path, "w", encoding="utf-8", newline="\n"), None

    def append(self, columns):
        if self.names is None:
            self.names = list(columns)
            self.stream.write(",".join(self.names) + "\n")
        texts = [
            [repr(v) for v in values.tolist()] if values.dtype != np.float32 else [str(v) for v in values]
            for values in columns.values()
        ]
        self.stream.writelines(",".join(row) + "\n" for row in zip(*texts))

    def close(self):
        self.stream.close()


class NpzWriter:
    """Arrays are only known to be complete at the end, so they are held: 13 bytes a row and the identifiers."""

    def __init__(self, path):
        self.path, self.parts = path, []

    def append(self, columns):
        self.parts.append(columns)

    def close(self):
        if self.parts:
            with open(self.path, "wb") as stream:
                np.savez_compressed(
                    stream, **{name: np.concatenate([part[name] for part in self.parts]) for name in self.parts[0]}
                )


WRITERS: dict[str, Any] = {"root": RootWriter, "parquet": ParquetWriter, "csv": CsvWriter, "npz": NpzWriter}


@dataclass
class Plan:
    """What each input's output needs to know."""

    bundle: object
    names: list
    rename: dict


def _identifiers(bundle, table, rename) -> list:
    """Identifier branches of the training that this file has (under their names there)."""
    return [name for name in _known_identifiers(bundle) if rename.get(name, name) in table.columns]


def _identifier_reader(file, plan, how):
    """A function (start, stop) -> {identifier: values} for one file."""
    source = open_file(file, **{key: how.get(key) for key in ("limits", "remote")})
    table = source[plan.bundle.recipe.table if plan.bundle.recipe.table in source else None]
    names = _identifiers(plan.bundle, table, plan.rename)

    def read(start, stop):
        if not names:
            return {}
        arrays = table.arrays([plan.rename.get(name, name) for name in names], start, stop, library="np")
        return {name: np.asarray(arrays[plan.rename.get(name, name)]) for name in names}

    return read, source


def _chunks(plan: Plan, file: str, read_identifiers, step, how: dict):
    """Columns of up to some CHUNK_ROWS entries at a time, in order; one chunk without rows for an empty file."""
    entry = 0
    held: list = []

    def columns():
        scores, part = (np.concatenate(parts) for parts in zip(*held))
        return {**read_identifiers(entry, entry + len(part)), **_columns(plan.names, scores), "split": part}

    for batch, score in stream_scores(plan.bundle, [file], rename=plan.rename, **how):
        held.append((score, np.array(batch.part, dtype=np.int8)))
        step.update(len(score))
        if sum(len(part) for _, part in held) >= CHUNK_ROWS:
            yield (made := columns())
            entry += len(made["split"])
            held.clear()
    if held:
        yield columns()
    elif not entry:
        yield _empty(plan, read_identifiers)


def _write_file(plan: Plan, file: str, path: str, format: str, step, how: dict):
    """One input to one output; the output appears under its name only when it is complete."""
    temporary = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.new-{os.getpid()}.{format}")
    read_identifiers, source = _identifier_reader(file, plan, how)
    try:
        writer = WRITERS[format](temporary)
        try:
            for columns in _chunks(plan, file, read_identifiers, step, how):
                writer.append(columns)
        finally:
            writer.close()
        with open(temporary, "rb") as stream:
            os.fsync(stream.fileno())
        os.rename(temporary, path)
    except ImportError as error:
        raise UnsupportedError(f"scores as {format} need a package that is not installed: {error}") from error
    except OSError as error:
        if isinstance(error, Error):
            raise
        raise _OutputError(f"{path}: the scores cannot be written: {error}") from error
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)
        source.close()


def _empty(plan, read_identifiers) -> dict:
    columns = dict(read_identifiers(0, 0))
    columns.update({name: np.zeros(0, np.float32) for name in plan.names})
    return {**columns, "split": np.zeros(0, np.int8)}


def predict(
    bundle,
    files,
    out=".",
    format="root",
    rename=None,
    tag=None,
    progress=None,
    *,
    batch_size=8192,
    memory=None,
    threads=None,
    backend=None,
    limits=None,
    remote=None,
    redirector=None,
    verbose=False,
    on_bad_file="fail",
) -> list:
    """Writes the scores of every file into folder `out`; returns the paths in the order of the files.

    bundle: a Bundle or its path. format: root, parquet, csv or npz. rename: {branch of the training: branch in these
    files} for systematic variations, with `tag` behind the score's and the file's name. Columns: the identifiers,
    `score` or `score_CLASS`, `split` (0 train, 1 validation, 2 test, -1 never seen in the training). backend: what runs
    the model, as in mlaas.load. limits, remote: as in mlaas.open. files, redirector: as for mlaas.Dataset. on_bad_file:
    "fail", or "skip" ("quota" is the same here): a file that cannot be read or is damaged has no output and None for
    its path. verbose: say what reading each file took.
    """
    if not isinstance(bundle, bundles.Bundle):
        bundle = bundles.load(bundle, backend)
    elif backend:
        raise ArgumentError("backend is for a bundle's path; give it to mlaas.load for a bundle that is open")
    if format not in WRITERS:
        raise ArgumentError(f"format {format!r} is not known; it is one of {', '.join(FORMATS)}")
    names = file_list(files, redirector, remote)
    if not names:
        raise ArgumentError("no files to predict")
    rename = dict(rename or {})
    for branch in rename:
        if branch not in bundle.recipe.branches and branch not in _known_identifiers(bundle):
            raise NotFoundError(
                f"rename: the model does not use a branch {branch!r}; it uses " + ", ".join(bundle.recipe.branches[:20])
            )
    try:
        os.makedirs(out, exist_ok=True)
    except OSError as error:
        raise IOError(f"{os.fspath(out)} cannot be made: {error.strerror}", errno=error.errno) from error
    progress, plan = make_progress(progress), Plan(bundle, score_names(bundle, tag), rename)
    paths = out_paths(names, os.fspath(out), format, tag)
    for number, (file, path) in enumerate(zip(names, list(paths))):
        with progress.step(os.path.basename(path)) as step:
            costs: dict = {}
            how = {"batch_size": batch_size, "memory": memory, "threads": threads, "limits": limits, "remote": remote}
            how["costs"] = costs
            try:
                _write_file(plan, file, path, format, step, how)
            except BAD_FILE as error:
                if on_bad_file == "fail" or isinstance(error, _OutputError):
                    raise
                step.drop()
                progress.insist(f"warning: left out: {error}")
                paths[number] = None
        if verbose and costs:
            progress.insist(costs_text(hidden(file), costs))
    if not any(paths):
        raise IOError(f"no file is left: all {len(names)} are bad")
    return paths


def _known_identifiers(bundle) -> list:
    wanted = bundle.info["training"]["params"].get("identifier") or []
    return [wanted] if isinstance(wanted, str) else list(wanted)
