"""TFaaS's management routes: what is uploaded is listed, downloaded, scored and deleted."""

import base64
import email
import gzip
import json
import os
import random

import pytest
from served import COMMAND, SHARED, Server, archive, echo_files, echo_model, form, model_form

pytestmark = pytest.mark.skipif(not COMMAND.exists(), reason="the command is not built")

KEYS = "name model labels op input_name output_name img_channels options input_node output_node description timestamp"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served") / "models"
    echo_model(folder, "first", 2)
    (folder.parent / "secret").write_text("outside")
    with Server(folder) as server:
        yield server


@pytest.fixture
def clean(server):
    """The server, without the models that a test uploads."""
    yield server
    for name in set(server.names()) - {"first"}:
        assert server.ask("DELETE", f"/delete/{name}")[0] == 200
    assert server.stored() == ["first"]


def test_form(clean):
    files = echo_files("m", 3)
    assert clean.upload(*model_form("m", files)) == (200, b"")
    assert clean.names() == ["first", "m"]
    assert clean.score("m", [1, 2, 3]) == (200, [1, 2, 3])
    assert clean.score(None, [4, 5, 6]) == (200, [4, 5, 6])  # the last one uploaded is the default
    assert clean.json("/params")["name"] == "m"
    assert clean.ask("GET", "/params/m")[2] == files["params.json"]
    for name, data in files.items():
        assert clean.ask("GET", f"/download/m/{name}")[2] == data
        assert (clean.models / "m" / name).stat().st_mode & 0o7777 == 0o644
    model = clean.json("/models")[1]
    assert list(model)[:12] == KEYS.split()
    assert model["model"] == "echo.json" and model["description"] == "echo"
    assert clean.ask("DELETE", "/delete/m")[0] == 200
    assert clean.score("m", [1, 2, 3])[0] == 404


def test_form_base64_and_order(clean):
    files = echo_files("m")
    parts = [
        ("labels", ("labels.txt", files["labels.txt"])),
        ("model", ("/home/me/echo.json", base64.encodebytes(files["echo.json"]))),
        ("op", "none"),
        ("params", ("p.json", files["params.json"])),
        ("name", "m"),
    ]
    assert clean.upload(*form(parts), **{"Content-Encoding": "base64"}) == (200, b"")
    assert (clean.models / "m/echo.json").read_bytes() == files["echo.json"]
    assert clean.score("m", [7]) == (200, [7])


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("prefix", ["a/", "./a/", ""])
def test_archive(clean, packed, prefix):
    body = archive(echo_files("a"), prefix)
    headers = {"Content-Encoding": "gzip"} if packed else {}
    path = "/bundle" if packed else "/upload"
    status, _, text = clean.ask("POST", path, gzip.compress(body) if packed else body, headers)
    assert (status, text) == (200, b"")
    assert clean.score("a", [5]) == (200, [5])
    assert clean.json("/params")["name"] != "a"  # archives set no default


def test_replace(clean):
    for width in (1, 2, 3):
        assert clean.upload("application/x-tar", archive(echo_files("m", width), "m/"))[0] == 200
        assert clean.score("m", [9] * width) == (200, [9] * width)
        assert clean.score("m", [9] * (width + 1))[0] in (400, 422)


def test_versions(clean):
    for version in (1, 2):
        files = echo_files("m", version)
        assert clean.upload("application/x-tar", archive(files, f"m/{version}/"))[0] == 200
    assert sorted(os.listdir(clean.models / "m")) == ["1", "2"]
    assert clean.score("m", [3, 4]) == (200, [3, 4])
    assert clean.json("/models")[1]["versions"] == [1, 2]


