"""Files and loaders of another build of the library: the program tests/remote/drive.c of a build directory, in which a
sanitizer may look on, does the work. What it answers looks as far as tests of remote data need it like the package's.

A report of a sanitizer, a crash or an exit code other than 0 is an AssertionError with what the program wrote."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import weakref
from pathlib import Path

import mlaas

END_SECONDS = 120
WORDS = ("Sanitizer", "runtime error")

FOLDER = Path(__file__).resolve().parents[1] / "remote"
SANITIZERS = {
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1:allocator_may_return_null=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "LSAN_OPTIONS": f"suppressions={FOLDER / 'lsan.supp'}:print_suppressions=0",
    "TSAN_OPTIONS": f"second_deadlock_stack=1:history_size=7:suppressions={FOLDER / 'tsan.supp'}",
}

running: weakref.WeakSet[Drive] = weakref.WeakSet()


def kill_all():
    """For a test that has waited long enough."""
    for drive in list(running):
        drive.process.kill()


class Drive:
    """The program as a child, asked by lines of JSON."""

    def __init__(self, build):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [Path(build).resolve() / "tests/remote/drive"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            env={**SANITIZERS, **os.environ},
        )
        running.add(self)

    def ask(self, do, **request):
        """The answer as a dict; raises mlaas.Error where the library has."""
        try:
            self.process.stdin.write(json.dumps({"do": do, **request}, default=os.fspath).encode() + b"\n")
            self.process.stdin.flush()
        except OSError:
            pass  # it has ended, which it will say now
        line = self.process.stdout.readline()
        if not line:
            self.close()
            raise AssertionError("the program ended with 0, unasked")
        answer = json.loads(line)
        if "error" in answer:
            offset = answer["offset"] if answer["offset"] >= 0 else None
            raise getattr(mlaas, answer["error"])(answer["message"], answer["where"], offset)
        return answer

    def close(self):
        """Waits for its end; fails when that is no good one."""
        if self.log.closed:
            return
        try:
            self.process.stdin.close()
        except OSError:
            pass
        try:
            code = self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = f"{self.process.wait()}: it did not end in {END_SECONDS} s"
        self.process.stdout.close()
        with self.log as log:
            log.seek(0)
            text = log.read().decode(errors="replace")
        assert code == 0 and not any(word in text for word in WORDS), f"the program ended with {code}\n{text[:20000]}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class DriveFile(Drive):
    """As mlaas.File."""

    def __init__(self, build, url, table, **options):
        super().__init__(build)
        try:
            self.entries = self.ask("open", url=os.fspath(url), table=table, **options)["entries"]
        except BaseException:
            self.close()
            raise

    def __getitem__(self, table):
        return DriveTable(self)

    @property
    def info(self):
        return self.ask("info")


class DriveTable:
    def __init__(self, file):
        self.file = file

    def __len__(self):
        return self.file.entries

    def digest(self):
        return self.file.ask("columns")["digest"]


class DriveBatch:
    def __init__(self, answer):
        self.digest, self.file, self.entry = answer["digest"], answer["file"], answer["entry"]
        self.rows = len(self.file)


class DriveLoader(Drive):
    """As mlaas.Loader."""

    def __init__(self, build, urls, labels, params, split, shuffle, remote=None, **options):
        super().__init__(build)
        params = {**params, "remote": remote} if remote else params
        names = [os.fspath(url) for url in urls]
        try:
            self.num_rows = self.ask(
                "load", urls=names, labels=labels, params=params, split=split, shuffle=shuffle, **options
            )["rows"]
        except BaseException:
            self.close()
            raise

    def __iter__(self):
        while answer := self.ask("next"):
            yield DriveBatch(answer)

    def state_dict(self):
        return self.ask("state")["state"]

    def load_state_dict(self, state):
        self.ask("restore", state=state)

    @property
    def stats(self):
        return self.ask("stats")["stats"]
