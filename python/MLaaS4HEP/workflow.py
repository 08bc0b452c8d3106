"""The command `workflow` with the options of the original: files, labels and a model in, a trained model out.

It runs mlaas.train, so real epochs, one split for the whole run and a bundle; "compat": true in the params makes it do
as the original did.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

import mlaas
from mlaas.formats import format_of

from .utils import file_type


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="workflow", description="Trains a model on files of events.")
    parser.add_argument("--model", help="Python file with model(idim)")
    parser.add_argument("--preproc", help="taken for old scripts; not applied to ROOT files")
    parser.add_argument("--params", default="params.json", help="JSON file of parameters (params.json)")
    parser.add_argument("--specs", help="statistics made before by `mlaas specs`")
    parser.add_argument("--files", default="", help="file with one name a line, or names with commas between")
    parser.add_argument("--dtype", help="taken for old scripts; the files say what they are")
    parser.add_argument(
        "--labels", default="", help="file with one label a line, labels with commas between, or a branch"
    )
    parser.add_argument("--fout", help="folder of the bundle to write (bundle)")
    return parser


def _lines_or_names(text: str) -> list[str]:
    """The lines of that file but comments and blanks, or what stands between commas."""
    if not os.path.isfile(text) or file_type(text) == "root":
        return [part.strip() for part in text.split(",") if part.strip()]
    with open(text, encoding="utf-8") as lines:
        return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _labels(text: str) -> list[float] | str:
    """Labels of files, or the name of a branch: a single word that is no number."""
    words = _lines_or_names(text)
    try:
        return [float(word) for word in words]
    except ValueError as error:
        if os.path.isfile(text) or len(words) > 1:
            raise mlaas.ArgumentError(f"labels must be numbers: {error}", where=text) from error
    return text


def _params(path: str) -> dict[str, Any]:
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as lines:
        try:
            return json.load(lines)
        except ValueError as error:
            raise mlaas.FormatError(f"not JSON: {error}", where=path) from error


def _run(options: argparse.Namespace) -> None:
    if not options.files:
        raise mlaas.ArgumentError("no files: name them with --files")
    if not options.labels:
        raise mlaas.ArgumentError("no labels: give a file, numbers, or the name of a branch with --labels")
    if not options.model:
        raise mlaas.ArgumentError("no model: name the Python file that defines model(idim) with --model")
    files = [options.files] if format_of(options.files) else _lines_or_names(options.files)
    params = _params(options.params)
    labels = _labels(options.labels)
    how = {"specs": options.specs} if options.specs else {}
    mlaas.train(files, labels, options.model, params, out=options.fout or "bundle", **how)


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        _run(options)
    except mlaas.Error as error:
        print(f"workflow: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("\nworkflow: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