def refused_forms():
    files = echo_files("m")
    whole = [
        ("name", "m"),
        ("params", ("params.json", files["params.json"])),
        ("model", ("echo.json", files["echo.json"])),
        ("labels", ("labels.txt", files["labels.txt"])),
    ]
    for i, (name, _) in enumerate(whole):
        yield f"no-{name}", form(whole[:i] + whole[i + 1 :]), 400
    for name in ("../m", "/m", ".", "..", "a/b", "", "x" * 300, "a\nb", ".hidden", "%2e%2e"):
        yield f"name-{name[:9]!r}", form([("name", name), *whole[1:]]), 400
    for name in ("..", ".", "", "a/..", "params.json", "a\x01b", "n" * 300):
        changed = [*whole[:2], ("model", (name, b"x")), whole[3]]
        yield f"file-{name[:9]!r}", form(changed), 400
    for text in (b"", b"{", b"[]", b'{"name": 1}', b"{" * 100000):
        yield f"params-{text[:9]!r}", form([whole[0], ("params", ("p", text)), *whole[2:]]), 400
    yield "other-name", form([("name", "other"), *whole[1:]]), 409
    yield "no-name-inside", form([whole[0], ("params", ("p", b'{"model": "echo.json"}')), *whole[2:]]), 409
    yield "other-file", form([*whole[:2], ("model", ("other.json", b"{}")), whole[3]]), 400
    yield "bad-model", form([*whole[:2], ("model", ("echo.json", b'{"inputs": "-1"}')), whole[3]]), None
    yield "bad-base64", form([*whole[:2], ("model", ("echo.json", b"!!!!")), whole[3]]), 400
    for backend_option in ("crash", "fail"):
        slow = echo_files("m", backend="slow", **{backend_option: "open"})
        yield f"{backend_option}-at-load", model_form("m", slow), 422


@pytest.mark.parametrize("name, body, status", [pytest.param(*case, id=case[0]) for case in refused_forms()])
def test_refused_form(clean, name, body, status):
    headers = {"Content-Encoding": "base64"} if name == "bad-base64" else {}
    got, text = clean.upload(*body, **headers)
    assert got in ([status] if status else [400, 422]), text
    assert json.loads(text)["error"]
    assert clean.stored() == ["first"]  # not even a hidden folder


def test_only_this_site_may_change(clean):
    kind, body = model_form("m", echo_files("m"))
    assert clean.upload(kind, body, **{"Sec-Fetch-Site": "cross-site"})[0] == 403
    assert clean.upload(kind, body, **{"Sec-Fetch-Site": "same-origin"})[0] == 200


def test_read_only(tmp_path):
    echo_model(tmp_path / "models", "m")
    with Server(tmp_path / "models", "--read-only") as server:
        assert server.upload(*model_form("x", echo_files("x")))[0] == 403
        assert server.ask("DELETE", "/delete/m")[0] == 403
        assert server.score("m", [1]) == (200, [1])


def test_models_without_parameters(tmp_path):
    folder = tmp_path / "models"
    model = echo_model(folder, "plain")
    (model / "params.json").write_text(json.dumps({"inputNode": "a", "outputNode": "b", "model": "echo.json"}))
    (folder / "README.txt").write_text("a stray file")
    (folder / "empty").mkdir()
    echo_model(folder, "broken")
    (folder / "broken/params.json").write_text("{not json")
    with Server(folder) as server:
        (listed,) = server.json("/models")
        assert listed["name"] == "plain"
        assert listed["input_node"] == listed["inputNode"] == "a"
        assert listed["output_node"] == listed["outputNode"] == "b"
        assert listed["timestamp"].endswith("+0000 UTC")
        assert server.ask("GET", "/params/broken")[2] == b"{not json"
        assert server.ask("GET", "/params/nothere")[0] == 404


def test_params(clean):
    assert clean.ask("POST", "/params", '{"NAME": "first", "inputNode": "x"}')[0] == 200
    assert clean.score("", [1, 2]) == (200, [1, 2])
    told = clean.json("/params")
    assert (told["name"], told["input_node"]) == ("first", "x")
    for bad in ("", "{", "[]", "1", '{"name": []}'):
        assert clean.ask("POST", "/params", bad)[0] == 400


