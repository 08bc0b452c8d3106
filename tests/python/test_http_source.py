"""HTTP, WebDAV and S3 against real servers: nginx, XRootD's HTTP, moto; and a proxy that does wrong. The wire alone is
driven by tests/source/wire_probe.c; what comes of it all is read with mlaas.open."""

import http.server
import json
import os
import random
import subprocess
import threading
import zlib
from pathlib import Path

import fault_modes
import pytest
from fault_proxy import FaultProxy

BUILD = Path(os.environ.get("MLAAS_BUILD", Path(__file__).parents[2] / "build"))
PROBE = BUILD / "tests/source/wire_probe"
CONTENT = random.Random(2).randbytes(3_000_000)
pytestmark = pytest.mark.skipif(not PROBE.exists(), reason="the tests in C are not built")


def make_ranges(count, seed=1, longest=9000, gaps=(0, 1, 5000, 40000)):
    draw, ranges, at = random.Random(seed), [], 0
    while len(ranges) < count and at < len(CONTENT) - 2 * longest:
        length = draw.randint(1, longest)
        ranges.append((at, length))
        at += length + draw.choice(gaps)
    return ranges


def crc(ranges):
    return zlib.crc32(b"".join(CONTENT[offset : offset + length] for offset, length in ranges))


RANGES = make_ranges(150)
RIGHT = crc(RANGES)
NEEDED = sum(length for _, length in RANGES)
READ = "read " + " ".join(f"{offset}:{length}" for offset, length in RANGES)
SECRETS = ("BEARER", "X509", "AWS", "SSL_CERT", "XDG_RUNTIME", "http_proxy", "https_proxy")


def ask(url, *commands, environment=None, **options):
    "The answers to commands, one after the other."
    clean = {name: value for name, value in os.environ.items() if not name.startswith(SECRETS)}
    done = subprocess.run(
        [PROBE, *(f"{name}={value}" for name, value in options.items()), url],
        input="".join(f"{command}\n" for command in commands),
        env={**clean, "HOME": "/nowhere", **(environment or {})},
        **{"capture_output": True, "text": True, "timeout": 600},
    )
    assert done.stderr == ""  # a library does not print
    return [json.loads(line) for line in done.stdout.splitlines()]


def read(url, times=1, **more):
    "Opens, reads RANGES some times, and returns the answer to opening and the last one."
    answers = ask(url, "open", *[READ] * times, **more)
    assert [answer["status"] for answer in answers] == ["OK"] * (times + 1), answers
    assert all(answer["crc32"] == RIGHT for answer in answers[1:])
    assert answers[0]["size"] == len(CONTENT)
    return answers[0], answers[-1]


@pytest.fixture(scope="module")
def name(nginx):
    return nginx.put("content.bin", CONTENT)


# ---- ranges ----


def test_nginx_answers_all_ranges_at_once(nginx, name):
    opened, fetched = read(nginx.http(name))
    assert opened["requests"] == 1 and opened["tag"].startswith('"')
    assert fetched["requests"] == 1
    assert NEEDED <= fetched["delivered"] <= 1.05 * NEEDED


def test_tls_is_checked_and_connections_are_shared(nginx, name, authority):
    answers = ask(nginx.https(name), "open", READ, "many 8 " + READ[5:], authorities=authority.certificate)
    assert [answer.get("crc32", RIGHT) for answer in answers] == [RIGHT] * 10
    (refused,) = ask(nginx.https(name), "open")
    assert refused["status"] == "IO" and not refused["transient"] and "authority" in refused["message"]
    assert ask(nginx.https(name), "open", insecure=1)[0]["status"] == "OK"
    assert '"GET /content.bin HTTP/1.1" 206' in "\n".join(nginx.requests())
    for _ in range(5):
        answers = ask(nginx.https("single/" + name), "open", READ, authorities=authority.certificate)
        assert answers[1].get("crc32") == RIGHT, answers


