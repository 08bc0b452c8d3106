"""Training: `train` takes files and a user's model and writes a bundle. One file per framework, imported when needed.

Importing this package must stay cheap: no framework is imported here.
"""

from __future__ import annotations


def train(
    files,
    labels=None,
    model=None,
    params=None,
    *,
    out=None,
    resume=False,
    progress=None,
    memory=None,
    threads=None,
    specs=None,
    limits=None,
    remote=None,
    **more_params,
):
    """Trains `model` on ROOT files and writes a bundle: the model with the recipe that makes its inputs.

    files: as for mlaas.Dataset: names, URLs, patterns, lists of them. labels: numbers for them, or the name of a
    branch. model: a Python file with `model(idim)`, `model(recipe)` or `model()`, such a function, or a model:
    Keras, torch.nn.Module, XGBoost or scikit-learn. params: dict or path of params.json; keyword arguments go on top.
    out: folder of the bundle (default "bundle"). resume: go on from the last checkpoint of that bundle.
    specs: statistics made earlier (Specs or a file), instead of a scan.
    limits, remote: as in mlaas.open. progress: None chooses by itself, False is
    silent, a function gets a dict for every event.

    Returns the Bundle. Raises mlaas.Error; after an interrupt the last finished epoch can be resumed.
    """
    from ._job import run

    return run(
        files,
        labels,
        model,
        params,
        "bundle" if out is None else out,
        resume,
        progress,
        more_params,
        memory=memory,
        threads=threads,
        specs=specs,
        limits=limits,
        remote=remote,
    )