def test_status(server):
    before = server.json("/status")
    server.ask("GET", "/models")
    server.ask("POST", "/json", "{}")
    after = server.json("/status")
    assert set(after) >= {"CPU", "Load", "Memory", "NGo", "Uptime", "getRequests", "postRequests"}
    assert len(after["CPU"]) == os.cpu_count() and all(0 <= share <= 100 for share in after["CPU"])
    assert after["getRequests"] == before["getRequests"] + 2
    assert after["postRequests"] == before["postRequests"] + 1
    total = int(open("/proc/meminfo").readline().split()[1]) * 1024
    virtual = after["Memory"]["Virtual"]
    assert virtual["total"] == total == virtual["used"] + virtual["free"]


# ---- download ----


@pytest.fixture(scope="module")
def data(server):
    data = random.Random(1).randbytes(100_000)
    (server.models / "first/data.bin").write_bytes(data)
    (server.models / "first/empty").write_bytes(b"")
    os.symlink(server.models.parent / "secret", server.models / "first/link")
    os.symlink(server.models.parent, server.models / "first/up")
    yield data
    for name in ("data.bin", "empty", "link", "up"):
        os.remove(server.models / "first" / name)


def test_ranges(server, data):
    path, pick = "/download/first/data.bin", random.Random(2)
    for _ in range(40):
        first, last = sorted(pick.choices(range(len(data)), k=2))
        status, headers, body = server.ask("GET", path, headers={"Range": f"bytes={first}-{last}"})
        assert (status, body) == (206, data[first : last + 1])
        assert headers["Content-Range"] == f"bytes {first}-{last}/{len(data)}"
    for text, wanted in (("bytes=-5", data[-5:]), ("bytes=99990-", data[99990:]), ("bytes=0-999999", data)):
        assert server.ask("GET", path, headers={"Range": text})[::2] == (206, wanted)
    for text in (
        "bytes=100000-",
        "bytes=5-4",
        "bytes=x",
        "lines=0-1",
        "bytes=99999999999999999999-",
        "bytes=--5",
        "bytes=-0",
    ):
        status, headers, _ = server.ask("GET", path, headers={"Range": text})
        assert (status, headers["Content-Range"]) == (416, f"bytes */{len(data)}"), text
    many = "bytes=" + ",".join(f"{i}-{i}" for i in range(1000))
    assert server.ask("GET", path, headers={"Range": many})[::2] == (200, data)
    assert server.ask("GET", "/download/first/empty", headers={"Range": "bytes=0-1"})[::2] == (200, b"")


def test_several_ranges(server, data):
    status, headers, body = server.ask("GET", "/download/first/data.bin", headers={"Range": "bytes=0-9, 50-99,-3"})
    assert status == 206
    message = email.message_from_bytes(b"Content-Type: " + headers["Content-Type"].encode() + b"\r\n\r\n" + body)
    parts = message.get_payload()
    assert [part["Content-Range"].split("/")[0] for part in parts] == ["bytes 0-9", "bytes 50-99", "bytes 99997-99999"]
    assert b"\r\n\r\n" + data[50:100] + b"\r\n--" in body


def test_dates(server, data):
    path = "/download/first/data.bin"
    date = server.ask("HEAD", path)[1]["Last-Modified"]
    assert email.utils.parsedate_to_datetime(date).timestamp() == int(
        (server.models / "first/data.bin").stat().st_mtime
    )
    old = "Sunday, 06-Nov-94 08:49:37 GMT"
    for header, value, status in (
        ("If-Modified-Since", date, 304),
        ("If-Modified-Since", old, 200),
        ("If-Modified-Since", "Sun Nov  6 08:49:37 1994", 200),
        ("If-Modified-Since", "nonsense", 200),
        ("If-Unmodified-Since", old, 412),
        ("If-Unmodified-Since", date, 200),
        ("If-None-Match", "*", 304),
    ):
        assert server.ask("GET", path, headers={header: value})[0] == status, header
    for value, status in ((date, 206), (old, 200)):
        assert server.ask("GET", path, headers={"Range": "bytes=0-1", "If-Range": value})[0] == status


