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
INCOMPLETE = 14  # done, but files were left out
SIGNALS = (signal.SIGINT, signal.SIGTERM)
AGAIN_SECONDS = 0.05
PATIENCE_MS = 2000
AFTER = {  # what an interrupt leaves, and how to go on
    "train": "the same command with --resume goes on from the last checkpoint",
    "predict": "the score files that are there are complete",
    "convert": "nothing was written",
    "specs": "nothing was written",
    "inspect": "nothing was changed",
}
LIMITS = ("max_metadata", "max_basket", "max_page", "max_nesting", "max_columns", "trust_pages")
SERVERS = (
    "connect_timeout",
    "timeout",
    "deadline",
    "retries",
    "remote_cache",
    "token_file",
    "certificate",
    "key",
    "authorities",
    "s3_endpoint",
    "s3_region",
    "insecure",
)
TRAIN = (
    *LIMITS,
    *SERVERS,
    "redirector",
    "on_bad_file",
    "files",
    "labels",
    "model",
    "params",
    "out",
    "resume",
    "memory",
    "threads",
    "quiet",
    "verbose",
    "set",
    "specs",
    "seed",
    "compat",
)
PREDICT = (
    *LIMITS,
    *SERVERS,
    "redirector",
    "on_bad_file",
    "backend",
    "bundle",
    "files",
    "out",
    "format",
    "rename",
    "tag",
    "memory",
    "threads",
    "quiet",
    "verbose",
)


CONVERT = (
    *(*LIMITS, *SERVERS, "redirector", "files", "out", "columns", "to", "table", "cache"),
    *("memory", "threads", "quiet", "verbose"),
)
INSPECT = (*LIMITS, *SERVERS, "redirector", "files", "table", "brief", "json", "memory", "threads", "verbose")
SPECS = (
    *LIMITS,
    *SERVERS,
    "redirector",
    "on_bad_file",
    "files",
    "params",
    "set",
    "memory",
    "threads",
    "quiet",
    "verbose",
)


class Terminated(KeyboardInterrupt):
    """SIGTERM, as batch systems send it: stops like Ctrl-C."""


_asked: list = []  # the interrupts that came


def _is_importing(frame) -> bool:
    while frame and not (frame.f_code.co_name == "_find_and_load" and "importlib" in frame.f_code.co_filename):
        frame = frame.f_back
    return frame is not None


def _stop(number, frame):
    _asked.append(Terminated if number == signal.SIGTERM else KeyboardInterrupt)
    _raise(frame)


def _raise(frame):
    """Not while a module is imported, unless asked twice: extension modules make errors of it, or abort."""
    if len(_asked) == 1 and _is_importing(frame):
        _raise_later()
    else:
        raise _asked[-1]()


def _raise_later():
    signal.signal(signal.SIGALRM, lambda number, frame: _raise(frame))
    signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)


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


def _limits(options: dict) -> dict:
    return {name.removeprefix("max_"): options[name] for name in LIMITS if options.get(name) is not None}


def _remote(options: dict) -> dict:
    given = {name: options[name] for name in SERVERS if options.get(name) is not None}
    return {name.removeprefix("remote_"): value for name, value in given.items()}


def _progress(options: dict):
    from .progress import Quiet

    return Quiet() if options.get("quiet") else None


def _params(options: dict) -> dict:
    """The file's parameters under their one name each, then --set, then the options that are parameters."""
    from . import param_table
    from .train._job import read_params

    names = {synonym: row["name"] for row in param_table() for synonym in row["synonyms"]}
    given = read_params(options.get("params"), {})
    if len({names.get(key, key) for key in given}) < len(given):
        return given  # one parameter under two names: refused where parameters are checked
    more = [setting(text) for text in options.get("set") or []]
    more += [
        (key, options[key]) for key in ("seed", "compat", "redirector", "on_bad_file") if options.get(key) is not None
    ]
    if options.get("verbose") and "verbose" not in given:
        more.insert(0, ("verbose", 1))
    return {names.get(key, key): value for key, value in [*given.items(), *more]}


def train(options: dict):
    from . import train as start

    options = _checked(options, TRAIN, "train")
    labels = options.get("labels")
    bundle = start(
        options["files"],
        labels,
        options.get("model"),
        _params(options),
        out=options.get("out"),
        resume=bool(options.get("resume")),
        memory=options.get("memory"),
        threads=options.get("threads"),
        limits=_limits(options),
        specs=options.get("specs"),
        remote=_remote(options) or None,
        progress=_progress(options),
    )
    return INCOMPLETE if bundle.info["training"].get("lost") else 0


def predict(options: dict):
    from . import predict as start
    from .predict import file_list

    options = _checked(options, PREDICT, "predict")
    rename = options.get("rename") or {}
    if isinstance(rename, list):
        rename = dict(item.split("=", 1) for item in rename)
    files = options["files"] if isinstance(options["files"], list) else [options["files"]]
    remote, redirector = _remote(options) or None, options.get("redirector")
    files = [name for item in files for name in file_list(item, redirector, remote)]
    paths = start(
        options["bundle"],
        files,
        options.get("out") or ".",
        options.get("format") or "root",
        rename,
        options.get("tag"),
        _progress(options),
        memory=options.get("memory"),
        threads=options.get("threads"),
        limits=_limits(options),
        backend=options.get("backend"),
        remote=remote,
        verbose=bool(options.get("verbose")),
        on_bad_file=options.get("on_bad_file") or "fail",
    )
    if not options.get("quiet"):
        print("\n".join(path for path in paths if path))
    return 0 if all(paths) else INCOMPLETE


