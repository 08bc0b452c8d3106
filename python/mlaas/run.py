"""What the command line starts: `python -m mlaas.run train|predict JSON`. Prints progress and results, nothing else;
the exit code is the status table's (0 done, 130 interrupted).
"""

from __future__ import annotations

import json
import os
import signal
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

INTERRUPTED, TERMINATED = 130, 143
TRAIN = (
    "files",
    "labels",
    "model",
    "params",
    "out",
    "resume",
    "memory",
    "threads",
    "quiet",
    "set",
    "specs",
    "seed",
    "compat",
)
PREDICT = ("bundle", "files", "out", "format", "rename", "tag", "memory", "threads", "quiet")


class Terminated(KeyboardInterrupt):
    """SIGTERM, as batch systems send it: stops like Ctrl-C."""


def _terminate(number, frame):
    raise Terminated()


def setting(text: str):
    """KEY=VALUE of --set: the value is JSON where it reads as such, else the text itself."""
    from . import ArgumentError

    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ArgumentError(f"--set is {text!r}; it must be KEY=VALUE")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _checked(options: dict, known: tuple, command: str) -> dict:
    from . import ArgumentError

    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ArgumentError(f"{command}: unknown option {unknown[0]!r}")
    return options


def train(options: dict):
    from . import train as start
    from .predict import file_list

    options = _checked(options, TRAIN, "train")
    more = dict(setting(text) for text in options.get("set") or [])
    more.update({key: options[key] for key in ("seed", "compat") if options.get(key) is not None})
    labels = options.get("labels")
    return start(
        file_list(options["files"]),
        labels,
        options.get("model"),
        options.get("params"),
        out=options.get("out"),
        resume=bool(options.get("resume")),
        memory=options.get("memory"),
        threads=options.get("threads"),
        specs=options.get("specs"),
        progress=False if options.get("quiet") else None,
        **more,
    )


def predict(options: dict):
    from . import predict as start
    from .predict import file_list

    options = _checked(options, PREDICT, "predict")
    rename = options.get("rename") or {}
    if isinstance(rename, list):
        rename = dict(item.split("=", 1) for item in rename)
    files = options["files"] if isinstance(options["files"], list) else [options["files"]]
    files = [name for item in files for name in file_list(item)]
    paths = start(
        options["bundle"],
        files,
        options.get("out") or ".",
        options.get("format") or "root",
        rename,
        options.get("tag"),
        False if options.get("quiet") else None,
        memory=options.get("memory"),
        threads=options.get("threads"),
    )
    if not options.get("quiet"):
        print("\n".join(paths))


COMMANDS = {"train": train, "predict": predict}


def main(arguments: list) -> int:
    """Runs one command; returns the exit code."""
    from . import Error

    if len(arguments) != 2 or arguments[0] not in COMMANDS:
        print(f"usage: python -m mlaas.run {'|'.join(COMMANDS)} JSON", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, _terminate)
    try:
        options = json.loads(arguments[1])
    except ValueError as error:
        print(f"mlaas {arguments[0]}: the options are not JSON: {error}", file=sys.stderr)
        return 2
    try:
        COMMANDS[arguments[0]](options)
    except Error as error:
        print(f"\nmlaas {arguments[0]}: {error}", file=sys.stderr)
        return error.exit_code
    except Terminated:
        return TERMINATED
    except KeyboardInterrupt:
        print(f"\nmlaas {arguments[0]}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
