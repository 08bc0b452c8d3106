"""What tests of remote data read, wherever it lies: a sample of jagged files in clusters, and runs over it whose
results can be compared bit by bit with those of another place."""

from __future__ import annotations

import hashlib
import threading
import uuid

import awkward as ak
import mlaas
import numpy as np
import pyarrow as pa
import uproot

COLLECTIONS = {"jet": 6, "lepton": 4}
PARAMS = {"identifier": ["event"], "batch_size": 500, "width": 5, "shuffle_buffer": 4000}


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


def columns(url, **options):
    """A digest of every column of every entry."""
    with mlaas.open(url, **options) as file:
        return digest_columns(file["events"])


def digest_columns(table):
    digest = hashlib.sha256()
    for batch in table.batches(2000):
        for name, column in zip(batch.schema.names, batch.columns):
            values = column
            digest.update(f"{name} {values.type} {len(values)}".encode())
            while pa.types.is_list(values.type) or pa.types.is_large_list(values.type):
                digest.update(np.asarray(values.value_lengths()).tobytes())
                values = values.flatten()
            digest.update(np.asarray(values).tobytes())
    return digest.hexdigest()


def batches(urls, params=None, after=None, **options):
    """A digest of every batch of one epoch of all rows, and that no row is lost or there twice. `after` is called when
    the first batch has come."""
    with mlaas.Loader(
        urls, [1, 0][: len(urls)], {**PARAMS, **(params or {})}, "all", shuffle=True, **options
    ) as loader:
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
    digest = hashlib.sha256()
    for array in (batch.x, batch.mask, batch.y, batch.w, batch.file, batch.entry):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def rows_of(batch):
    return list(zip(batch.file.tolist(), batch.entry.tolist()))


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
    assert outcome, f"nothing came within {seconds} s"
    if isinstance(outcome[0], BaseException) and not isinstance(outcome[0], mlaas.Error):
        raise outcome[0]
    return outcome[0]