def convert(options: dict):
    from . import formats
    from .predict import file_list

    options = _checked(options, CONVERT, "convert")
    if options.get("cache"):
        formats.cache_folder(options["cache"])
    columns = [name.strip() for text in options.get("columns") or [] for name in text.split(",") if name.strip()]
    remote, redirector = _remote(options) or None, options.get("redirector")
    files = [name for item in options["files"] for name in file_list(item, redirector, remote)]
    done = formats.convert(
        files,
        options["out"],
        columns=columns or None,
        to=options.get("to"),
        table=options.get("table"),
        memory=options.get("memory"),
        threads=options.get("threads"),
        limits=_limits(options),
        remote=remote,
        verbose=bool(options.get("verbose")),
        progress=_progress(options),
    )
    for name, reason in done["left_out"].items():
        print(f"mlaas convert: column {name} was left out: {reason}", file=sys.stderr)


def specs(options: dict):
    """The statistics as JSON on standard output, what a person sees on the other: the command reads them."""
    from . import Dataset
    from .progress import Bar, Lines, Progress, costs_text

    options = _checked(options, SPECS, "specs")
    quiet, terminal = options.get("quiet"), sys.stderr.isatty()
    progress = Progress() if quiet else Bar(sys.stderr) if terminal else Lines(sys.stderr)
    dataset = Dataset(
        options["files"],
        None,
        _params(options),
        memory=options.get("memory"),
        threads=options.get("threads"),
        limits=_limits(options),
        remote=_remote(options) or None,
    )
    with progress.step("scanning", unit="entries") as step:
        dataset.scan(step.at)
    made = dataset.specs
    assert made is not None
    sys.stdout.write(made.to_json())
    sys.stdout.flush()
    if options.get("verbose"):
        for item, costs in zip(dataset.files, dataset.sources):
            if any(costs.values()):
                print(costs_text(item["url"], costs), file=sys.stderr)
    for item in dataset.lost:
        print(
            f"mlaas specs: {item['url']} was left out: {item['reason'].removeprefix(item['url'] + ': ')}",
            file=sys.stderr,
        )
    return INCOMPLETE if dataset.lost else 0


def inspect(options: dict):
    from . import open as open_file
    from ._places import hidden
    from .formats._inspect import describe, page
    from .progress import costs_text

    options = _checked(options, INSPECT, "inspect")
    every, costs = [], []
    for name in options["files"]:
        remote = _remote(options) or None
        with open_file(name, options.get("memory"), limits=_limits(options), remote=remote) as file:
            every.append(describe(file, options.get("table"), bool(options.get("brief"))))
            if options.get("verbose"):
                costs.append(costs_text(hidden(name), file.costs))
    if options.get("json"):
        print(json.dumps({"format": "mlaas-inspect", "version": 1, "files": every}, indent=1))
    else:
        print("\n\n".join(page(about) for about in every), flush=True)
    for line in costs:
        print(line, file=sys.stderr)


COMMANDS = {"train": train, "predict": predict, "convert": convert, "specs": specs, "inspect": inspect}


def _take_signals():
    """Both signals raise from now on; one that was ignored from the start (nohup, a script's &) stays so."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)
    sys.unraisablehook = _raise_again


def _raise_again(lost):
    """An interrupt that falls into a destructor or callback is lost there: it comes again when that is over."""
    if not issubclass(lost.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(lost)
        return
    if not _asked:
        _asked.append(lost.exc_type)
    _raise_later()


def _guard(command: str):
    """Where a library of others does not come back, neither does Python: then a thread of ours ends the process. A
    training's own way out may take its time, so there only a second interrupt counts."""
    from . import _core

    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))  # a child's signals are its own
    _core.guard(read, 0 if command == "train" else PATIENCE_MS, command, AFTER[command])


def _drop_signals():
    """What is to be done is done: an interrupt of the way out would only print a stack of calls."""
    from . import _core

    _core.guard_end()
    for number in (*SIGNALS, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)


def _complain(command: str, text: str):
    """On a terminal on a line of its own, for a bar may be open."""
    print(f"{chr(10) if sys.stdout.isatty() else ''}mlaas {command}: {text}", file=sys.stderr)


def _stopped(command: str, kind: type) -> int:
    _drop_signals()
    ended = issubclass(kind, Terminated)
    _complain(command, f"{'terminated' if ended else 'interrupted'}; {AFTER[command]}")
    return TERMINATED if ended else INTERRUPTED


def _run(command: str, options: dict) -> int:
    from . import Error

    try:
        _take_signals()
        _guard(command)
        code = COMMANDS[command](options) or 0
        _drop_signals()
    except KeyboardInterrupt as error:
        return _stopped(command, type(error))
    except Exception as error:
        if _asked:  # modules that are interrupted while they load turn it into errors of their own
            return _stopped(command, _asked[-1])
        if isinstance(error, BrokenPipeError):
            return 1
        if not isinstance(error, Error):
            raise
        _complain(command, str(error))
        return error.exit_code
    return code


def main(arguments: list) -> int:
    """Runs one command; returns the exit code."""
    if len(arguments) != 2 or arguments[0] not in COMMANDS:
        print(f"usage: python -m mlaas.run {'|'.join(COMMANDS)} JSON", file=sys.stderr)
        return 2
    try:
        options = json.loads(arguments[1])
    except ValueError as error:
        print(f"mlaas {arguments[0]}: the options are not JSON: {error}", file=sys.stderr)
        return 2
    return _run(arguments[0], options)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
