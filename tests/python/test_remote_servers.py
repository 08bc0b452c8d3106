"""The servers and the fault proxy that tests of remote data stand on do what they say, as other people's clients see
it: curl, xrdcp and xrdfs."""

import hashlib
import os
import socket
import subprocess
import time

import fault_modes as faults
import pytest
from fault_proxy import FaultProxy, FaultProxyProcess
from remote_servers import PASSWORD, TOKEN, USER, MissingServerError

CONTENT = bytes(range(256)) * 4000
EMPTY = hashlib.sha256(b"").hexdigest()


def run(*words, **environment):
    patience = {"XRD_CONNECTIONRETRY": "1", "XRD_CONNECTIONWINDOW": "30", "XRD_REQUESTTIMEOUT": "60"}
    return subprocess.run(
        [str(word) for word in words],
        **{"capture_output": True, "timeout": 300, "env": {**os.environ, **patience, **environment}},
    )


def curl(*words):
    """(exit code, status, body)"""
    done = run("curl", "-s", "-m", "120", "-o", "-", "-w", "%{stderr}%{http_code}", *words)
    return done.returncode, int(done.stderr or 0), done.stdout


def xrdcp(url, target, **environment):
    """What was copied, or the words of the error."""
    done = run("xrdcp", "-f", "-s", url, target, **environment)
    return target.read_bytes() if done.returncode == 0 else done.stderr.decode()


# ---- servers ----


def test_xrootd_serves_both_protocols(xrootd, tmp_path):
    xrootd.put("a/data.bin", CONTENT)
    assert xrdcp(xrootd.root("a/data.bin"), tmp_path / "out") == CONTENT
    assert curl("-r", "10-19", xrootd.http("a/data.bin")) == (0, 206, CONTENT[10:20])
    assert curl(xrootd.http("a/none.bin"))[1] == 404
    listing = run("xrdfs", f"localhost:{xrootd.port}", "ls", "/a").stdout
    assert b"/a/data.bin" in listing
    checksum = run("xrdfs", f"localhost:{xrootd.port}", "query", "checksum", "/a/data.bin").stdout
    assert checksum.startswith(b"adler32 ")


def test_xrootd_links_large_files_that_are_added(xrootd, tmp_path):
    (tmp_path / "sample").write_bytes(CONTENT)
    name = xrootd.add(tmp_path / "sample", "deep/er/sample")
    assert curl(xrootd.http(name)) == (0, 200, CONTENT)


def test_tokens_open_what_is_closed(xrootd_tokens, tmp_path):
    xrootd_tokens.put("data.bin", CONTENT)
    url, token = xrootd_tokens.http("data.bin"), xrootd_tokens.issuer.token()
    assert curl("-r", "0-9", "-H", f"Authorization: Bearer {token}", url) == (0, 206, CONTENT[:10])
    assert curl("-r", "0-9", url)[1] == 403
    late = xrootd_tokens.issuer.token(seconds=-1)
    damaged = token[:-6] + ("AAAAAA" if not token.endswith("AAAAAA") else "BBBBBB")
    elsewhere = xrootd_tokens.issuer.token(scope="storage.read:/other")
    for wrong in (late, damaged, elsewhere):
        assert curl("-r", "0-9", "-H", f"Authorization: Bearer {wrong}", url)[1] == 403
    asked = xrootd_tokens.root("data.bin")
    assert xrdcp(f"{asked}?authz=Bearer%20{token}", tmp_path / "out") == CONTENT
    assert "permission denied" in xrdcp(asked, tmp_path / "out")


def test_tls_and_the_login_with_a_token(xrootd_secure, tmp_path):
    xrootd_secure.put("data.bin", CONTENT)
    token, authority = xrootd_secure.issuer.token(), xrootd_secure.authority
    trust = ["--cacert", authority.certificate, "-H", f"Authorization: Bearer {token}"]
    assert curl("-r", "0-9", *trust, xrootd_secure.http("data.bin")) == (0, 206, CONTENT[:10])
    assert curl("-r", "0-9", xrootd_secure.http("data.bin"))[0] == 60  # not trusted
    grid = {"X509_CERT_DIR": str(authority.directory), "BEARER_TOKEN": token}
    assert xrdcp(xrootd_secure.root("data.bin"), tmp_path / "out", **grid) == CONTENT
    assert "Auth failed" in xrdcp(xrootd_secure.root("data.bin"), tmp_path / "out", **{**grid, "BEARER_TOKEN": ""})


