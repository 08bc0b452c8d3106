"""The XRootD plug-in against a server that lies: answers of other lengths, at other offsets, of other requests. What is
delivered is right, or there is an error; nothing is written beside the ranges, and the program lives."""

import contextlib
import json
import socket
import socketserver
import struct
import threading

import pytest
import test_xrootd
from test_xrootd import CONTENT, Probe, ask, crc

pytestmark = test_xrootd.pytestmark  # without the plug-in they are skipped

OPEN, CLOSE, DIRLIST, PROTOCOL, LOGIN, READ, STAT, LOCATE, READV, QUERY = (
    *(3010, 3003, 3004, 3006, 3007, 3013),
    *(3017, 3027, 3025, 3001),
)
OK, OKSOFAR, ERROR, REDIRECT = 0, 4000, 4003, 4004
RANGES = [(10, 100), (5000, 1000), (200_000, 3)]
QUICK = {"connect_ms": 2000, "timeout_ms": 2000}
PATIENT = {"connect_ms": 60_000, "timeout_ms": 60_000}  # where there is an answer


class Session(socketserver.BaseRequestHandler):
    """One connection: an honest server, but for what `server.lies` says of a kind of request."""

    def take(self, size):
        data = b""
        while len(data) < size:
            more = self.request.recv(size - len(data))
            if not more:
                raise ConnectionError
            data += more
        return data

    def reply(self, stream, status, data=b"", length=None):
        self.request.sendall(stream + struct.pack(">HI", status, len(data) if length is None else length) + data)

    def handle(self):
        with contextlib.suppress(OSError):
            self.take(20)
            self.reply(b"\0\0", OK, struct.pack(">II", 0x511, 1))
            while True:
                head = self.take(24)
                stream, kind, given, length = head[:2], *struct.unpack(">H16sI", head[2:])
                text = self.take(length)
                lie = self.server.lies.get(kind)
                if lie:
                    lie(self, stream, given, text)
                else:
                    self.reply(stream, OK, self.honest(kind, given, text))

    def honest(self, kind, given, text):
        about = b"1 %d 16 1700000000\0" % len(CONTENT)
        if kind == READ:
            offset, length = struct.unpack(">qi", given[4:])
            return CONTENT[offset : offset + length]
        if kind == READV:
            wanted = [struct.unpack(">4siq", text[i : i + 16]) for i in range(0, len(text), 16)]
            return b"".join(
                struct.pack(">4siq", file, length, offset) + CONTENT[offset : offset + length]
                for file, length, offset in wanted
            )
        return {
            PROTOCOL: struct.pack(">II", 0x511, 1),
            LOGIN: bytes(16),
            OPEN: b"file" + bytes(8) + about,
            STAT: about,
            QUERY: b"1024\n2097136\n\0",
            LOCATE: b"Sr127.0.0.1:%d\0" % self.server.server_address[1],
        }.get(kind, b"")


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@pytest.fixture
def liar():
    with Server(("127.0.0.1", 0), Session) as server:
        server.lies = {}
        server.url = f"root://127.0.0.1:{server.server_address[1]}//x.root"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield server
        server.shutdown()


def test_an_honest_one_is_read(liar):
    with Probe(liar.url, **QUICK) as probe:
        opened = probe.ask_until_told("open")
        assert opened["status"] == "OK" and opened["size"] == len(CONTENT), opened
        for ranges in (RANGES, RANGES[:1]):
            read = probe.ask_until_told(words(ranges))
            assert read["status"] == "OK" and read["crc32"] == crc(ranges), read


def words(ranges):
    return "read " + " ".join(f"{offset}:{length}" for offset, length in ranges)


def item(length, offset, data):
    return struct.pack(">4siq", b"file", length, offset) + data


def pieces(ranges=RANGES):
    return b"".join(item(length, offset, CONTENT[offset : offset + length]) for offset, length in ranges)


