"""What tests of remote data read, wherever it lies: a sample of jagged files in clusters, and runs over it whose
results can be compared bit by bit with those of another place."""

from __future__ import annotations

import os
import threading
import uuid
import zlib

import awkward as ak
import mlaas
import numpy as np
import pyarrow as pa
import remote_drive
import uproot
from remote_drive import DriveBatch, DriveFile, DriveLoader, DriveTable

DRIVE = os.environ.get("MLAAS_DRIVE")

COLLECTIONS = {"jet": 6, "lepton": 4}
PARAMS = {"identifier": ["event"], "batch_size": 500, "width": 5, "shuffle_buffer": 4000}
FORMATS = {pa.float32(): "f", pa.float64(): "g", pa.int32(): "i", pa.int64(): "l"}


def write_jagged(path, clusters, rows, seed):
    """A tree `events` of 4 flat and 10 jagged branches; each cluster is one basket of every branch."""
    rng = np.random.default_rng(seed)
    with uproot.recreate(path, uuid_function=lambda: uuid.UUID(int=seed + 1000)) as file:
        for cluster in range(clusters):
            chunk = {f"flat{i}": rng.normal(i, 1, rows).astype(np.float32) for i in range(3)}
            chunk["event"] = np.arange(cluster * rows, (cluster + 1) * rows, dtype=np.int64)
            for name, members in COLLECTIONS.items():
                lengths = np.minimum(rng.poisson(3, rows), 8)
                values = {f"m{i}": rng.exponential(50, lengths.sum()).astype(np.float32) for i in range(members)}
                chunk[name] = ak.zip({key: ak.unflatten(flat, lengths) for key, flat in values.items()})
            if cluster == 0:
                types = {
                    key: value.type.content if isinstance(value, ak.Array) else value.dtype
                    for key, value in chunk.items()
                }
                file.mktree("events", types)
            file["events"].extend(chunk)
    return path


def write_jagged_sample(folder, clusters=6, rows=3000):
    """Two files, for labels 1 and 0."""
    return [
        write_jagged(folder / name, clusters, rows, seed) for seed, name in enumerate(["signal.root", "other.root"])
    ]


# ---- runs: in this process, or by the program of the build directory that MLAAS_DRIVE names ----


def opened(url, **options):
    """The file: a mlaas.File, or what a program says of it."""
    if DRIVE:
        return DriveFile(DRIVE, url, "events", **options)
    return mlaas.open(url, **options)


def loaded(urls, params=None, **options):
    """A loader of all rows in random order: a mlaas.Loader, or what a program says of one."""
    wanted = (urls, [1, 0][: len(urls)], {**PARAMS, **(params or {})}, "all")
    if DRIVE:
        return DriveLoader(DRIVE, *wanted, shuffle=True, **options)
    return mlaas.Loader(*wanted, shuffle=True, **options)


def columns(url, **options):
    """A digest of every column of every entry."""
    with opened(url, **options) as file:
        return digest_columns(file["events"])


def digest_columns(table):
    """Of a table of `opened`; the program makes the same of the same bytes."""
    if isinstance(table, DriveTable):
        return table.digest()
    digest = 0
    for batch in table.batches(2000):
        for name, values in zip(batch.schema.names, batch.columns):
            digest = add(digest, name.encode(), np.int64(len(values)).tobytes())
            while pa.types.is_list(values.type):
                digest = add(digest, np.asarray(values.value_lengths()).tobytes())
                values = values.flatten()
            digest = add(digest, FORMATS[values.type].encode(), np.asarray(values).tobytes())
    return digest


def batches(urls, params=None, after=None, **options):
    """A digest of every batch of one epoch of all rows, and that no row is lost or there twice. `after` is called when
    the first batch has come."""
    with loaded(urls, params, **options) as loader:
        digests, rows = [], []
        for batch in loader:
            digests.append(digest_batch(batch))
            rows += rows_of(batch)
            if after is not None:
                after()
                after = None
    assert len(rows) == len(set(rows))
    return digests, sorted(rows)


def digest_batch(batch):
    if isinstance(batch, DriveBatch):
        return batch.digest
    arrays = (batch.x, batch.mask, batch.y, batch.w, batch.file, batch.entry)
    return add(0, *(np.ascontiguousarray(array).tobytes() for array in arrays))


def add(digest, *parts):
    for part in parts:
        digest = zlib.crc32(part, digest)
    return digest


def rows_of(batch):
    return list(zip(np.asarray(batch.file).tolist(), np.asarray(batch.entry).tolist()))


def within(seconds, work):
    """The result of `work()`, or the mlaas.Error that it raised; fails when neither comes in time."""
    outcome = []

    def run():
        try:
            outcome.append(work())
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        remote_drive.kill_all()
    assert outcome, f"nothing came within {seconds} s"
    if isinstance(outcome[0], BaseException) and not isinstance(outcome[0], mlaas.Error):
        raise outcome[0]
    return outcome[0]