def test_what_a_server_cannot_do_is_found_out_once(nginx, name):
    far = [(offset, 100) for offset in range(0, 2_900_000, 100_000)]
    command = "read " + " ".join(f"{offset}:{length}" for offset, length in far)
    _, first, second = ask(nginx.http("single/" + name), "open", command, command)
    assert first["crc32"] == second["crc32"] == crc(far)
    assert len(far) < first["requests"] <= len(far) + 2  # all of them, eight of them, each
    assert second["requests"] == len(far)
    _, fetched = read(nginx.http("single/" + name), times=3)
    assert fetched["requests"] < len(joined(RANGES))  # what is near is one request
    assert fetched["delivered"] <= 1.1 * NEEDED
    _, fetched = read(nginx.http("few/" + name), times=2)
    assert fetched["requests"] == -(-len(joined(RANGES)) // 8)


def joined(ranges):
    "Ranges that do not touch the one before."
    return [
        place
        for place, before in zip(ranges, [(-2, 0), *ranges[:-1]], strict=True)
        if before[0] + before[1] != place[0]
    ]


def test_a_server_without_ranges_is_refused_and_nothing_downloaded(nginx, name):
    opened, fetched = ask(nginx.http("whole/" + name), "open", "read 1000:1000")
    assert opened["status"] == "OK"
    assert fetched["status"] == "UNSUPPORTED" and "whole files" in fetched["message"]
    assert fetched["delivered"] == 0 and not fetched["transient"]
    small = nginx.put("small.bin", CONTENT[:5000])
    _, fetched = ask(nginx.http("whole/" + small), "open", "read 1000:1000")
    assert fetched["crc32"] == zlib.crc32(CONTENT[1000:2000])  # hardly more than what was asked for


def test_redirects_are_followed_and_remembered(nginx, name):
    for way in ("redirect/", "permanent/"):
        opened, fetched = read(nginx.http(way + name), times=2)
        assert opened["requests"] == 2 and fetched["requests"] == 1
    (refused,) = ask(nginx.http("loop/" + name), "open")
    assert refused["status"] == "IO" and "redirects" in refused["message"]


@pytest.mark.parametrize("target", ["file:///etc/passwd?", "ftp://localhost/", "gopher://localhost/", "data:,", "//"])
def test_redirects_lead_to_http_only(nginx, name, target):
    with FaultProxy(nginx.port) as proxy:
        proxy.mode = fault_modes.Redirect("http://localhost")
        proxy.mode.base = target
        (refused,) = ask(f"http://localhost:{proxy.port}/{name}", "open", connect_ms=20000, timeout_ms=20000)
        assert refused["status"] in ("IO", "ARGUMENT") and "root:" not in refused["message"], refused


def test_a_place_that_no_longer_works_is_asked_for_again(nginx, name):
    "As with a signed URL that has run out."
    with FaultProxy(nginx.port) as proxy, FaultProxy(nginx.port) as door:
        door.mode = fault_modes.Redirect(f"http://localhost:{proxy.port}")
        proxy.mode = fault_modes.Status(403, times=1)
        opened, fetched = read(f"http://localhost:{door.port}/{name}")
        assert opened["server"] == f"localhost:{proxy.port}"
        assert fetched["requests"] == 3  # refused, the redirect, the answer


def test_xrootd_speaks_http_as_it_should(xrootd):
    opened, fetched = read(xrootd.http(xrootd.put("content.bin", CONTENT)), times=2)
    assert fetched["requests"] == 1 and fetched["delivered"] <= 1.05 * NEEDED
    assert opened["server"] == f"localhost:{xrootd.port}"


def test_sparse_columns_waste_little_where_ranges_are_single(nginx, s3, tmp_path, monkeypatch):
    import mlaas
    from remote_runs import write_jagged

    for variable, value in s3.environment.items():
        monkeypatch.setenv(variable, value)
    path = write_jagged(tmp_path / "wide.root", clusters=12, rows=3000, seed=1)
    for server in (nginx, s3):
        server.add(path)
    for url in (nginx.http("single/" + path.name), s3.s3(path.name)):
        with mlaas.open(url) as file:
            table, before = file["events"], file.info
            assert sum(len(batch) for batch in table.select(table.columns[1::3]).batches()) == 36000
            after = file.info
        read, came, asked, ranges = (
            after[key] - before[key] for key in ("bytes_read", "bytes_delivered", "read_requests", "ranges")
        )
        assert read > 500_000 and came <= 1.1 * read, (read, came)
        assert asked <= ranges + 10, (asked, ranges)  # and what finds out that there are only single ones


# ---- credentials ----


def test_passwords_and_tokens(nginx, name):
    import remote_servers

    user = f"{remote_servers.USER}:{remote_servers.PASSWORD}@"
    read(nginx.http("basic/" + name).replace("localhost", user + "localhost"))
    read(nginx.http("token/" + name), environment={"BEARER_TOKEN": remote_servers.TOKEN})
    (refused,) = ask(nginx.http("token/" + name), "open", environment={"BEARER_TOKEN": "another"})
    assert refused["status"] == "IO" and "BEARER_TOKEN" in refused["message"] and "another" not in refused["message"]
    (refused,) = ask(nginx.http("basic/" + name), "open")
    assert "no token" in refused["message"] and not refused["transient"]


def test_a_token_is_not_shown_to_where_a_server_redirects(nginx, name):
    import remote_servers

    (refused,) = ask(nginx.http("elsewhere/" + name), "open", environment={"BEARER_TOKEN": remote_servers.TOKEN})
    assert refused["status"] == "IO" and "no credentials" in refused["message"]


def test_tokens_of_the_grid(xrootd_secure):
    url = xrootd_secure.http(xrootd_secure.put("content.bin", CONTENT))
    authority = xrootd_secure.authority.certificate
    read(url, environment={"BEARER_TOKEN": xrootd_secure.issuer.token()}, authorities=authority)
    (refused,) = ask(url, "open", authorities=authority)
    assert refused["status"] == "IO" and "no token" in refused["message"]
    old = {"BEARER_TOKEN": xrootd_secure.issuer.token(seconds=-9000)}
    (refused,) = ask(url, "open", environment=old, authorities=authority)
    assert refused["status"] == "IO" and "BEARER_TOKEN, which ran out 2 h ago" in refused["message"]


def test_checksums(xrootd, nginx, name):
    url = xrootd.http(xrootd.put("content.bin", CONTENT))
    assert ask(url, "open", "checksum")[1]["checksum"] == f"adler32:{zlib.adler32(CONTENT):08x}"
    assert ask(nginx.http(name), "open", "checksum")[1]["status"] == "UNSUPPORTED"


# ---- S3 ----


def test_s3_is_signed(s3):
    for key in ("content.bin", "a folder/ü+%&=~'(x).bin"):
        s3.put(key, CONTENT)
        _, fetched = read(s3.s3(key), environment=s3.environment)
        assert fetched["requests"] < len(joined(RANGES)) and fetched["delivered"] <= 1.1 * NEEDED
    (refused,) = ask(s3.s3("content.bin"), "open", environment={**s3.environment, "AWS_SECRET_ACCESS_KEY": "no"})
    assert refused["status"] == "IO" and "AWS_ACCESS_KEY_ID" in refused["message"]
    (refused,) = ask(s3.s3("content.bin"), "open", environment={"AWS_ENDPOINT_URL": s3.endpoint})
    assert refused["status"] == "IO" and "no keys" in refused["message"]
    (missing,) = ask(s3.s3("nothing"), "open", environment=s3.environment)
    assert missing["status"] == "NOT_FOUND"


@pytest.mark.parametrize("url", ["s3://data", "s3://data/"])
def test_a_bucket_is_no_file(url):
    (answer,) = ask(url, "open", environment={"AWS_ENDPOINT_URL": "http://localhost:9"})
    assert answer["status"] == "ARGUMENT" and "no object" in answer["message"]


def test_s3_over_tls_shares_a_connection(nginx, authority):
    nginx.put("bucket/content.bin", CONTENT)
    environment = {"AWS_ENDPOINT_URL": nginx.https("single")}
    answers = ask(
        "s3://bucket/content.bin", "open", READ, READ, environment=environment, authorities=authority.certificate
    )
    assert [answer.get("crc32") for answer in answers[1:]] == [RIGHT] * 2, answers
    asked = [line for line in nginx.requests() if "/single/bucket/content.bin" in line]
    assert len(asked) > 20 and all(" HTTP/2.0" in line for line in asked)


# ---- listing ----


def entries(url, **more):
    (answer,) = ask(url, "list", **more)
    assert answer["status"] == "OK", answer
    return {address: (size, bool(directory)) for address, size, directory in answer["entries"]}


def test_folders_are_listed(nginx, xrootd, s3):
    names = {"list/a.root": b"12345", "list/b c%&ü.root": b"", "list/deep/x.root": b"1", "other": b""}
    for file, content in names.items():
        nginx.put(file, content)
        s3.put(file, content)
    expected = {"a.root": (5, False), "b%20c%25%26%C3%BC.root": (0, False), "deep": (-1, True)}
    for folder in (nginx.http("list"), nginx.http("json/list/"), nginx.http("list/").replace("http:", "dav:")):
        assert entries(folder) == {folder.rstrip("/") + "/" + file: what for file, what in expected.items()}
    page = entries(nginx.http("html/list/"))
    assert {url.rsplit("/", 1)[1]: what[1] for url, what in page.items()} == {
        file: directory for file, (_, directory) in expected.items()
    }
    assert entries(s3.s3("list/"), environment=s3.environment) == {
        s3.s3("list/a.root"): (5, False),
        s3.s3("list/b c%&ü.root"): (0, False),
        s3.s3("list/deep"): (-1, True),
    }
    xrootd.put("list/a.root", b"12345")
    xrootd.put("list/b c.root", b"")
    folder = xrootd.http("list/")
    assert entries(folder) == {folder + "a.root": (5, False), folder + "b%20c.root": (0, False)}


def test_a_long_bucket_is_listed_page_by_page(s3):
    for number in range(25):  # the server's pages have ten
        s3.put(f"many/{number}", b"")
    assert len(entries(s3.s3("many/"), environment=s3.environment)) == 25


OBJECT, MORE = "<Contents><Key>d/x.root</Key><Size>1</Size></Contents>", "<IsTruncated>true</IsTruncated>"


@pytest.mark.parametrize(
    "page, word",
    [
        (OBJECT + MORE, "but not where"),
        (f"{OBJECT}{MORE}<NextContinuationToken>a</NextContinuationToken>", "the same next page twice"),
        (f"{OBJECT}{MORE}<NextContinuationToken>{'a' * 5000}</NextContinuationToken>", "too long"),
        (f"<Contents><Key>d/{'x' * 5000}</Key></Contents>", "too long"),
    ],
)
def test_a_list_of_a_bucket_that_lacks_names_is_refused(page, word):
    class Pages(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = f"<ListBucketResult>{page}</ListBucketResult>".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        where = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}"}
        (answer,) = ask("s3://bucket/d/", "list", environment=where)
        server.shutdown()
    assert answer["status"] == "FORMAT" and word in answer["message"], answer


# ---- faults, as the wire tells them: trying again is for the layer above ----


@pytest.mark.parametrize(
    "mode, status, transient",
    [
        (fault_modes.Cut(after=200_000), "IO", True),
        (fault_modes.Reset(after=200_000), "IO", True),
        (fault_modes.Stall(after=200_000), "TIMEOUT", True),
        (fault_modes.Status(503, retry_after=3), "IO", True),
        (fault_modes.Status(404), "NOT_FOUND", False),
        (fault_modes.Status(403), "IO", False),
        (fault_modes.WrongLength(100), "IO", True),
        (fault_modes.ChangedTag(), "STALE", False),
        (fault_modes.TruncatedParts(), "IO", True),
    ],
    ids=lambda value: repr(value) if isinstance(value, fault_modes.Mode) else "",
)
def test_what_goes_wrong_is_told(nginx, name, mode, status, transient):
    waits = isinstance(mode, fault_modes.Stall)  # for half a second, which a busy machine may need for a good answer
    with (
        FaultProxy(nginx.port) as proxy,
        subprocess.Popen(
            [PROBE, f"timeout_ms={500 if waits else 60000}", f"http://localhost:{proxy.port}/{name}"],
            **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True},
        ) as probe,
    ):
        assert say_until(lambda answer: answer["status"] == "OK", probe, "open")
        proxy.mode = mode
        answer = say_until(lambda _: mode.struck, probe, READ)
        assert mode.struck == 1
        assert (answer["status"], answer["transient"]) == (status, transient), answer
        proxy.mode = fault_modes.Plain()
        assert say_until(lambda answer: answer["status"] == "OK", probe, READ)["crc32"] == RIGHT
        probe.stdin.close()