@pytest.mark.slow
def test_cluster_finds_files_and_survives_a_loss(cluster, tmp_path):
    for i, server in enumerate(cluster.servers):
        server.put("both.bin", CONTENT)
        server.put(f"only{i}.bin", CONTENT[i:])
    for i in range(2):
        assert xrdcp(cluster.root(f"only{i}.bin"), tmp_path / "out") == CONTENT[i:]
    cluster.servers[0].kill()
    assert xrdcp(cluster.root("both.bin"), tmp_path / "out") == CONTENT
    cluster.servers[0].run()
    cluster.await_servers()
    assert xrdcp(cluster.root("only0.bin"), tmp_path / "out") == CONTENT


@pytest.mark.parametrize(
    "way, status, size",
    [
        ("", 206, None),
        ("few/", 206, None),
        ("single/", 200, len(CONTENT)),
        ("whole/", 200, len(CONTENT)),
        ("forbidden/", 403, None),
        ("busy/", 503, None),
        ("redirect/", 302, None),
    ],
)
def test_nginx_has_a_way_for_each_behaviour(nginx, way, status, size):
    nginx.put("data.bin", CONTENT)
    code, found, body = curl("-r", "10-19,5000-5009", nginx.http(way + "data.bin"))
    assert (code, found) == (0, status)
    assert size is None or len(body) == size
    if found == 206:
        assert body.count(b"Content-Range: bytes ") == 2 and CONTENT[5000:5010] in body


def test_nginx_asks_who_comes_and_lists(nginx):
    nginx.put("folder/data.bin", CONTENT)
    assert curl("-u", f"{USER}:{PASSWORD}", nginx.http("basic/folder/data.bin"))[1] == 200
    assert curl("-u", f"{USER}:x", nginx.http("basic/folder/data.bin"))[1] == 401
    assert curl("-H", f"Authorization: Bearer {TOKEN}", nginx.http("token/folder/data.bin"))[1] == 200
    assert curl(nginx.http("token/folder/data.bin"))[1] == 401
    # curl takes a password to the first host only
    there = ["-L", "-H", f"Authorization: Bearer {TOKEN}"]
    assert curl(*there, nginx.http("redirect/folder/data.bin"))[1] == 200
    assert curl(*there, nginx.http("elsewhere/folder/data.bin"))[1] == 401
    assert curl("-L", nginx.http("loop/x"))[0] == 47
    assert b'"name":"data.bin"' in curl(nginx.http("json/folder/"))[2]
    assert b'href="data.bin"' in curl(nginx.http("html/folder/"))[2]
    assert b"<D:href>/folder/data.bin</D:href>" in curl("-X", "PROPFIND", "-H", "Depth: 1", nginx.http("folder/"))[2]


def test_nginx_has_tls_with_http2(nginx):
    nginx.put("data.bin", CONTENT)
    trust = ["--cacert", nginx.authority.certificate]
    assert curl("--http2", "-r", "0-9", *trust, nginx.https("data.bin")) == (0, 206, CONTENT[:10])
    assert curl(nginx.https("data.bin"))[0] == 60
    assert "HTTP/2.0" in nginx.requests()[-1]


def test_s3_checks_signatures(s3):
    s3.put("folder/data.bin", CONTENT)
    url = f"{s3.endpoint}/{s3.bucket}/folder/data.bin"
    signed = ["--aws-sigv4", "aws:amz:us-east-1:s3", "-H", f"x-amz-content-sha256: {EMPTY}", "-u"]
    assert curl("-r", "10-19", *signed, f"{s3.key}:{s3.secret}", url) == (0, 206, CONTENT[10:20])
    assert curl("-r", "10-19", *signed, f"{s3.key}:wrong", url)[1] == 403
    assert curl("-r", "10-19", url)[1] == 403
    query = f"{s3.endpoint}/{s3.bucket}?list-type=2&prefix=folder%2F"
    assert b"<Key>folder/data.bin</Key>" in curl(*signed, f"{s3.key}:{s3.secret}", query)[2]


def test_what_is_not_installed_is_named(monkeypatch):
    import remote_process

    monkeypatch.setattr(remote_process.shutil, "which", lambda *_, **__: None)
    with pytest.raises(MissingServerError, match="xrootd is not installed"):
        remote_process.need("xrootd")


# ---- the proxy, before nginx ----


@pytest.fixture
def proxy(nginx):
    nginx.put("data.bin", CONTENT)
    with FaultProxy(nginx.port) as proxy:
        yield proxy


