"""The XRootD plug-in against real servers, through a program that drives the wire alone (tests/source/wire_probe.c):
ranges and limits, errors and what they say, tokens, redirectors, servers that die, stall or were never there."""

import json
import os
import random
import signal
import socket
import subprocess
import time
import zlib
from pathlib import Path

import pytest

BUILD = Path(os.environ.get("MLAAS_BUILD", Path(__file__).parents[2] / "build"))
PROBE = BUILD / "tests/source/wire_probe"
CONTENT = random.Random(1).randbytes(6_000_000)

pytestmark = pytest.mark.skipif(
    not (BUILD / "wires/mlaas-xrootd.so").exists() or not PROBE.exists(), reason="the plug-in for XRootD is not built"
)


class Probe:
    """The program as a child: `ask(command)` gives the answer to it, `answers` for several at once."""

    def __init__(self, url, environment=None, **options):
        words = [f"{name}={value}" for name, value in options.items()]
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("XRD_", "BEARER", "X509"))}
        clean["XDG_RUNTIME_DIR"] = "/nowhere"
        self.process = subprocess.Popen(
            [PROBE, *words, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**clean, **(environment or {})},
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        errors = self.process.stderr.read()
        self.process.stderr.close()
        self.process.stdout.close()
        assert self.process.wait(timeout=300) in (0, 1)
        assert errors == ""  # a library does not print

    def ask(self, command):
        self.send(command)
        return self.answer()

    def send(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def ask_until_told(self, command):
        """The first answer but that time was over: for short times that a busy machine may need for good answers."""
        for _ in range(50):
            answer = self.ask(command)
            if not answer.get("transient"):
                break
        return answer

    def answer(self):
        line = self.process.stdout.readline()
        assert line, "the program died: " + self.process.stderr.read()
        return json.loads(line)

    def read(self, ranges, command="read"):
        return self.ask(f"{command} " + " ".join(f"{offset}:{length}" for offset, length in ranges))


def ask(url, command="open", environment=None, **options):
    with Probe(url, environment, **options) as probe:
        return probe.ask(command)


def crc(ranges, content=CONTENT):
    return zlib.crc32(b"".join(content[offset : offset + length] for offset, length in ranges))


@pytest.fixture(scope="module")
def url(xrootd):
    return xrootd.root(xrootd.put("content.bin", CONTENT))


# ---- reading ----


def test_a_file_says_its_size_server_and_limits(url, xrootd):
    with Probe(url) as probe:
        opened = probe.ask("open")
        assert opened["status"] == "OK" and opened["size"] == len(CONTENT)
        assert opened["server"] == f"localhost:{xrootd.port}"
        assert (opened["most_ranges"], opened["most_range_bytes"]) == (1024, 2097136)  # what this server says
        assert opened["requests"] == 2  # the opening, and the question for limits
        assert opened["tag"] != ""
        again = probe.ask("open")
        assert again["requests"] == 1  # limits of a server are asked once


@pytest.mark.parametrize("scheme", ["root", "xroot"])
def test_one_range_and_several(url, scheme):
    with Probe(url.replace("root://", scheme + "://")) as probe:
        probe.ask("open")
        for ranges in [
            [(0, 1)],
            [(len(CONTENT) - 1, 1)],
            [(5, 4_000_000)],
            [(0, 10), (10, 10), (5000, 2_097_136), (3_000_000, 7)],
            [(i * 5000, 100 + i % 7) for i in range(1024)],
        ]:
            read = probe.read(ranges)
            assert read["status"] == "OK" and read["crc32"] == crc(ranges)
            assert read["requests"] == 1 and read["done"] == 1
            assert read["delivered"] == sum(length for _, length in ranges)


def test_many_fetches_at_once(url):
    ranges = [(i * 150_000, 100_000) for i in range(40)]
    with Probe(url) as probe:
        probe.ask("open")
        probe.send("many 32 " + " ".join(f"{offset}:{length}" for offset, length in ranges))
        for _ in range(32):
            read = probe.answer()
            assert read["status"] == "OK" and read["crc32"] == crc(ranges)


@pytest.mark.parametrize(
    "ranges",
    [
        pytest.param([(i * 1000, 10) for i in range(1500)], id="too many ranges"),
        pytest.param([(0, 3_000_000), (4_000_000, 10)], id="a range that is too long"),
    ],
)
def test_what_a_server_refuses_together_is_read_singly(url, ranges):
    with Probe(url) as probe:
        probe.ask("open")
        read = probe.read(ranges)
        assert read["status"] == "OK" and read["crc32"] == crc(ranges)
        assert read["requests"] == len(ranges) + 1
        again = probe.read(ranges)
        assert again["status"] == "OK" and again["requests"] == len(ranges)  # it does not try that again
        assert probe.read(ranges[:1])["requests"] == 1


def test_what_lies_behind_the_end_is_no_success(url):
    size = len(CONTENT)
    for ranges in [[(size - 10, 20)], [(0, 10), (size - 10, 20)], [(size + 5, 10)]]:
        with Probe(url) as probe:
            probe.ask("open")
            read = probe.read(ranges)
            assert read["status"] in ("IO", "STALE") and "crc32" not in read


def test_limits_that_a_server_sets_itself(tmp_path):
    import remote_servers

    try:
        server = remote_servers.Xrootd(lines=["xrootd.async off"])
    except remote_servers.MissingServerError as missing:
        pytest.skip(str(missing))
    with server:
        with Probe(server.root(server.put("x", CONTENT))) as probe:
            opened = probe.ask("open")
            ranges = [(i * 3000, 20) for i in range(opened["most_ranges"])]
            assert probe.read(ranges)["crc32"] == crc(ranges)


# ---- errors ----


def test_errors_say_what_and_where(url, xrootd):
    xrootd.put("folder/inner.bin", b"x")
    missing = ask(xrootd.root("none.root"))
    assert missing["status"] == "NOT_FOUND" and not missing["transient"]
    assert missing["message"].startswith(f"localhost:{xrootd.port}: ") and missing["message"].endswith('directory"')
    folder = ask(xrootd.root("folder"))
    assert folder["status"] == "IO" and "is a directory" in folder["message"]
    relative = ask(xrootd.root("x").replace("//x", "/x"))
    assert relative["status"] == "IO" and "two slashes" in relative["message"]
    for bad in ["root://", "root://host", "root://host:notaport//x", "root://host:99999//x", "root://:1094//x"]:
        assert ask(bad)["status"] == "ARGUMENT", bad


def test_secrets_are_in_no_message(xrootd):
    url = xrootd.root("none.root").replace("root://", "root://someone:secret@") + "?authz=Bearer%20hidden&x=y"
    for command in ("open", "list"):
        answer = ask(url, command)
        assert answer["status"] == "NOT_FOUND"
        assert "secret" not in answer["message"] and "hidden" not in answer["message"], answer["message"]


def test_a_refused_port_is_an_error_at_once():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        refused = ask(f"root://localhost:{nobody.getsockname()[1]}//x", connect_ms=300_000, timeout_ms=300_000)
    assert refused["status"] == "IO" and refused["transient"]
    assert refused["seconds"] < 60


def test_a_host_that_does_not_exist():
    nowhere = ask("root://no-such-host.invalid//x")
    assert nowhere["status"] == "IO" and "host" in nowhere["message"] and not nowhere["transient"]


@pytest.mark.slow
def test_a_server_that_never_answers():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(5)
        dead = ask(f"root://127.0.0.1:{silent.getsockname()[1]}//x", connect_ms=2000, timeout_ms=2000)
    assert dead["status"] in ("IO", "TIMEOUT") and dead["transient"]
    assert 1.5 < dead["seconds"] < 40  # XRootD's client itself would take minutes


# ---- what else a server is asked ----


def test_the_checksum_of_a_file(url):
    with Probe(url) as probe:
        probe.ask("open")
        assert probe.ask("checksum")["checksum"] == f"adler32:{zlib.adler32(CONTENT):08x}"


def test_a_server_without_checksums():
    import remote_servers

    try:
        server = remote_servers.Xrootd(lines=["xrootd.chksum max 2 adler32 /bin/false"])
    except remote_servers.MissingServerError as missing:
        pytest.skip(str(missing))
    with server, Probe(server.root(server.put("x", b"x"))) as probe:
        probe.ask("open")
        assert probe.ask("checksum")["status"] != "OK"


def test_a_directory_is_listed(xrootd):
    for i in range(3):
        xrootd.put(f"listed/file{i}.root", b"x" * i)
    xrootd.put("listed/inner/x", b"")
    url = xrootd.root("listed")
    listed = ask(url, "list")
    assert sorted(listed["entries"])[:3] == [[f"{url}/file{i}.root", i, False] for i in range(3)]
    assert [entry[2] for entry in sorted(listed["entries"])] == [False, False, False, True]
    assert ask(url + "/", "list")["entries"] == listed["entries"]
    assert ask(xrootd.root("nothing"), "list")["status"] == "NOT_FOUND"
    assert ask(xrootd.root("listed/file1.root"), "list")["status"] == "IO"


# ---- tokens ----


def test_tokens_are_found_where_wlcg_says(xrootd_secure, authority, tmp_path):
    url = xrootd_secure.root(xrootd_secure.put("guarded.bin", CONTENT))
    token = xrootd_secure.issuer.token()
    trust = {"authorities": authority.directory}
    file = tmp_path / "token"
    file.write_text(token + "\n")
    loose = ask(url, token_file=file, **trust)
    assert loose["status"] == "IO" and "chmod 600" in loose["message"]
    file.chmod(0o600)
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    (runtime / f"bt_u{os.geteuid()}").write_text(token)
    (runtime / f"bt_u{os.geteuid()}").chmod(0o600)
    named = ask(url, token_file=file, **trust)
    assert named["status"] == "OK", named
    for environment in [
        {"BEARER_TOKEN": token},
        {"BEARER_TOKEN_FILE": str(file)},
        {"XDG_RUNTIME_DIR": str(runtime)},
    ]:
        assert ask(url, environment=environment, **trust)["status"] == "OK", environment


def test_who_is_not_let_in_hears_why(xrootd_secure, authority, tmp_path):
    url = xrootd_secure.root(xrootd_secure.put("guarded.bin", CONTENT))
    trust = {"authorities": authority.directory}
    nothing = ask(url, **trust)
    assert nothing["status"] == "IO" and not nothing["transient"] and "no token" in nothing["message"]
    token = xrootd_secure.issuer.token()
    damaged = ask(url, environment={"BEARER_TOKEN": token[:-8] + "AAAAAAAA"}, **trust)
    assert damaged["status"] == "IO" and "the token of BEARER_TOKEN" in damaged["message"]
    assert token[:20] not in damaged["message"]
    late = ask(url, environment={"BEARER_TOKEN": xrootd_secure.issuer.token(seconds=-60)}, **trust)
    assert late["status"] == "IO"
    absent = ask(url, token_file=tmp_path / "none", **trust)
    assert absent["status"] == "ARGUMENT" and "none" in absent["message"]  # no file's fault: nothing is left out for it
    forgotten = ask(url, environment={"BEARER_TOKEN_FILE": str(tmp_path / "none")}, **trust)
    assert forgotten["status"] == "ARGUMENT"
    assert "BEARER_TOKEN_FILE" in forgotten["message"] and str(tmp_path / "none") in forgotten["message"]
    proxy = ask(url, environment={"BEARER_TOKEN": token}, certificate=tmp_path / "no.pem", **trust)
    assert proxy["status"] == "ARGUMENT" and "no.pem" in proxy["message"]
    strange = ask(url, environment={"BEARER_TOKEN": "a&b=c"}, **trust)
    assert strange["status"] == "ARGUMENT" and "is no bearer token" in strange["message"]


def test_a_certificate_that_nobody_vouches_for(xrootd_secure, tmp_path):
    (tmp_path / "empty").mkdir()
    patience = {"connect_ms": 300_000, "timeout_ms": 300_000}
    untrusted = ask(xrootd_secure.root("x"), authorities=tmp_path / "empty", **patience)
    assert untrusted["status"] == "IO" and untrusted["seconds"] < 60
    assert "authorities" in untrusted["message"], untrusted["message"]


def test_tokens_do_not_travel_in_the_clear_unasked(xrootd_tokens):
    url = xrootd_tokens.root(xrootd_tokens.put("guarded.bin", CONTENT))
    token = xrootd_tokens.issuer.token()
    held = ask(url, environment={"BEARER_TOKEN": token})
    assert held["status"] == "IO" and "only over TLS" in held["message"]
    assert ask(url, environment={"BEARER_TOKEN": token}, insecure=1)["status"] == "OK"
    assert ask(f"{url}?authz=Bearer%20{token}")["status"] == "OK"


def test_tokens_stay_under_tls_behind_a_redirector(xrootd_tokens):
    import remote_servers

    xrootd_tokens.put("guarded.bin", CONTENT)
    lines = [f"xrootd.redirect localhost:{xrootd_tokens.port} /"]
    with remote_servers.Xrootd(tls=True, lines=lines) as front:
        token = {"BEARER_TOKEN": xrootd_tokens.issuer.token()}
        led = ask(front.root("guarded.bin"), environment=token, authorities=front.authority.directory)
    assert led["status"] == "IO" and "TLS" in led["message"]  # in the clear it would have been let in


# ---- redirectors ----


def test_files_behind_a_redirector(cluster):
    for i, server in enumerate(cluster.servers):
        server.put(f"shared/file{i}", CONTENT[: 1000 + i])
        server.put("shared/both", b"same")
    for i, server in enumerate(cluster.servers):
        with Probe(cluster.root(f"shared/file{i}")) as probe:
            opened = probe.ask("open")
            assert opened["status"] == "OK" and opened["server"].endswith(f":{server.port}")
            assert opened["requests"] == 3  # redirector, server, limits
            assert probe.read([(0, 1000 + i)])["crc32"] == crc([(0, 1000 + i)])
    listed = ask(cluster.root("shared"), "list")
    names = [entry[0].rsplit("/", 1)[1] for entry in listed["entries"]]
    assert sorted(names) == ["both", "file0", "file1"]


def test_a_data_server_that_dies_behind_a_redirector(cluster):
    for server in cluster.servers:
        server.put("both.bin", CONTENT)
    with Probe(cluster.root("both.bin"), timeout_ms=20_000, connect_ms=20_000) as probe:
        first = probe.ask("open")["server"]
        [chosen] = [server for server in cluster.servers if first.endswith(f":{server.port}")]
        chosen.kill()
        try:
            end = time.monotonic() + 120
            while (read := probe.read([(0, 1000), (5000, 1000)]))["status"] != "OK" and time.monotonic() < end:
                assert read["transient"], read
                time.sleep(0.2)
            assert read["crc32"] == crc([(0, 1000), (5000, 1000)])
        finally:
            chosen.run()
            cluster.await_servers()


# ---- servers that fail ----


@pytest.fixture
def own():
    """A server for one test, to be killed."""
    import remote_servers

    try:
        server = remote_servers.Xrootd()
    except remote_servers.MissingServerError as missing:
        pytest.skip(str(missing))
    with server:
        yield server


def test_a_server_that_dies_and_comes_back(own):
    with Probe(own.root(own.put("x", CONTENT)), timeout_ms=300_000, connect_ms=300_000) as probe:
        assert probe.ask("open")["status"] == "OK"
        own.kill()
        lost = probe.read([(0, 1000), (5000, 1000)])
        assert lost["status"] == "IO" and lost["transient"] and lost["seconds"] < 60
        own.run()
        for ranges in [[(0, 1000), (5000, 1000)], [(7, 1000)]]:
            back = probe.read(ranges)
            assert back["status"] == "OK" and back["crc32"] == crc(ranges)
        own.kill()
        own.run()
        probe.send("many 8 1:1000")  # the connection was lost and can be made again, between two requests
        for _ in range(8):
            assert probe.answer()["crc32"] == crc([(1, 1000)])


def test_a_server_that_dies_while_it_sends(own):
    ranges = [(i * 1000, 900) for i in range(1000)]
    with Probe(own.root(own.put("x", CONTENT)), timeout_ms=60_000, connect_ms=60_000) as probe:
        assert probe.ask("open")["status"] == "OK"
        probe.send("many 64 " + " ".join(f"{offset}:{length}" for offset, length in ranges))
        time.sleep(0.02)
        own.kill()
        for _ in range(64):
            read = probe.answer()
            assert read["status"] == "OK" and read["crc32"] == crc(ranges) or read["transient"], read


def test_a_file_that_changed_while_the_server_was_away(own):
    with Probe(own.root(own.put("x", CONTENT)), timeout_ms=60_000, connect_ms=60_000) as probe:
        assert probe.ask("open")["status"] == "OK"
        own.kill()
        own.put("x", CONTENT + b"more")
        own.run()
        changed = probe.read([(0, 1000), (5000, 1000)])
        assert changed["status"] == "STALE" and not changed["transient"]


@pytest.mark.slow
def test_a_server_that_stalls(own):
    with Probe(own.root(own.put("x", CONTENT)), timeout_ms=2000, connect_ms=2000) as probe:
        assert probe.ask_until_told("open")["status"] == "OK"
        own.pause()
        stalled = probe.read([(0, 1000), (5000, 1000)])
        assert stalled["status"] == "TIMEOUT" and stalled["transient"] and stalled["seconds"] < 60
        own.go_on()
        again = probe.ask_until_told("read 0:1000")  # the end of what stalled may be told to the next one
        assert again["crc32"] == crc([(0, 1000)])
    with Probe(own.root("x"), timeout_ms=300_000, connect_ms=300_000) as probe:
        assert probe.ask("open")["status"] == "OK"
        own.pause()
        began = time.monotonic()
        probe.ask("close")
        assert time.monotonic() - began < 60  # closing does not wait
        own.go_on()


def test_cancelling_does_not_wait_for_a_server_that_stalls(own):
    if not Path("/usr/include/xrootd/private/XrdCl/XrdClPostMaster.hh").exists():
        pytest.skip("without XRootD's private headers a cancel waits for the answer, or until its time is up")
    ranges = [(i * 5000, 4500) for i in range(1000)]
    text = " ".join(f"{offset}:{length}" for offset, length in ranges)
    with Probe(own.root(own.put("x", CONTENT)), timeout_ms=300_000, connect_ms=300_000) as probe:
        assert probe.ask("open")["status"] == "OK"
        assert probe.ask("cancel 0 0:100")["status"] in ("OK", "CANCELLED")
        own.pause()
        for command in (f"cancel 0 {text}", "cancel 50 0:100"):  # one was sent, one waits for a new connection
            cancelled = probe.ask(command)
            assert cancelled["status"] == "CANCELLED" and cancelled["seconds"] < 60
        own.go_on()
        assert probe.read(ranges)["crc32"] == crc(ranges)


@pytest.mark.slow
def test_cancelling_while_others_are_sent(own):
    """XrdCl 5.5's own way to end a connection may stop its poller for good, once in many runs, where that sends."""
    if not Path("/usr/include/xrootd/private/XrdCl/XrdClPostMaster.hh").exists():
        pytest.skip("without XRootD's private headers connections are not ended")
    from fault_modes import XrdWait
    from fault_proxy import FaultProxy

    name = own.put("x", CONTENT)
    with FaultProxy(own.port) as proxy, Probe(proxy.root(name), timeout_ms=60_000, connect_ms=60_000) as probe:
        assert probe.ask("open")["status"] == "OK"
        proxy.mode = XrdWait(1, times=None, requests=["readv"])
        assert probe.ask("storm 16 10 0:100")["status"] == "OK"
        assert proxy.mode.struck > 10
        proxy.mode = None
        assert probe.read([(0, 1000)])["crc32"] == crc([(0, 1000)])


# ---- connections that are damaged on their way ----


def faults():
    import fault_modes as modes

    lost = [(kind, after) for kind in (modes.Cut, modes.Reset) for after in (0, 3, 8, 20, 30000, 400000)]
    return {
        **{f"{kind.__name__} {after}": (lambda kind=kind, after=after: kind(after)) for kind, after in lost},
        "I/O error": lambda: modes.XrdError(3007),
        "overloaded": lambda: modes.XrdError(3024),
        "the server forgot the file": lambda: modes.XrdError(3004),
        "wait": lambda: modes.XrdWait(1),
    }


@pytest.fixture(scope="module")
def proxied(xrootd):
    """(proxy, probe) of a file that is open through a proxy."""
    from fault_proxy import FaultProxy

    name = xrootd.put("content.bin", CONTENT)
    with FaultProxy(xrootd.port) as proxy:
        url = f"root://localhost:{proxy.port}//{name}"
        with Probe(url, timeout_ms=60_000, connect_ms=60_000) as probe:
            assert probe.ask("open")["status"] == "OK"
            yield proxy, probe


@pytest.mark.parametrize("fault", [name for name in faults()])
@pytest.mark.parametrize("ranges", [[(i * 5000, 900) for i in range(1000)], [(0, 2_000_000)]], ids=["many", "one"])
def test_a_fault_is_no_wrong_byte_and_heals(proxied, fault, ranges):
    proxy, probe = proxied
    assert probe.read(ranges)["status"] == "OK"
    proxy.mode = mode = faults()[fault]()
    read = probe.read(ranges)
    assert mode.struck
    if read["status"] == "OK":
        assert read["crc32"] == crc(ranges)
    else:
        assert read["transient"] and read["status"] in ("IO", "TIMEOUT"), read
    again = probe.read(ranges)
    assert again["status"] == "OK" and again["crc32"] == crc(ranges)


def test_what_a_server_refuses_for_good_is_not_tried_again(proxied):
    import fault_modes

    proxy, probe = proxied
    proxy.mode = fault_modes.XrdError(3010)
    refused = probe.read([(0, 100), (500, 100)])
    assert refused["status"] == "IO" and not refused["transient"] and "as the test wants" in refused["message"]
    proxy.mode = fault_modes.XrdError(3013, requests=("readv",), times=None)  # it cannot do several ranges
    for _ in range(2):
        single = probe.read([(0, 100), (500, 100)])
        assert single["status"] == "OK" and single["crc32"] == crc([(0, 100), (500, 100)])
    assert single["requests"] == 2


# ---- processes ----


def test_a_child_opens_files_of_its_own(url):
    ranges = [(0, 1000), (5000, 1000)]
    with Probe(url) as probe:
        probe.ask("open")
        assert probe.read(ranges)["crc32"] == crc(ranges)
        probe.send("fork")
        inherited = probe.read(ranges)
        assert inherited["status"] == "STATE"
        assert probe.ask("close")["status"] == "OK"
        assert probe.ask("open")["status"] == "OK"
        assert probe.read(ranges)["crc32"] == crc(ranges)


def test_without_the_plug_in_the_user_hears_what_to_install(tmp_path):
    command = tmp_path / "bin" / "mlaas"
    command.parent.mkdir()
    command.write_bytes((BUILD / "src/cli/mlaas").read_bytes())
    command.chmod(0o755)
    done = subprocess.run([command, "inspect", "root://localhost//x"], capture_output=True, text=True)
    if done.returncode != 7:
        pytest.skip("the plug-in is installed on this machine, and found")
    assert "mlaas-xrootd.so" in done.stderr and "libxrootd-client-dev" in done.stderr


def test_workers_that_are_forked_read_for_themselves(xrootd, sample):
    """As with PyTorch: the parent has files open and threads of XRootD's client, its children open their own files."""
    import mlaas

    files, _ = sample
    urls = [xrootd.root(xrootd.add(name, f"forked/{i}.root")) for i, name in enumerate(files)]

    def rows(url):
        with mlaas.open(url) as file:
            return file[file.tables[0]].num_entries, file[file.tables[0]].arrays(["a"])["a"].tobytes()

    expected = [rows(url) for url in urls]
    held = mlaas.open(urls[0])  # stays open in the parent
    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                signal.alarm(600)
                code = 0 if [rows(url) for url in urls] == expected else 2
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0]
    assert rows(urls[0]) == expected[0]
    held.close()
