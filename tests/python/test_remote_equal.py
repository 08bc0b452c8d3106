"""The same columns and batches, bit by bit, from local files and from every server there is, in few requests."""

import json
from pathlib import Path

import mlaas
import pytest
from fault_proxy import FaultProxy
from remote_runs import batches, columns, digest_batch, digest_columns, opened, write_jagged, write_jagged_sample

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return write_jagged_sample(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="module")
def local(sample):
    names = [str(path) for path in sample]
    return [columns(name) for name in names], batches(names)


@pytest.fixture
def place(request, tmp_path, monkeypatch):
    """place(path): the name of the file at the place that the test is for, and options to open it."""

    def put(kind, path):
        options = {}
        if kind in ("root", "xrdhttp", "dav"):
            server = request.getfixturevalue("xrootd")
            url = server.root(server.add(path)) if kind == "root" else server.http(server.add(path))
            url = url.replace("http://", "dav://") if kind == "dav" else url
        elif kind in ("roots", "xrdhttps", "davs"):
            server = request.getfixturevalue("xrootd_secure")
            token = tmp_path / "token"
            token.write_text(server.issuer.token())
            token.chmod(0o600)
            authorities = server.authority.directory if kind == "roots" else server.authority.certificate
            options = {"remote": {"token_file": str(token), "authorities": str(authorities)}}
            url = server.root(server.add(path)) if kind == "roots" else server.http(server.add(path))
            url = url.replace("https://", "davs://") if kind == "davs" else url
        elif kind == "cluster":
            server = request.getfixturevalue("cluster")
            for i in range(2):
                server.servers[i].add(path)
            url = server.root(path.name)
        elif kind.startswith("nginx"):
            server = request.getfixturevalue("nginx")
            _, _, way = kind.partition(":")
            url = (server.https if way == "tls" else server.http)(("" if way == "tls" else way) + server.add(path))
            if way == "tls":
                options = {"remote": {"authorities": str(server.authority.certificate)}}
        elif kind == "s3":
            server = request.getfixturevalue("s3")
            for name, value in server.environment.items():
                monkeypatch.setenv(name, value)
            url = server.s3(server.add(path))
        return url, options

    return put


PLACES = ["root", "roots", "cluster", "xrdhttp", "xrdhttps", "dav", "davs"]
PLACES += ["nginx", "nginx:tls", "nginx:few/", "nginx:single/", "nginx:redirect/", "nginx:untagged/", "s3"]


@pytest.mark.parametrize("kind", PLACES)
def test_columns_and_batches_are_equal(kind, place, sample, local):
    urls, options = [], {}
    for path in sample:
        url, options = place(kind, path)
        urls.append(url)
    assert [columns(url, **options) for url in urls] == local[0]
    assert batches(urls, **options) == local[1]
    with opened(urls[0], **options) as file, opened(sample[0]) as same:
        assert (file.info["id"], file.info["size"]) == (same.info["id"], same.info["size"])


ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "examples/tth"


def demo_batches(urls, **options):
    """The batches that the demo trains on: its labels and parameters, one of its epochs."""
    labels = [int(line) for line in (DEMO / "labels.txt").read_text().split()]
    params = json.loads((DEMO / "params.json").read_text())
    with mlaas.Loader(urls, labels, params, "train", **options) as loader:
        return [digest_batch(batch) for batch in loader]


@pytest.fixture(scope="module")
def local_demo():
    files = [ROOT / name for name in (DEMO / "files.txt").read_text().splitlines() if not name.startswith("#")]
    found = demo_batches([str(path) for path in files])
    assert len(files) == 5 and len(found) == 460
    return files, found


@pytest.mark.parametrize("kind", ["root", "xrdhttp", "nginx", "s3"])
def test_batches_of_the_demo_are_equal(kind, place, local_demo):
    files, found = local_demo
    urls, options = zip(*(place(kind, path) for path in files))
    assert demo_batches(list(urls), **options[0]) == found


@pytest.mark.parametrize("kind", ["root", "xrdhttp", "nginx"])
def test_batches_are_equal_in_little_memory(kind, place, sample, local):
    """With a cache that holds less than a cluster, and one thread."""
    urls, _ = zip(*(place(kind, path) for path in sample))
    assert batches(list(urls), remote={"cache": 1_000_000}, threads=1) == local[1]


CLUSTERS = 5


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    path = write_jagged(tmp_path_factory.mktemp("large") / "large.root", CLUSTERS, 16000, 7)
    assert path.stat().st_size > 10e6
    return path


@pytest.mark.parametrize("kind", ["root", "xrdhttp", "nginx"])
def test_few_requests_bring_little_more_than_is_needed(kind, request, large):
    """All branches of a jagged file: at most two requests for a cluster, at most a tenth more than was asked for. The
    proxy counts, so that our own counters are held too."""
    server = request.getfixturevalue("nginx" if kind == "nginx" else "xrootd")
    with FaultProxy(server.port) as proxy:
        url = (proxy.root if kind == "root" else proxy.http)(server.add(large))

        def reads():
            return proxy.requests["GET"] + proxy.requests["read"] + proxy.requests["readv"]

        with opened(url) as file:
            assert len(file["events"]) == CLUSTERS * 16000
            assert reads() <= 2  # head and tail
            before, at_first = reads(), file.info["read_requests"]
            assert at_first <= 4
            assert digest_columns(file["events"]) == columns(str(large))
            assert reads() - before <= 2 * CLUSTERS
            info = file.info
            assert info["read_requests"] - at_first == reads() - before
            assert proxy.bytes_down <= 1.10 * info["bytes_read"]
        dataset = mlaas.Dataset([url], [1], {"batch_size": 2000, "width": 5}).scan()
        proxy.reset()
        with mlaas.Loader(dataset=dataset, split="all") as loader:
            for _ in loader:
                pass
            source = loader.stats["source"]
        assert reads() <= 2 * CLUSTERS
        assert source["requests"] == reads() and source["retries"] == 0
        assert source["delivered"] <= proxy.bytes_down <= 1.10 * source["bytes"]
