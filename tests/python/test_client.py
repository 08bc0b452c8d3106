"""mlaas.client against a small server in this process: what is sent, what comes back, and all that goes wrong."""

import math
import struct
import time

import numpy as np
import pytest
from fake_server import FakeServer
from mlaas import client as module
from mlaas.client import Client


@pytest.fixture
def server(tmp_path):
    made = FakeServer(tmp_path / "models")
    yield made
    made.close()


@pytest.fixture
def client(server):
    with Client(server.url, backoff=0.001) as made:
        yield made


@pytest.fixture
def model_folder(tmp_path):
    "A folder such as a model has, with what must not travel."
    folder = tmp_path / "mine"
    (folder / "variables").mkdir(parents=True)
    (folder / "model.onnx").write_bytes(bytes(range(256)) * 300)
    (folder / "variables" / "data & more.bin").write_bytes(b"")
    (folder / "empty").mkdir()
    (folder / ".hidden").write_text("no")
    return folder


def test_an_event_of_names_gives_a_vector(server, client):
    score = client.predict("tth", {"nJets": 3, "jetPt": [1.5, math.nan], "met": np.float32(0.5)})
    assert score.dtype == np.float32
    assert score.tolist() == [5, 3]
    assert server.body() == {"model": "tth", "events": [{"nJets": 3, "jetPt": [1.5, None], "met": 0.5}]}
    assert server.requests[0][2]["X-Request-Timeout-Ms"] == "30000"


def test_events_and_rows_go_in_one_request(server, client):
    assert client.predict("a", [{"x": 1}, {"x": [2, 3]}]).tolist() == [[1, 1], [5, 1]]
    rows = np.arange(6, dtype=np.float32).reshape(2, 3) / 10
    np.testing.assert_allclose(client.predict("a", rows, version=2, input="raw"), [[0.3, 3], [1.2, 3]], rtol=1e-6)
    assert server.body()["model_version"] == 2
    assert server.body()["input"] == "raw"
    assert np.array_equal(np.float32(server.body()["events"]), rows)
    assert client.predict(None, [1, 2, 3]).tolist() == [6, 3]
    assert server.body() == {"events": [[1, 2, 3]]}
    assert client.predict("a", [(1, 2), (3, 4)], output="second").tolist() == [[1.5], [3.5]]
    assert list(client.predict_all("a", rows)) == ["score", "second"]
    assert server.connections == 1


def test_what_cannot_be_sent_is_said(server, client):
    for events, kind in (([], ValueError), ({"x": math.inf}, ValueError), ([{1, 2}], TypeError)):
        with pytest.raises(kind):
            client.predict("a", events)
    with pytest.raises(ValueError, match="no output 'third'"):
        client.predict("a", [1.0], output="third")
    for url in ("", "localhost:80", "ftp://a", "http://", "http://a/?q", "http://a/#f"):
        with pytest.raises(ValueError, match="no address"):
            Client(url)
    for name in ("", "..", "a/b", ".a", "a b", 'a"'):
        with pytest.raises(ValueError, match="no name"):
            client.delete(name)
    assert len(server.requests) == 1


def test_a_row_as_tfaas_takes_it(server, client):
    score = client.predict_row("m", [1.5, 2, math.nan], ["a", "b", "c"])
    assert score[0] == 3.5
    assert math.isnan(score[1])
    assert server.body() == {"keys": ["a", "b", "c"], "values": [1.5, 2, None], "model": "m"}
    assert client.predict_row("m", [0.5], ["key"], proto=True).tolist() == [14, 0]
    assert server.requests[-1][3] == b"\x0a\x03key\x12\x04" + struct.pack("<f", 0.5) + b"\x1a\x01m"


