"""Once a server is warm, predictions allocate nothing: the process counts."""

import json
import os
import re
import socket
import struct
import subprocess
from pathlib import Path

import pytest

BUILD = Path(os.environ.get("MLAAS_BUILD", Path(__file__).resolve().parents[2] / "build"))
COUNTER = BUILD / "tests" / "preload" / "count_allocations.so"
CONNECTIONS, ROUNDS = 8, 250


class Counted:
    """A server of one model `echo`, its allocations, and connections to it."""

    def __init__(self, folder):
        (folder / "models" / "echo").mkdir(parents=True)
        (folder / "models" / "echo" / "echo.json").write_text('{"inputs": 3}')
        self.count = folder / "count"
        self.count.write_bytes(bytes(8))
        command = [BUILD / "src" / "cli" / "mlaas", "serve", "--models", folder / "models", "--port", "0",
                   "--loops", "1", "--no-check", "--log-file", folder / "access.log"]  # fmt: skip
        environment = dict(os.environ, MLAAS_BACKENDS=str(BUILD / "backends"), LD_PRELOAD=str(COUNTER),
                           COUNT_ALLOCATIONS=str(self.count))  # fmt: skip
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        found = re.search(rb":(\d+)", self.process.stdout.readline())
        self.sockets = [socket.create_connection(("127.0.0.1", int(found[1])), timeout=120) for _ in range(CONNECTIONS)]

    def allocations(self):
        return struct.unpack("<q", self.count.read_bytes())[0]

    def ask(self, path, body, good):
        """One request on every connection at once."""
        head = f"POST {path} HTTP/1.1\r\nHost: here\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        for one in self.sockets:
            one.sendall(head + body)
        for one in self.sockets:
            answer = one.recv(4096)
            assert answer.startswith(b"HTTP/1.1 200") and good in answer, answer

    def close(self):
        for one in self.sockets:
            one.close()
        self.process.terminate()
        assert self.process.wait(120) == 0
        self.process.stdout.close()


@pytest.fixture
def counted(tmp_path):
    if not COUNTER.exists():
        pytest.skip("the counter of allocations is built without sanitizers only")
    server = Counted(tmp_path)
    yield server
    server.close()


ROW = struct.pack("<BB3fBB4s", 18, 12, 2.5, 1, 1, 26, 4, b"echo")


@pytest.mark.parametrize(
    "path, body, good",
    [
        ("/json", json.dumps({"model": "echo", "values": [2.5, 1, 1]}).encode(), b"[2.5]"),
        ("/proto", ROW, struct.pack("<f", 2.5)),
    ],
)
def test_a_warm_server_allocates_nothing(counted, path, body, good):
    for _ in range(20):
        counted.ask(path, body, good)
    before = counted.allocations()
    assert before > 100  # it does count
    for _ in range(ROUNDS):
        counted.ask(path, body, good)
    assert counted.allocations() - before <= CONNECTIONS  # of 2,000 requests
