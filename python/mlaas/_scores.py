"""Scores of a bundle's model on files, batch by batch. Writes nothing; a bundle is what has info, recipe and model."""

from __future__ import annotations

from ._loader import Dataset
from ._places import expand


def _open(bundle, files, rename, batch_size, memory=None, threads=None, limits=None, remote=None):
    trained = bundle.info.get("training", {}).get("params", {})
    params = {"friends": True} if trained.get("friends") else {}
    how = {"memory": memory, "threads": threads, "limits": limits, "remote": remote}
    dataset = Dataset(files, None, params, recipe=bundle.recipe, rename=rename, **how)
    return dataset, dataset.loader("all", shuffle=False, batch_size=batch_size)


def stream_scores(
    bundle, files, *, rename=None, batch_size=8192, memory=None, threads=None, limits=None, remote=None, costs=None
):
    """Yields (batch, scores) over all entries of all files in order. `costs` gets what reading took, at the end."""
    dataset, loader = _open(
        bundle, expand(files, None, remote).names, rename, batch_size, memory, threads, limits, remote
    )
    try:
        for batch in loader:
            yield batch, bundle.model.predict(batch.inputs)
    finally:
        loader.close()
        if costs is not None:
            costs.update(dataset.source)
