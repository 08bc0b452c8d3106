"""Everything that a FaultProxy can do wrong, with every protocol, while a file is opened, read and trained on: the
right result or a clear error in time, no event lost or there twice."""

import re
import time
from itertools import product

import fault_modes as faults
import mlaas
import pytest
from fault_places import FAULTS, IMPATIENT, IN_TIME, KINDS, PATIENT, REMOTE, Place, in_the_end
from remote_runs import PARAMS, batches, columns, digest_columns, loaded, opened, rows_of, within, write_jagged_sample

pytestmark = pytest.mark.slow

# http:// and root:// meet everything that there is. What is the same behind other protocols is not tried again: through
# TLS bytes are damaged, in the handshake and behind it; XrdHttp answers in its own way; S3 signs what it asks for, and
# shares connections where it is behind TLS and the server has HTTP/2.
ALL = [("http", name) for name in FAULTS["http"]] + [("root", name) for name in FAULTS["root"]]
OPENING = [case for case in ALL if case != ("http", "whole")] + [  # a server that never gave a part is believed
    *product(["https", "roots"], ["cut-in-handshake", "reset-in-handshake", "stall-in-handshake", "slow-handshake"]),
    *product(["https", "roots", "davs"], ["cut", "refuse"]),
    ("davs", "stall-in-handshake"),
    *product(["xrdhttp"], ["503", "cut-at-once", "stall-at-once", "redirect"]),
    *product(["s3"], ["slow-down", "internal-error", "cut-at-once", "stall-at-once", "refuse"]),
    ("s3-http2", "stall"),
]
READING = ALL + [
    *product(["https", "roots"], ["cut-in-handshake", "reset-later", "stall", "drip"]),
    *product(["davs"], ["cut-later", "stall-in-handshake"]),
    *product(["xrdhttp"], ["503", "500", "too-short", "wrong-range", "truncated-parts", "redirect", "reset"]),
    *product(["s3"], ["slow-down", "internal-error", "too-short", "wrong-range", "cut-later", "stall", "drip"]),
    *product(["s3-http2"], ["cut-later", "stall", "stall-later"]),
]
BATCHES = ALL + [
    *product(["https", "roots"], ["cut", "reset-in-handshake", "stall-in-handshake", "refuse"]),
    *product(["davs"], ["reset-later"]),
    *product(["xrdhttp"], ["503", "cut-later", "stall"]),
    *product(["s3"], ["slow-down", "too-short", "reset-later", "refuse"]),
    *product(["s3-http2"], ["stall-in-handshake"]),
]


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return write_jagged_sample(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="module")
def local(sample):
    names = [str(path) for path in sample]
    return [columns(name) for name in names], batches(names)


@pytest.fixture(scope="module")
def all_places(request, sample, tmp_path_factory):
    made = {}

    def get(kind):
        if kind not in made:
            made[kind] = Place(kind, request.getfixturevalue(KINDS[kind][0]), sample, tmp_path_factory.mktemp(kind))
            made[kind].proxy.__enter__()
        return made[kind]

    yield get
    for place in made.values():
        place.proxy.__exit__()


@pytest.fixture
def places(all_places, monkeypatch):
    """places(kind): behind a proxy that does nothing wrong when the test begins."""
    used = []

    def get(kind):
        used.append(all_places(kind))
        for name, value in used[-1].environment.items():
            monkeypatch.setenv(name, value)
        return used[-1]

    yield get
    for place in used:
        place.proxy.drop()
        place.proxy.come_back()
        place.proxy.mode = None


# ---- faults that pass ----


@pytest.mark.parametrize("kind, fault", OPENING)
def test_opening_survives(kind, fault, places, sample):
    place = places(kind)
    mode = place.proxy.mode = place.mode(fault)

    def work():
        with opened(place.urls[0], remote=place.remote()) as file:
            return len(file["events"]), file.info["size"]

    assert within(IN_TIME, work) == (18000, sample[0].stat().st_size)
    if kind != "root" or fault not in ("io-error", "overloaded"):  # those strike reads of which few are left
        assert mode.struck or fault in ("wrong-range", "truncated-parts", "cut-later", "reset-later")


@pytest.mark.parametrize("kind, fault", READING)
def test_reading_all_columns_survives(kind, fault, places, local):
    place = places(kind)
    with opened(place.urls[0], remote=place.remote()) as file:
        mode = place.proxy.mode = place.mode(fault)
        assert within(IN_TIME, lambda: digest_columns(file["events"])) == local[0][0]
        assert mode.struck or fault in ("truncated-parts", "redirect", "wait")


