"""Everything that a FaultProxy can do wrong, with both protocols, while a file is opened, read and trained on: the
right result or a clear error in time, no event lost or there twice."""

import re
import time

import fault_modes as faults
import mlaas
import pytest
from fault_proxy import FaultProxy
from remote_runs import PARAMS, batches, columns, digest_columns, loaded, opened, rows_of, within, write_jagged_sample

pytestmark = pytest.mark.slow

# Patience of seconds, so that what is given up is given up soon; the cache is smaller than a file, so that reading goes
# on while batches are taken.
REMOTE = {"connect_timeout": 1, "timeout": 0.7, "deadline": 6, "retries": 4, "cache": 1_000_000}
IN_TIME = REMOTE["deadline"] + 4

BYTES = {
    "cut": lambda: faults.Cut(after=3000),
    "cut-later": lambda: faults.Cut(after=150_000, times=2),
    "cut-at-once": lambda: faults.Cut(after=0, times=2),
    "reset": lambda: faults.Reset(after=3000),
    "reset-later": lambda: faults.Reset(after=150_000, times=2),
    "stall": lambda: faults.Stall(after=3000),
    "stall-at-once": lambda: faults.Stall(after=0),
    "drip": lambda: faults.Drip(rate=8_000_000),
    "refuse": lambda: faults.Refuse(0.5),
}
HTTP = {
    "503": lambda: faults.Status(503, times=2, methods=("GET", "HEAD")),
    "503-wait": lambda: faults.Status(503, times=1, retry_after=1, methods=("GET", "HEAD")),
    "500": lambda: faults.Status(500, methods=("GET", "HEAD")),
    "429": lambda: faults.Status(429, methods=("GET", "HEAD")),
    "too-short": lambda: faults.WrongLength(by=100),
    "wrong-range": lambda: faults.WrongRange(),
    "truncated-parts": lambda: faults.TruncatedParts(),
    "whole": lambda: faults.Whole(times=2),  # forgets for a while that it knows ranges
    "redirect": None,  # made by the test: it needs the server's port
}
XROOTD = {
    "io-error": lambda: faults.XrdError(3007),
    "server-error": lambda: faults.XrdError(3012, requests=["read", "readv", "open"]),
    "overloaded": lambda: faults.XrdError(3024, times=2),
    "wait": lambda: faults.XrdWait(1, requests=["read", "readv", "open"]),
    "redirect": None,
}
CASES = [("http", name) for name in {**BYTES, **HTTP}] + [("root", name) for name in {**BYTES, **XROOTD}]


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return write_jagged_sample(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="module")
def local(sample):
    names = [str(path) for path in sample]
    return [columns(name) for name in names], batches(names)


class Place:
    """The sample behind a proxy before one server."""

    def __init__(self, kind, server, sample):
        self.kind, self.server = kind, server
        self.names = [server.add(path) for path in sample]
        self.proxy = FaultProxy(server.port)

    @property
    def urls(self):
        return [getattr(self.proxy, self.kind)(name) for name in self.names]

    def mode(self, name):
        make = {**BYTES, **(HTTP if self.kind == "http" else XROOTD)}[name]
        if make:
            return make()
        if self.kind == "http":
            return faults.Redirect(self.server.http(), times=2)
        return faults.XrdRedirect("localhost", self.server.port)


@pytest.fixture(scope="module")
def all_places(request, sample):
    made = {}

    def get(kind):
        if kind not in made:
            made[kind] = Place(kind, request.getfixturevalue("nginx" if kind == "http" else "xrootd"), sample)
            made[kind].proxy.__enter__()
        return made[kind]

    yield get
    for place in made.values():
        place.proxy.__exit__()


@pytest.fixture
def places(all_places):
    """places(kind): behind a proxy that does nothing wrong when the test begins."""
    used = []

    def get(kind):
        used.append(all_places(kind))
        return used[-1]

    yield get
    for place in used:
        place.proxy.drop()
        place.proxy.come_back()
        place.proxy.mode = None


# ---- faults that pass ----


@pytest.mark.parametrize("kind, fault", CASES)
def test_opening_survives(kind, fault, places):
    place = places(kind)
    mode = place.proxy.mode = place.mode(fault)

    def work():
        with opened(place.urls[0], remote=REMOTE) as file:
            return len(file["events"]), file.info["size"]

    assert within(IN_TIME, work) == (18000, (place.server.data / place.names[0]).stat().st_size)
    if kind == "http" or fault not in ("io-error", "overloaded"):  # those strike reads of which few are left
        assert mode.struck or fault in ("wrong-range", "truncated-parts", "cut-later", "reset-later")


@pytest.mark.parametrize("kind, fault", CASES)
def test_reading_all_columns_survives(kind, fault, places, local):
    place = places(kind)
    with opened(place.urls[0], remote=REMOTE) as file:
        mode = place.proxy.mode = place.mode(fault)
        assert within(IN_TIME, lambda: digest_columns(file["events"])) == local[0][0]
        assert mode.struck or fault in ("truncated-parts", "redirect", "wait")


@pytest.mark.parametrize("kind, fault", CASES)
def test_batches_lose_nothing(kind, fault, places, local):
    place = places(kind)

    def begin():
        place.proxy.mode = place.mode(fault)

    assert within(2 * IN_TIME, lambda: batches(place.urls, after=begin, remote=REMOTE)) == local[1]


# ---- faults that stay ----