def test_listing(server, data):
    odd = server.models / "first/a b<&>'\"%.txt"
    odd.write_text("odd")
    try:
        status, headers, body = server.ask("GET", "/download/first/")
        assert status == 200 and headers["Content-Type"].startswith("text/html")
        assert b'<a href="data.bin">data.bin</a>\n' in body
        assert b"<&" not in body and b"link" not in body and b'"up' not in body
        link = body.split(b'<a href="a')[1].split(b'"')[0].replace(b"&amp;", b"&").replace(b"&#38;", b"&").decode()
        assert server.ask("GET", "/download/first/a" + link)[2] == b"odd"
    finally:
        odd.unlink()
    status, headers, _ = server.ask("GET", "/download/first")
    assert (status, headers["Location"]) == (301, "first/")
    status, headers, _ = server.ask("GET", "/download/first/data.bin/")
    assert (status, headers["Location"]) == (301, "../data.bin")
    assert server.ask("POST", "/download/first/data.bin")[2] == data


def test_nothing_outside(server, data):
    paths = ["link", "up/secret", "../../secret", "..%2f..%2fsecret", "%2e%2e/%2e%2e/secret", "..%5c..%5csecret"]
    paths += [
        "../first/../../secret",
        "data.bin/../../../secret",
        "data.bin%00.txt",
        "%c0%ae%c0%ae/secret",
        "//etc/passwd",
    ]
    for path in paths:
        reply = server.raw(
            f"GET /download/first/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode(), ends=False
        )
        assert reply[9:12] in (b"301", b"400", b"404"), (path, reply)
        assert b"outside" not in reply and b"root:" not in reply
    for path in ("../secret", "first/link", "first/up/secret", "/etc/passwd", "first", str(server.models), "first/%00"):
        status, _, body = server.ask("GET", f"/data?model={path}")
        assert status in (400, 404) and b"outside" not in body and b"root:" not in body, path
    assert server.ask("GET", "/data?model=first/data.bin")[2] == data
    assert server.ask("GET", f"/data?model={server.models}/first/data.bin")[2] == data
    assert server.ask("GET", "/data")[0] == 400


# ---- images ----


def test_images(tmp_path):
    models = SHARED / "data/models"
    if not models.exists():
        pytest.skip("../shared/data/models is absent")
    (tmp_path / "models").mkdir()
    for name in ("image1", "image3", "image3_tf1"):
        os.symlink(models / name, tmp_path / "models" / name)
    with Server(tmp_path / "models", "--no-check") as server:
        for name in ("image1", "image3"):
            for file, wanted in json.loads((models / f"images/scores_{name}.json").read_text())["outputs"].items():
                picture = (models / "images" / file).read_bytes()
                kind, body = form([("image", (file, picture)), ("model", name)])
                for path in ("/image", "/predict/image", "/predict"):
                    status, _, text = server.ask("POST", path, body, {"Content-Type": kind})
                    assert status == 200, text
                    assert json.loads(text) == pytest.approx(wanted, rel=1e-5)
        large = big_picture()
        for name in ("image1", "image3"):  # by a worker thread
            kind, body = form([("image", ("a/b.png", large)), ("model", name)])
            status, _, text = server.ask("POST", "/image", body, {"Content-Type": kind})
            assert status == 200 and sum(json.loads(text)) == pytest.approx(1, rel=1e-5)
        kind, body = form([("image", ("a/b.png", large)), ("model", "image3_tf1")])
        told = json.loads(server.ask("POST", "/image", body, {"Content-Type": kind})[2])
        assert told["filename"] == "b.png" and len(told["labels"]) == 5
        probabilities = [one["probability"] for one in told["labels"]]
        assert probabilities == sorted(probabilities, reverse=True)


def big_picture():
    """A PNG of 400 x 300 gray pixels, made by hand."""
    import struct
    import zlib

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes((x + y) & 255 for x in range(400)) for y in range(300))
    head = struct.pack(">IIBBBBB", 400, 300, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