@pytest.mark.parametrize("kind, fault", BATCHES)
def test_batches_lose_nothing(kind, fault, places, local):
    place = places(kind)

    def begin():
        place.proxy.mode = place.mode(fault)

    assert within(2 * IN_TIME, lambda: batches(place.urls, after=begin, remote=place.remote())) == local[1]


# ---- faults that stay ----

LATE = (mlaas.IOError, mlaas.TimeoutError)  # given up by the last attempt, or by the deadline before that
WHOLE = (mlaas.UnsupportedError, mlaas.TimeoutError)
BOTH = ("GET", "HEAD")
FINAL = {
    "http": {
        "silent": (lambda _: faults.Stall(after=0, times=None), mlaas.TimeoutError, "."),
        "always-cut": (lambda _: faults.Cut(after=1000, times=None), mlaas.Error, "."),
        "always-reset": (lambda _: faults.Reset(after=0, times=None), LATE, "."),
        "away": (lambda _: faults.Refuse(600), LATE, "refused|connect"),
        "always-503": (lambda _: faults.Status(503, times=None, methods=BOTH), LATE, "503"),
        "403": (lambda _: faults.Status(403, times=None, methods=BOTH), mlaas.IOError, "403"),
        "404": (lambda _: faults.Status(404, times=None, methods=BOTH), mlaas.NotFoundError, "."),
        "changed": (lambda _: faults.ChangedTag(), mlaas.StaleError, "changed"),
        "no-ranges": (lambda _: faults.Whole(times=None), WHOLE, "200 with the whole file"),
        "wrong-ranges": (lambda _: faults.WrongRange(times=None), LATE, "answers 206 with bytes .* where"),
        "redirects-to-itself": (lambda place: faults.Redirect(place.proxy.http()), mlaas.IOError, "redirect"),
    },
    "https": {
        "silent": (lambda _: faults.Stall(after=0, times=None), mlaas.TimeoutError, "."),
        "always-cut": (lambda _: faults.Cut(after=150, times=None), LATE, "."),
        "away": (lambda _: faults.Refuse(600), LATE, "refused|connect"),
    },
    "root": {
        "silent": (lambda _: faults.Stall(after=0, times=None), mlaas.Error, "."),
        "always-cut": (lambda _: faults.Cut(after=1000, times=None), mlaas.Error, "."),
        "always-reset": (lambda _: faults.Reset(after=0, times=None), mlaas.Error, "."),
        "away": (lambda _: faults.Refuse(600), mlaas.Error, "refused|onnect|in time"),
        "not-authorized": (lambda _: faults.XrdError(3010, times=None), mlaas.IOError, "test wants"),
        "not-found": (lambda _: faults.XrdError(3011, times=None), mlaas.Error, "test wants"),
        "always-busy": (lambda _: faults.XrdWait(1, times=None), mlaas.Error, "."),
    },
    "roots": {
        "silent": (lambda _: faults.Stall(after=0, times=None), mlaas.Error, "."),
        "always-cut": (lambda _: faults.Cut(after=150, times=None), mlaas.Error, "."),
        "away": (lambda _: faults.Refuse(600), mlaas.Error, "refused|onnect|in time"),
    },
    "xrdhttp": {
        "always-reset": (lambda _: faults.Reset(after=0, times=None), LATE, "."),
        "always-500": (lambda _: faults.Status(500, times=None, methods=BOTH), LATE, "500"),
        "403": (lambda _: faults.Status(403, times=None, methods=BOTH), mlaas.IOError, "403"),
        "wrong-ranges": (lambda _: faults.WrongRange(times=None), mlaas.Error, "."),
    },
    "s3-http2": {"silent": (lambda _: faults.Stall(after=0, times=None), mlaas.TimeoutError, ".")},
    "davs": {"silent": (lambda _: faults.Stall(after=0, times=None), mlaas.TimeoutError, ".")},
    "s3": {
        "always-slow-down": (lambda _: faults.S3Error(503, "SlowDown", times=None), LATE, "503"),
        "denied": (lambda _: faults.S3Error(403, "AccessDenied", times=None), mlaas.IOError, "403.*as the test wants"),
        "gone": (lambda _: faults.S3Error(404, "NoSuchKey", times=None), mlaas.NotFoundError, "."),
        "changed": (lambda _: faults.ChangedTag(), mlaas.StaleError, "changed"),
        "no-ranges": (lambda _: faults.Whole(times=None), WHOLE, "200 with the whole file"),
        "always-cut": (lambda _: faults.Cut(after=1000, times=None), mlaas.Error, "."),
    },
}
AT_ONCE = ("403", "404", "not-authorized", "changed", "denied", "gone")  # nothing is tried again
SILENT = ("silent", "always-busy")  # the times of whoever waits end it