LATE = (mlaas.IOError, mlaas.TimeoutError)  # given up by the last attempt, or by the deadline before that
FINAL = {
    "http": {
        "silent": (lambda: faults.Stall(after=0, times=None), mlaas.TimeoutError, "."),
        "always-cut": (lambda: faults.Cut(after=1000, times=None), mlaas.Error, "."),
        "always-reset": (lambda: faults.Reset(after=0, times=None), LATE, "."),
        "away": (lambda: faults.Refuse(60), LATE, "refused|connect"),
        "always-503": (lambda: faults.Status(503, times=None, methods=("GET", "HEAD")), LATE, "503"),
        "403": (lambda: faults.Status(403, times=None, methods=("GET", "HEAD")), mlaas.IOError, "403"),
        "404": (lambda: faults.Status(404, times=None, methods=("GET", "HEAD")), mlaas.NotFoundError, "."),
        "changed": (lambda: faults.ChangedTag(), mlaas.StaleError, "changed"),
        "no-ranges": (
            lambda: faults.Whole(times=None),
            (mlaas.UnsupportedError, mlaas.TimeoutError),
            "200 with the whole file",
        ),
        "wrong-ranges": (lambda: faults.WrongRange(times=None), LATE, "answers 206 with bytes .* where"),
        "redirects-to-itself": (None, mlaas.IOError, "redirect"),
    },
    "root": {
        "silent": (lambda: faults.Stall(after=0, times=None), mlaas.Error, "."),
        "always-cut": (lambda: faults.Cut(after=1000, times=None), mlaas.Error, "."),
        "always-reset": (lambda: faults.Reset(after=0, times=None), mlaas.Error, "."),
        "away": (lambda: faults.Refuse(60), mlaas.Error, "refused|onnect"),
        "not-authorized": (lambda: faults.XrdError(3010, times=None), mlaas.IOError, "test wants"),
        "not-found": (lambda: faults.XrdError(3011, times=None), mlaas.Error, "test wants"),
        "always-busy": (lambda: faults.XrdWait(1, times=None), mlaas.Error, "."),
    },
}


@pytest.mark.parametrize("kind, fault", [(kind, fault) for kind, found in FINAL.items() for fault in found])
def test_what_stays_wrong_is_an_error_in_time(kind, fault, places):
    place = places(kind)
    make, expected, words = FINAL[kind][fault]
    remote = {**REMOTE, "deadline": 1.2, "timeout": 0.4, "connect_timeout": 0.4}
    with opened(place.urls[1], remote=remote) as file:
        place.proxy.mode = make() if make else faults.Redirect(place.proxy.http())
        place.proxy.reset()
        start = time.monotonic()
        found = within(IN_TIME, lambda: digest_columns(file["events"]))
        took = time.monotonic() - start
        struck, requests = place.proxy.mode.struck, place.proxy.requests.total()
    assert isinstance(found, expected), found
    assert place.names[1] in str(found)  # which file
    assert re.search(words, str(found)), str(found)
    assert struck and took < 1.2 + 2
    if fault in ("403", "404", "not-authorized", "changed"):
        assert requests <= 10 and took < 1  # nothing is tried again


# ---- replicas and resuming ----


@pytest.fixture
def pair(request, sample):
    """The sample on two servers of one kind that may be killed."""
    import remote_servers

    make = {"root": remote_servers.Xrootd, "http": remote_servers.Nginx}[request.param]
    try:
        servers = [make(), make()]
    except remote_servers.MissingServerError as missing:
        pytest.skip(str(missing))
    with servers[0], servers[1]:
        names = [[server.add(path) for path in sample] for server in servers]
        yield (
            [[getattr(server, request.param)(name) for name in found] for server, found in zip(servers, names)],
            servers,
        )


@pytest.mark.parametrize("pair", ["root", "http"], indirect=True)
@pytest.mark.parametrize("victim", [0, 1])
def test_killed_server_with_a_replica_is_not_missed(pair, victim, local):
    urls, servers = pair
    replicas = [f"{one}|{other}" for one, other in zip(*urls)]
    found = within(3 * IN_TIME, lambda: batches(replicas, after=servers[victim].kill, remote=REMOTE))
    assert found == local[1]


@pytest.mark.parametrize("pair", ["root", "http"], indirect=True)
def test_restarted_server_is_found_again(pair, local):
    urls, servers = pair

    def restart():
        servers[0].kill()
        servers[0].run()

    assert within(3 * IN_TIME, lambda: batches(urls[0], after=restart, remote=REMOTE)) == local[1]


def test_cluster_that_loses_a_server_goes_on(cluster, sample, local):
    names = [[server.add(path) for path in sample] for server in cluster.servers][0]
    urls = [cluster.root(name) for name in names]

    def kill():
        cluster.servers[0].kill()

    try:
        remote = {**REMOTE, "deadline": 20, "timeout": 5}
        assert within(60, lambda: batches(urls, after=kill, remote=remote)) == local[1]
    finally:
        cluster.servers[0].run()
        cluster.await_servers()


@pytest.mark.parametrize("pair", ["root", "http"], indirect=True)
def test_run_that_was_cut_and_resumed_sees_each_event_once(pair, local):
    urls, servers = pair
    remote = {**REMOTE, "deadline": 1, "timeout": 0.3, "connect_timeout": 0.3}
    rows = []

    def loader():
        return loaded(urls[0], remote=remote)

    def first():
        with loader() as run:
            state = run.state_dict()
            try:
                for batch in run:
                    rows.extend(rows_of(batch))
                    state = run.state_dict()
                    if len(rows) == 2 * PARAMS["batch_size"]:
                        servers[0].kill()
            except mlaas.Error as error:
                return state, error
        return state, None

    state, error = within(3 * IN_TIME, first)
    assert error is not None and len(rows) < len(local[1][1])
    servers[0].run()

    def second():
        with loader() as run:
            run.load_state_dict(state)
            for batch in run:
                rows.extend(rows_of(batch))

    within(3 * IN_TIME, second)
    assert sorted(rows) == local[1][1]