LONG = bytes(3_000_000)
VECTORS = {
    "fewer ranges": lambda s, stream, *_: s.reply(stream, OK, pieces(RANGES[:2])),
    "more ranges": lambda s, stream, *_: s.reply(stream, OK, pieces([*RANGES, (7, 50)])),
    "a range twice": lambda s, stream, *_: s.reply(stream, OK, pieces([RANGES[0], *RANGES])),
    "another order": lambda s, stream, *_: s.reply(stream, OK, pieces(RANGES[::-1])),
    "another offset": lambda s, stream, *_: s.reply(stream, OK, pieces([(11, 100), *RANGES[1:]])),
    "a shorter range": lambda s, stream, *_: s.reply(stream, OK, pieces([(10, 99), *RANGES[1:]])),
    "a longer range": lambda s, stream, *_: s.reply(stream, OK, pieces([(10, 3000), *RANGES[1:]])),
    "a negative length": lambda s, stream, *_: s.reply(stream, OK, item(-1, 10, b"")),
    "a length that lies": lambda s, stream, *_: s.reply(stream, OK, item(2**31 - 1, 10, b"123")),
    "half a head": lambda s, stream, *_: s.reply(stream, OK, pieces()[:7]),
    "nothing": lambda s, stream, *_: s.reply(stream, OK),
    "the answer in two": lambda s, stream, *_: (s.reply(stream, OKSOFAR, pieces(RANGES[:1])), s.reply(stream, OK)),
    "the answer twice": lambda s, stream, *_: (s.reply(stream, OK, pieces()), s.reply(stream, OK, pieces())),
    "more and more ranges": lambda s, stream, *_: [s.reply(stream, OKSOFAR, pieces()) for _ in range(50)],
    "more and more bytes": lambda s, stream, *_: [
        s.reply(stream, OKSOFAR, CONTENT[: 16 + i]) for i in range(50) for _ in range(2)
    ],
}
SINGLES = {
    "more bytes": lambda s, stream, *_: s.reply(stream, OK, CONTENT[10:5000]),
    "far more bytes": lambda s, stream, *_: s.reply(stream, OK, LONG),
    "more and more bytes": lambda s, stream, *_: [s.reply(stream, OKSOFAR, CONTENT[10:110]) for _ in range(50)],
    "fewer bytes": lambda s, stream, *_: s.reply(stream, OK, CONTENT[10:50]),
    "no bytes": lambda s, stream, *_: s.reply(stream, OK),
    "another request's": lambda s, stream, *_: s.reply(b"\x7f\x7f", OK, CONTENT[10:110]),
    "an unknown status": lambda s, stream, *_: s.reply(stream, 4999, CONTENT[10:110]),
    "a length that lies": lambda s, stream, *_: s.reply(stream, OK, b"123", 2**32 - 1),
    "half an error": lambda s, stream, *_: s.reply(stream, ERROR, b"\0"),
}


def outcome(url, ranges, honest=False):
    with Probe(url, **QUICK) as probe:
        assert probe.ask_until_told("open")["status"] == "OK"
        read = probe.ask_until_told(words(ranges)) if honest else probe.read(ranges)
        assert read["done"] == 1
        assert read["status"] != "OK" or read["crc32"] == crc(ranges), read
        assert read["seconds"] < 60
        return read


@pytest.mark.slow
@pytest.mark.parametrize("lie", VECTORS)
def test_answers_of_several_ranges_that_lie(liar, lie):
    liar.lies[READV] = VECTORS[lie]
    outcome(liar.url, RANGES)
    outcome(liar.url, RANGES[:1])


@pytest.mark.slow
@pytest.mark.parametrize("lie", SINGLES)
def test_answers_of_one_range_that_lie(liar, lie):
    liar.lies[READ] = SINGLES[lie]
    read = outcome(liar.url, RANGES[:1], honest=True)  # asked for like several, where XrdCl counts what comes
    assert read["status"] == "OK"
    if lie == "more and more bytes":
        return  # XrdCl's File::Read() itself writes such parts beside the buffer it was given: docs/xrootd.md
    liar.lies[READV] = lambda s, stream, *_: s.reply(stream, ERROR, struct.pack(">I", 3000) + b"no\0")
    outcome(liar.url, RANGES[:1])
    outcome(liar.url, RANGES)  # some at a time