def fetch(proxy, *words):
    return curl(*words, proxy.http("data.bin"))


def test_proxy_passes_and_counts(proxy):
    assert fetch(proxy, "-r", "0-99") == (0, 206, CONTENT[:100])
    assert fetch(proxy) == (0, 200, CONTENT)
    assert (proxy.connections, proxy.requests) == (2, {"GET": 2})
    assert len(CONTENT) + 100 < proxy.bytes_down < len(CONTENT) + 2000
    assert proxy.log[0] == ("GET", "/data.bin", "bytes=0-99")
    code, _, listing = curl("-X", "PROPFIND", "-H", "Depth: 1", proxy.http())  # a chunked or closing reply
    assert code == 0 and b"data.bin" in listing


def test_proxy_delays_by_round_trips_without_limiting(proxy):
    proxy.rtt = 60
    words = ["-w", "%{time_connect} %{time_starttransfer} ", "-o", "/dev/null"]
    done = run("curl", "-s", *words, *words[2:], proxy.http("data.bin"), proxy.http("data.bin"))
    _, first, _, second = (float(word) for word in done.stdout.split())
    assert first >= 0.115 and second >= 0.055  # the first pays for connecting
    proxy.rtt = 600
    for _ in range(10):  # a busy machine may be slow, but not each time
        start = time.monotonic()
        assert fetch(proxy) == (0, 200, CONTENT)
        took = time.monotonic() - start
        if took < 6:
            break
    assert took < 6  # 1 MB: not a round trip for each piece


def test_proxy_cuts_resets_and_stalls_after_bytes(proxy):
    proxy.mode = faults.Cut(after=50000)
    code, _, body = fetch(proxy)
    assert code == 18 and 49000 < len(body) < 50000 and proxy.mode.struck == 1
    assert fetch(proxy) == (0, 200, CONTENT)  # it strikes once
    proxy.mode = faults.Reset(after=50000, skip=1)
    assert fetch(proxy) == (0, 200, CONTENT)
    assert fetch(proxy)[0] == 56 and proxy.mode.struck == 1
    for seconds in ("0.3", "1", "3", "10", "30"):
        proxy.mode = faults.Stall(after=50000)
        code, _, body = fetch(proxy, "-m", seconds)
        assert code == 28 and len(body) < 50000
        if len(body) > 49000:
            break
    assert len(body) > 49000 and proxy.mode.struck == 1
    proxy.rtt = 20
    proxy.mode = faults.Cut(after=50000)
    code, _, body = fetch(proxy)
    assert code == 18 and 49000 < len(body) < 50000


def test_proxy_drips(proxy):
    proxy.mode = faults.Drip(rate=20000)
    for seconds in (0.5, 2, 8):
        code, _, body = fetch(proxy, "-m", str(seconds))
        assert code == 28 and len(body) < 20000 * (seconds + 0.5)
        if len(body) > 1000:
            break
    assert len(body) > 1000


def test_proxy_refuses_for_a_time(proxy):
    proxy.mode = faults.Refuse(3600)
    assert [fetch(proxy)[0] for _ in range(2)] == [7, 7]
    proxy.come_back()
    assert fetch(proxy) == (0, 200, CONTENT)
    proxy.mode = faults.Refuse(0.3)
    end = time.monotonic() + 120
    while (found := fetch(proxy))[0] == 7 and time.monotonic() < end:
        time.sleep(0.05)
    assert found == (0, 200, CONTENT)  # by itself