def say_until(good, probe, command):
    """The first answer that is good, or not for the reason that time was over."""
    for _ in range(100):
        answer = say(probe, command)
        if good(answer) or answer["status"] != "TIMEOUT":
            return answer
    return answer


def say(probe, command):
    probe.stdin.write(command + "\n")
    probe.stdin.flush()
    return json.loads(probe.stdout.readline())


def test_a_child_of_a_fork_opens_anew(nginx, name):
    opened, refused, _, again, fetched = ask(nginx.http(name), "open", "fork", READ, "close", "open", READ)
    assert (opened["status"], refused["status"], again["status"]) == ("OK", "STATE", "OK")
    assert fetched["crc32"] == RIGHT


# ---- all of it ----


def test_a_root_file_reads_the_same_from_everywhere(nginx, xrootd, s3, authority, monkeypatch):
    import mlaas

    sample = Path(__file__).parents[1] / "data/clusters-merged.root"
    for server in (nginx, xrootd, s3):
        server.add(sample)
    for variable, value in s3.environment.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.delenv("X509_CERT_DIR", raising=False)
    monkeypatch.setenv("CURL_CA_BUNDLE", str(authority.certificate))
    with mlaas.open(str(sample)) as local:
        expected = {table: local[table].arrays() for table in local}
    assert expected
    places = [nginx.http(), nginx.https(), nginx.http("single/"), xrootd.http(), s3.s3()]
    for place in places:
        with mlaas.open(place + sample.name) as file:
            assert file.tables == list(expected)
            for table, columns in expected.items():
                found = file[table].arrays()
                assert set(found) == set(columns)
                assert all(repr(found[column]) == repr(columns[column]) for column in columns)