@pytest.mark.parametrize(
    "text", [b"-1\n-1\n\0", b"9" * 40 + b"\n" + b"9" * 40, b"\0", b"readv_iov_max\nx\n", b"\n" * 9]
)
def test_limits_that_are_nonsense(liar, text):
    liar.lies[QUERY] = lambda s, stream, *_: s.reply(stream, OK, text)
    with Probe(liar.url, **QUICK) as probe:
        opened = probe.ask_until_told("open")
        assert 1 <= opened["most_ranges"] <= 65536 and 4096 <= opened["most_range_bytes"] <= 1 << 30
        read = probe.ask_until_told(words(RANGES))
        assert read["status"] == "OK" and read["crc32"] == crc(RANGES)


def test_no_round_trip_is_spent_on_limits_alone(liar):
    """The server's limits are asked for beside the ends of a file: one that answers only then is read."""
    import mlaas

    asked, reads = [], []

    def read(s, stream, given, text):
        reads.append(len(text) // 16)
        s.reply(stream, OK, s.honest(READV, given, text))
        while asked:
            s.reply(asked.pop(), OK, b"1024\n2097136\n\0")

    liar.lies[QUERY] = lambda s, stream, *_: asked.append(stream)
    liar.lies[READV] = read
    with pytest.raises(mlaas.FormatError):  # what it has is no ROOT file
        mlaas.open(liar.url, remote={"connect_timeout": 60, "timeout": 60, "deadline": 300})
    assert len(reads) == 1 and reads[0] <= 16


@pytest.mark.parametrize("about", [b"1 -5 16 1\0", b"1 99999999999999999999 16 1\0", b"\0", b"1 2\0", b"x y z w\0"])
def test_sizes_that_are_nonsense(liar, about):
    liar.lies[OPEN] = lambda s, stream, *_: s.reply(stream, OK, b"file" + bytes(8) + about)
    liar.lies[STAT] = lambda s, stream, *_: s.reply(stream, OK, about)
    opened = ask(liar.url, **QUICK)
    assert opened["status"] != "OK" or opened["size"] >= 0, opened


def test_words_of_a_server_do_not_steer_terminals(liar):
    words = b"\x1b]0;title\x07 gone\0"
    liar.lies[OPEN] = lambda s, stream, *_: s.reply(stream, ERROR, struct.pack(">I", 3011) + words)
    opened = ask(liar.url, **PATIENT)
    assert opened["status"] == "NOT_FOUND" and "gone" in opened["message"]
    assert all(c.isprintable() for c in opened["message"]), json.dumps(opened["message"])


def test_endless_words_cost_nothing(liar):
    words = b"@" * 4_000_000 + b"\0"
    liar.lies[OPEN] = lambda s, stream, *_: s.reply(stream, ERROR, struct.pack(">I", 3011) + words)
    opened = ask(liar.url, **QUICK)
    assert opened["status"] != "OK" and opened["seconds"] < 60, opened


def test_redirects_in_a_circle_end(liar):
    here = struct.pack(">i", liar.server_address[1]) + b"127.0.0.1"
    liar.lies[OPEN] = lambda s, stream, *_: s.reply(stream, REDIRECT, here)
    opened = ask(liar.url, **QUICK)
    assert opened["status"] != "OK" and opened["seconds"] < 60, opened


def test_names_in_a_directory_stay_in_it(liar):
    names = b"../up.root\n/etc/passwd\na|root://other//x\n.\n..\n\x1b[2Jx.root\nb.root\0"
    liar.lies[DIRLIST] = lambda s, stream, *_: s.reply(stream, OK, names)
    folder = liar.url.replace("x.root", "d")
    listed = ask(folder, "list", **PATIENT)
    assert listed["status"] == "OK", listed
    assert all(url.startswith(folder + "/") for url, *_ in listed["entries"]), listed
    assert f"{folder}/b.root" in [url for url, *_ in listed["entries"]]


def test_a_port_that_speaks_something_else():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet():
            with contextlib.suppress(OSError):
                while True:
                    with server.accept()[0] as client:
                        client.sendall(b"220 mail.example ESMTP\r\n" * 100)

        threading.Thread(target=greet, daemon=True).start()
        opened = ask(f"root://127.0.0.1:{server.getsockname()[1]}//x.root", **QUICK)
    assert opened["status"] != "OK" and opened["seconds"] < 60, opened