def test_images(server, client, tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG1234")
    expected = {"filename": "image.png", "labels": [{"label": "cat", "probability": 8}]}
    assert client.predict_image("pets", tmp_path / "a.png") == expected
    assert client.predict_image(None, b"\xff\xd8\xff")["filename"] == "image.jpg"


def test_many_events_stay_in_order(server, client):
    scores = list(client.predict_many("a", ({"x": i} for i in range(1050)), batch=100))
    assert [score[0] for score in scores] == list(range(1050))
    assert len(server.requests) == 11
    assert server.connections <= 8


# ---- models ----


def test_models_go_there_and_back(server, client, model_folder, tmp_path):
    client.upload("my-model", model_folder)
    assert [entry["name"] for entry in client.models()] == ["my-model"]
    assert client.model("my-model")["state"] == "ready"
    server.describes = False  # as TFaaS, which has no page of one model
    assert client.model("my-model")["model"] == "model.onnx"
    assert client.fetch("my-model", "model.onnx") == bytes(range(256)) * 300
    client.download("my-model", tmp_path / "copy")
    found = {str(path.relative_to(tmp_path / "copy")) for path in (tmp_path / "copy").rglob("*")}
    assert found == {"model.onnx", "empty", "variables", "variables/data & more.bin"}
    assert (tmp_path / "copy" / "model.onnx").read_bytes() == bytes(range(256)) * 300
    client.delete("my-model")
    assert client.models() == []
    with pytest.raises(module.NotFoundError, match="no model my-model"):
        client.delete("my-model")
    with pytest.raises(module.NotFoundError):
        client.model("my-model")


def test_upload_by_form(server, client, model_folder, tmp_path):
    (tmp_path / "params.json").write_text("{}")
    client.upload_form("formed", tmp_path / "params.json", model_folder / "model.onnx")
    assert client.fetch("formed", "model.onnx") == bytes(range(256)) * 300
    with pytest.raises(FileNotFoundError):
        client.upload_form("formed", tmp_path / "nothere", model_folder / "model.onnx")
    with pytest.raises(NotADirectoryError):
        client.upload("formed", tmp_path / "params.json")


@pytest.mark.parametrize("link", ["../secret", "/etc/passwd", "..%2fsecret", "a%5cb", "%2e%2e", "http://other/x"])
def test_a_listing_cannot_lead_outside(server, client, tmp_path, link):
    server.script = [lambda handler: handler.reply(200, f'<a href="{link}">x</a>'.encode())]
    with pytest.raises(module.ReplyError, match="no plain name"):
        client.download("evil", tmp_path / "copy")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models"]


def test_a_download_that_fails_leaves_nothing(server, client, tmp_path):
    listing = b'<a href="a">a</a><a href="b">b</a>'
    server.script = [
        lambda handler: handler.reply(200, listing),
        lambda handler: handler.reply(200, b"content"),
        lambda handler: handler.reply(500, {"error": "disk"}),
    ]
    with pytest.raises(module.RefusedError, match="disk"):
        client.download("m", tmp_path / "copy")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models"]


# ---- bad days ----

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: "


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (HEAD + b"5\r\n\r\n[NaN]", module.ReplyError, "NaN is no number"),
        (HEAD + b"100\r\n\r\n[1,2]", module.ReplyError, "cut off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[1,2]\r\n", module.ReplyError, "no HTTP"),
        (HEAD + b"99999999999999\r\n\r\n[1", module.ReplyError, "larger than the client takes"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"1" * 9000, module.ReplyError, "larger than"),
        (HEAD + b"2\r\n\r\n{}", module.ReplyError, "no outputs"),
        (HEAD + b"20\r\n\r\n" + b'{"outputs":{"a":[]}}', module.ReplyError, "came back for 0"),
        (HEAD + b"29\r\n\r\n" + b'{"outputs":{"a":[[1,["x"]]]}}', module.ReplyError, "'x'"),
        (HEAD + b"4000\r\n\r\n" + b"[" * 4000, module.ReplyError, "no JSON"),
        (b"no HTTP at all\r\n\r\n", module.ReplyError, "no HTTP"),
        (b"", module.ConnectError, "without response"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://b/\r\nContent-Length: 0\r\n\r\n", module.RefusedError, "http://b/"),
        (b'HTTP/1.1 400 No\r\nContent-Length: 14\r\n\r\n{"error":"why"}'[:-1], module.RefusedError, "400: "),
        (b"HTTP/1.1 404 No\r\nContent-Length: 4\r\n\r\ntext", module.NotFoundError, "404: text"),
    ],
)
def test_bad_replies(server, reply, kind, words):
    client = Client(server.url, retries=0, largest_reply=5000, timeout=120)
    server.script = [lambda handler: handler.raw(reply)]
    with pytest.raises(kind, match=words) as caught:
        client.predict("a", {"x": 1})
    assert type(caught.value) is kind


def test_the_busy_are_asked_again(server, client):
    server.script = [
        lambda handler: handler.reply(503),
        lambda handler: handler.raw(b""),
        lambda handler: handler.reply(429, b"Limit exceeded", [("Retry-After", "1")]),
    ]
    begin = time.monotonic()
    assert client.predict("a", {"x": 1}).tolist() == [1, 1]
    assert time.monotonic() - begin >= 1
    assert len(server.requests) == 4


def test_a_wait_beyond_the_timeout_is_not_begun(server, client):
    server.script = [lambda handler: handler.reply(429, b"Limit exceeded", [("Retry-After", "100")])]
    begin = time.monotonic()
    with pytest.raises(module.BusyError, match="Limit exceeded") as caught:
        client.predict("a", {"x": 1}, timeout=90)
    assert time.monotonic() - begin < 60
    assert caught.value.retry_after == 100


def test_an_upload_is_not_repeated_when_nobody_knows_whether_it_worked(server, client, model_folder):
    server.script = [lambda handler: handler.reply(503), lambda handler: handler.raw(b"")]
    with pytest.raises(module.ConnectError):
        client.upload("m", model_folder)
    assert len(server.requests) == 2


def test_the_slow_are_given_up(server, client):
    server.script = [lambda handler: time.sleep(0.5)]
    with pytest.raises(module.TimedOutError) as caught:
        client.predict("a", {"x": 1}, timeout=0.2)
    assert isinstance(caught.value, TimeoutError)


def test_nobody_there_is_said():
    with pytest.raises(module.ConnectError, match="refused"):
        Client("http://127.0.0.1:1", backoff=0.001).predict("a", {"x": 1})


def test_a_connection_that_the_server_closed_is_made_anew(server, client):
    server.script = [lambda handler: (handler.reply(200, [1.0]), setattr(handler, "close_connection", True))]
    client.retries = 0
    client.predict("a", {"x": 1})
    end = time.monotonic() + 60
    while not server.closed and time.monotonic() < end:
        time.sleep(0.01)
    assert client.predict("a", {"x": 1}).tolist() == [1, 1]
    assert server.connections == 2
