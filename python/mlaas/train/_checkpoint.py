"""Checkpoints of a training: a folder beside the bundle that holds the last finished epoch, swapped in atomically.

Knows files only. OUT.checkpoint/ has train.log.jsonl and last/ (state.json and the trainer's own files).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil

from .._errors import Error, FormatError, IOError, NotFoundError, StaleError, UnsupportedError

FORMAT, VERSION = "mlaas-checkpoint", 1


def fingerprint(*parts) -> str:
    """A short hash of what must be the same for a training to go on."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def disk_error(path, error: OSError) -> Error:
    """The error of mlaas for one of the system's while writing."""
    if isinstance(error, Error):
        return error
    reason = error.strerror or error
    return IOError(f"{path}: cannot be written: {reason}; free some space, or give another place with out")


def sync_file(path: str):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: str):
    """Everything below a folder, then the folders, on the disk."""
    for root, _, names in os.walk(folder, topdown=False):
        for name in names:
            sync_file(os.path.join(root, name))
        sync_file(root)


def swap_in(temporary: str, target: str):
    """Puts a finished folder where readers look; what was there goes away afterwards."""
    old = f"{target}.old-{os.getpid()}"
    shutil.rmtree(old, ignore_errors=True)
    try:
        if os.path.lexists(target):
            os.rename(target, old)
        os.rename(temporary, target)
    except BaseException:  # also Ctrl-C between the two
        if os.path.lexists(old) and not os.path.lexists(target):
            os.rename(old, target)
        shutil.rmtree(old, ignore_errors=True)
        raise
    sync_file(os.path.dirname(os.path.abspath(target)))
    shutil.rmtree(old, ignore_errors=True)


class Checkpoint:
    """The checkpoint folder of one bundle."""

    def __init__(self, out: str, identity: str):
        self.folder, self.identity = os.fspath(out).rstrip("/") + ".checkpoint", identity
        self.last = os.path.join(self.folder, "last")
        self.log = os.path.join(self.folder, "train.log.jsonl")

    def start(self, resume: bool) -> dict | None:
        """A clean folder, or the saved state (None if there is none) when resuming."""
        state = self._load() if resume else None
        if not resume:
            shutil.rmtree(self.folder, ignore_errors=True)
        try:
            os.makedirs(self.folder, exist_ok=True)
        except OSError as error:
            raise disk_error(self.folder, error) from error
        return state

    def _load(self) -> dict | None:
        path = os.path.join(self.last, "state.json")
        if not os.path.exists(path):
            # A kill between the two renames of swap_in leaves the older state under its other name.
            left = [name for name in self._names() if name.startswith("last.old-")]
            if not left:
                return None
            os.rename(os.path.join(self.folder, left[0]), self.last)
        try:
            with open(path, encoding="utf-8") as stream:
                state = json.load(stream)
        except ValueError as error:
            raise FormatError(f"{path}: not JSON ({error}); remove the checkpoint or train without resume") from error
        if state.get("format") != FORMAT:
            raise FormatError(f"{path}: not a checkpoint of mlaas")
        if state.get("version", 0) > VERSION:
            raise UnsupportedError(f"{path}: version {state['version']} is newer than this program knows ({VERSION})")
        if state.get("identity") != self.identity:
            raise StaleError(
                f"{self.folder}: the checkpoint is of other files, parameters or another model; "
                "train without resume, or with what it was started with"
            )
        return state

    def _names(self):
        try:
            return os.listdir(self.folder)
        except FileNotFoundError:
            return []

    def save(self, state: dict, save_model):
        """Writes state and model (`save_model(folder)`), then swaps them in."""
        temporary = f"{self.last}.new-{os.getpid()}"
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            os.makedirs(temporary)
            save_model(temporary)
            state = {"format": FORMAT, "version": VERSION, "identity": self.identity, **state}
            with open(os.path.join(temporary, "state.json"), "w", encoding="utf-8") as stream:
                json.dump(state, stream)
            sync_tree(temporary)
            swap_in(temporary, self.last)
        except OSError as error:
            raise disk_error(self.last, error) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def model_folder(self) -> str:
        if not os.path.isdir(self.last):
            raise NotFoundError(f"{self.last}: no checkpoint")
        return self.last

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)