@pytest.mark.parametrize("kind, fault", [(kind, fault) for kind, found in FINAL.items() for fault in found])
def test_what_stays_wrong_is_an_error_in_time(kind, fault, places):
    place = places(kind)
    make, expected, words = FINAL[kind][fault]
    # XRootD's client goes on by itself where connections are lost, until a time is over.
    waits = fault in SILENT or (kind in ("root", "roots") and fault in ("always-cut", "always-reset"))
    options = place.remote(IMPATIENT if waits else PATIENT)
    with in_the_end(lambda: opened(place.urls[1], remote=options)) as file:
        mode = place.proxy.mode = make(place)
        place.proxy.reset()
        for _ in range(20):  # short times may be over before anything has happened
            start = time.monotonic()
            found = within(IN_TIME, lambda: digest_columns(file["events"]))
            took = time.monotonic() - start
            if mode.struck or not waits:
                break
        requests = place.proxy.requests.total()
    assert isinstance(found, expected), found
    assert place.names[1] in str(found)  # which file
    assert re.search(words, str(found)), str(found)
    assert mode.struck and took < 30  # where all times together allow minutes
    if fault in AT_ONCE:
        assert requests <= 10


# ---- replicas and resuming ----


@pytest.fixture
def pair(request, sample):
    """The sample on two servers, of one kind or of two, that may be killed."""
    import remote_servers

    make = {"root": remote_servers.Xrootd, "http": remote_servers.Nginx}
    kinds = request.param.split("|")
    kinds = [kinds[0], kinds[-1]]
    try:
        servers = [make[kind]() for kind in kinds]
    except remote_servers.MissingServerError as missing:
        pytest.skip(str(missing))
    with servers[0], servers[1]:
        urls = [[getattr(server, kind)(server.add(path)) for path in sample] for server, kind in zip(servers, kinds)]
        yield urls, servers


@pytest.mark.parametrize("pair", ["root", "http", "root|http"], indirect=True)
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
        remote = {**REMOTE, "timeout": 5}
        assert within(IN_TIME, lambda: batches(urls, after=kill, remote=remote)) == local[1]
    finally:
        cluster.servers[0].run()
        cluster.await_servers()


def see_each_event_once(load, go_away, come_back, expected):
    """One epoch that is cut after two batches, and resumed when the server is there again."""
    rows = []

    def first():
        with load() as run:
            state = run.state_dict()
            try:
                for batch in run:
                    rows.extend(rows_of(batch))
                    state = run.state_dict()
                    if len(rows) == 2 * PARAMS["batch_size"]:
                        go_away()
            except mlaas.Error as error:
                return state, error
        return state, None

    state, error = within(3 * IN_TIME, first)
    assert error is not None and len(rows) < len(expected)
    come_back()

    def second():
        with load() as run:
            run.load_state_dict(state)
            for batch in run:
                rows.extend(rows_of(batch))

    within(3 * IN_TIME, second)
    assert sorted(rows) == expected


@pytest.mark.parametrize("pair", ["root", "http"], indirect=True)
def test_run_that_was_cut_and_resumed_sees_each_event_once(pair, local):
    urls, servers = pair
    see_each_event_once(lambda: loaded(urls[0], remote=PATIENT), servers[0].kill, servers[0].run, local[1][1])


@pytest.mark.parametrize("kind", ["https", "roots", "xrdhttp", "s3"])
def test_run_that_was_cut_off_and_resumed_sees_each_event_once(kind, places, local):
    place = places(kind)

    def go_away():
        place.proxy.mode = faults.Refuse(600)

    def come_back():
        place.proxy.mode = None
        place.proxy.come_back()

    see_each_event_once(lambda: loaded(place.urls, remote=place.remote(PATIENT)), go_away, come_back, local[1][1])