def test_proxy_damages_http(proxy):
    proxy.mode = faults.Status(503, times=2, retry_after=7)
    done = run("curl", "-s", "-i", proxy.http("data.bin")).stdout
    assert done.startswith(b"HTTP/1.1 503 ") and b"Retry-After: 7" in done
    assert [fetch(proxy)[1] for _ in range(2)] == [503, 200]
    proxy.mode = faults.WrongLength(by=100)
    assert fetch(proxy)[0] == 18
    proxy.mode = faults.WrongLength(by=-100)
    assert fetch(proxy) == (0, 200, CONTENT[:-100])
    proxy.mode = faults.ChangedTag(skip=1)
    tags = [run("curl", "-sI", proxy.http("data.bin")).stdout for _ in range(2)]
    assert b"changed-while-open" not in tags[0] and b"changed-while-open" in tags[1]
    proxy.mode = faults.Whole()
    assert fetch(proxy, "-r", "0-9") == (0, 200, CONTENT)
    assert fetch(proxy, "-r", "0-9") == (0, 206, CONTENT[:10])
    proxy.mode = faults.WrongRange(by=5, times=2)
    assert b"Content-Range: bytes 5-14/" in run("curl", "-s", "-i", "-r", "0-9", proxy.http("data.bin")).stdout
    body = fetch(proxy, "-r", "0-9,5000-5009")[2]
    assert b"bytes 5-14/" in body and b"bytes 5000-5009/" in body
    parts = fetch(proxy, "-r", "0-9,5000-5009")[2]
    proxy.mode = faults.TruncatedParts()
    cut = fetch(proxy, "-r", "0-9,5000-5009")
    assert cut[:2] == (0, 206) and len(cut[2]) == len(parts) // 2
    proxy.mode = faults.Redirect("http://127.0.0.1:1/there", times=1)
    done = run("curl", "-s", "-i", proxy.http("data.bin")).stdout
    assert b"Location: http://127.0.0.1:1/there/data.bin" in done
    proxy.mode = None
    assert fetch(proxy, "--next", "-s", proxy.http("data.bin"))[0] == 0


def test_proxy_passes_tls_by_bytes(nginx):
    nginx.put("data.bin", CONTENT)
    with FaultProxy(nginx.tls_port) as proxy:
        url = f"https://localhost:{proxy.port}/data.bin"
        assert curl("--cacert", nginx.authority.certificate, url) == (0, 200, CONTENT)
        proxy.mode = faults.Cut(after=20000)
        assert curl("--cacert", nginx.authority.certificate, url)[0] != 0 and proxy.mode.struck == 1


# ---- the proxy, before XRootD ----


def test_proxy_understands_xrootd(xrootd, tmp_path):
    xrootd.put("data.bin", CONTENT)
    with FaultProxy(xrootd.port) as proxy:
        assert xrdcp(proxy.root("data.bin"), tmp_path / "out") == CONTENT
        assert proxy.requests["open"] == 1 and proxy.requests["login"] == 1
        reads = "pgread" if proxy.requests["pgread"] else "read"
        assert proxy.requests[reads] >= 1
        proxy.mode = faults.XrdError(3007, requests=[reads])
        said = str(xrdcp(proxy.root("data.bin"), tmp_path / "out"))
        assert "as the test wants" in said or "corrupted data" in said  # as xrdcp calls it now and then
        assert proxy.mode.struck == 1
        proxy.mode = faults.XrdWait(1, requests=["open"])
        start = time.monotonic()
        assert xrdcp(proxy.root("data.bin"), tmp_path / "out") == CONTENT
        assert time.monotonic() - start >= 1
        proxy.mode = faults.XrdRedirect("localhost", xrootd.port)
        proxy.reset()
        assert xrdcp(proxy.root("data.bin"), tmp_path / "out") == CONTENT
        assert proxy.mode.struck >= 1 and proxy.requests[reads] == 0
        proxy.mode = faults.Cut(after=300000)
        assert xrdcp(proxy.root("data.bin"), tmp_path / "out") == CONTENT  # XRootD's client recovers
        assert proxy.mode.struck == 1


def test_proxy_in_a_process_of_its_own(xrootd, tmp_path):
    xrootd.put("data.bin", CONTENT)
    with FaultProxyProcess(xrootd.port) as proxy:
        assert xrdcp(proxy.root("data.bin"), tmp_path / "out") == CONTENT
        assert proxy.stats()["requests"]["open"] == 1
        assert proxy.reset()["bytes_down"] == 0
        proxy.set_rtt(30)
        start = time.monotonic()
        assert curl("-r", "0-9", proxy.http("data.bin")) == (0, 206, CONTENT[:10])
        assert time.monotonic() - start >= 0.055


def test_proxy_before_nobody_resets(tmp_path):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with FaultProxy(nobody.getsockname()[1]) as proxy, socket.create_connection(("127.0.0.1", proxy.port)) as sock:
            sock.settimeout(120)
            with pytest.raises(ConnectionResetError):
                sock.recv(1)


def test_frames_of_checked_pages_pass(xrootd, tmp_path):
    """Answers to pgread say in two places how long they are; copying many pages at a time shows that both are heard."""
    content = os.urandom(9_000_001)
    xrootd.put("pages.bin", content)
    with FaultProxy(xrootd.port, rtt=5) as proxy:
        assert xrdcp(proxy.root("pages.bin"), tmp_path / "out") == content
