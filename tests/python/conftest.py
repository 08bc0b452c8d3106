"""Shared by the Python tests: small samples and what trains on them."""

from __future__ import annotations

import os
import signal
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
sys.path.insert(0, os.path.dirname(__file__))

import mlaas
import pytest
from make_sample import write_sample

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's jobs ignore it, and so would what they start

FEATURES = ["a", "b", "c", "jet_pt", "jet_eta"]
SMALL = {"identifier": ["run", "event"], "exclude_branches": ["genw", "njet"], "batch_size": 200, "epochs": 2}


@pytest.fixture(scope="session")
def sample(tmp_path_factory):
    """(files, labels) of a small made-up sample."""
    return write_sample(tmp_path_factory.mktemp("sample"))


@pytest.fixture
def make_dataset(sample):
    """make_dataset(**params) opens the small sample."""

    def make(**params):
        files, labels = sample
        return mlaas.Dataset(files, labels, {**SMALL, **params})

    return make


@pytest.fixture
def train_small(make_dataset, tmp_path):
    """train_small(model, **params) trains on the small sample and returns the bundle."""
    from mlaas.progress import Progress
    from mlaas.train._job import train_dataset

    def train(model, out="bundle", resume=False, progress=None, **params):
        return train_dataset(make_dataset(**params), model, str(tmp_path / out), resume, progress or Progress())

    return train


def serving(make):
    """The server that `make` makes, for as long as the fixture lives; a skip where it is not installed."""
    import remote_servers

    try:
        server = make(remote_servers)
    except remote_servers.MissingServerError as missing:
        pytest.skip(str(missing))
    with server:
        yield server


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """Signs the certificates of all test servers."""
    import remote_servers

    try:
        return remote_servers.Authority(tmp_path_factory.mktemp("authority"))
    except remote_servers.MissingServerError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def xrootd():
    """XRootD and HTTP on one port: no TLS, no tokens."""
    yield from serving(lambda kinds: kinds.Xrootd())


@pytest.fixture(scope="session")
def xrootd_secure(authority):
    """XRootD and HTTP with TLS, and tokens of `xrootd_secure.issuer`, without which nothing can be read."""
    yield from serving(lambda kinds: kinds.Xrootd(tls=True, tokens=True, authority=authority))


@pytest.fixture(scope="session")
def xrootd_tokens():
    """As xrootd_secure, without TLS: tokens by ?authz= and in HTTP's header."""
    yield from serving(lambda kinds: kinds.Xrootd(tokens=True))


@pytest.fixture(scope="session")
def xrootd_gsi():
    """XRootD that lets in who comes with a proxy of a certificate by `xrootd_gsi.authority`."""
    yield from serving(lambda kinds: kinds.Xrootd(gsi=True))


@pytest.fixture(scope="session")
def cluster():
    """A redirector before two data servers."""
    yield from serving(lambda kinds: kinds.XrootdCluster())


@pytest.fixture(scope="session")
def nginx(authority):
    yield from serving(lambda kinds: kinds.Nginx(authority))


@pytest.fixture(scope="session")
def s3():
    yield from serving(lambda kinds: kinds.S3())


@pytest.fixture(autouse=True)
def quick_report(request, monkeypatch):
    """Bundles of tests get an empty page, unless the test is about the report: drawing takes longer than training."""
    if "report" not in request.node.nodeid:
        from mlaas import report

        monkeypatch.setattr(report, "render", lambda content: "<!doctype html>\n")
