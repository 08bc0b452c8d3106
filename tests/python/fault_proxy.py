"""A proxy of ours before any server, which adds round-trip time, counts what passes, and does wrong what a mode says
(fault_modes.py): for HTTP and XRootD without TLS by what they mean, for everything else by bytes.

In a test: `with FaultProxy(port) as proxy: proxy.mode = Cut(after=100000)`. Beside a benchmark:
`python fault_proxy.py --to localhost:1094 --rtt 50`, which is told "rtt 10", "reset" or "stats" on its standard input.

Delay is a line: every byte leaves half a round trip after it came, so throughput is not limited. A new connection's
first bytes pay one round trip more, which is what connecting costs. Slow start and loss are not played."""

from __future__ import annotations

import argparse
import asyncio
import collections
import json
import os
import socket
import subprocess
import sys
import threading

import fault_modes
from fault_connection import Connection
from fault_modes import Plain, Refuse
from fault_streams import Buffers, reset_socket
from remote_process import hold_port


class FaultProxy:
    """Listens on `port` of 127.0.0.1 from the start to the end of the block, in a thread of its own. `rtt` (ms) and
    `mode` may be set at any time. Counts since `reset`: connections, requests (by name), log of them, bytes_up,
    bytes_down."""

    def __init__(self, to, rtt=0, port=0, mode=None):
        host, _, number = str(to).rpartition(":")
        self.to = (host or "127.0.0.1", int(number))
        self.rtt, self.port, self._mode = rtt, port, mode or Plain()
        self.buffers = Buffers()
        self.open_connections: set[Connection] = set()
        self.held, self.returning = None, None
        self.reset()

    def reset(self):
        self.connections = self.bytes_up = self.bytes_down = 0
        self.requests = collections.Counter()
        self.log = collections.deque(maxlen=10000)

    def count(self, name, line):
        self.requests[name] += 1
        self.log.append(line)

    def stats(self):
        return {
            "connections": self.connections,
            "requests": dict(self.requests),
            "total_requests": self.requests.total(),
            "bytes_up": self.bytes_up,
            "bytes_down": self.bytes_down,
        }

    @property
    def mode(self):
        return self._mode

    @mode.setter
    def mode(self, mode):
        self._mode = mode or Plain()
        if isinstance(mode, Refuse):
            asyncio.run_coroutine_threadsafe(self.go_away(mode.seconds), self.loop).result(120)

    def drop(self):
        "Resets all connections now."
        done = threading.Event()

        def drop():
            for connection in list(self.open_connections):
                connection.close(reset=True)
            done.set()

        self.loop.call_soon_threadsafe(drop)
        done.wait(120)

    # ---- life ----

    def __enter__(self):
        self.loop = asyncio.new_event_loop()
        self.held = hold_port(self.port)
        self.port = self.held.getsockname()[1]
        self.listen()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        asyncio.run_coroutine_threadsafe(self.end(), self.loop).result(120)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(120)
        self.loop.close()
        self.held.close()

    async def end(self):
        self.stop_listening()
        for connection in list(self.open_connections):
            connection.close(reset=True)
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def listen(self):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", self.port))
        self.listener.listen(128)
        self.listener.setblocking(False)
        self.loop.add_reader(self.listener.fileno(), self.accept)

    def stop_listening(self):
        self.forget_returning()
        if self.listener is not None:
            self.loop.remove_reader(self.listener.fileno())
            self.listener.close()
            self.listener = None

    async def go_away(self, seconds):
        self.stop_listening()
        for connection in list(self.open_connections):
            connection.close(reset=True)
        self.mode.struck += 1
        self.returning = self.loop.call_later(seconds, self.listen_again)

    def forget_returning(self):
        "What a Refuse of before has planned must not end the next one."
        if self.returning is not None:
            self.returning.cancel()
            self.returning = None

    def listen_again(self):
        self.forget_returning()
        if self.listener is None:
            self.listen()

    def come_back(self):
        "Before the seconds of a Refuse are over."

        async def again():
            self.listen_again()

        asyncio.run_coroutine_threadsafe(again(), self.loop).result(120)

    def accept(self):
        try:
            client, _ = self.listener.accept()
        except OSError:
            return
        self.connections += 1
        self.loop.create_task(self.serve(client))

    async def serve(self, client):
        server = socket.socket()
        server.setblocking(False)
        try:
            await self.loop.sock_connect(server, self.to)
        except OSError:  # what the client would have met
            server.close()
            reset_socket(client)
            return
        connection = Connection(self, client, server)
        self.open_connections.add(connection)
        await connection.run()

    # ---- the same names as servers have ----

    def root(self, name=""):
        return f"root://localhost:{self.port}//{name}"

    def http(self, name=""):
        return f"http://localhost:{self.port}/{name}"

    def at(self, scheme, name=""):
        "The same name with any scheme."
        return f"{scheme}://localhost:{self.port}/{'/' if scheme.startswith('root') else ''}{name}"


class FaultProxyProcess:
    "A FaultProxy in a process of its own, for benchmarks: `rtt` only, and counts."

    def __init__(self, to, rtt=0):
        words = [sys.executable, os.path.abspath(__file__), "--to", str(to), "--rtt", str(rtt)]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = json.loads(self.process.stdout.readline())["port"]

    def ask(self, words):
        self.process.stdin.write(words + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def set_rtt(self, rtt):
        return self.ask(f"rtt {rtt}")

    def reset(self):
        return self.ask("reset")

    def stats(self):
        return self.ask("stats")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(120)

    root, http = FaultProxy.root, FaultProxy.http


def parse_mode(words):
    'A mode from "Cut after=1000 times=2".'
    name, *options = words
    values = (option.split("=", 1) for option in options)
    return getattr(fault_modes, name)(**{key: int(value) if value.isdigit() else value for key, value in values})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", required=True, help="HOST:PORT of the server")
    parser.add_argument("--rtt", type=float, default=0, help="round trip to add, ms")
    parser.add_argument("--port", type=int, default=0, help="where to listen; 0: a free one, printed")
    parser.add_argument("--mode", nargs="+", default=["Plain"], help="Cut after=1000 times=2 ...: see fault_modes.py")
    arguments = parser.parse_args()
    with FaultProxy(arguments.to, arguments.rtt, arguments.port, parse_mode(arguments.mode)) as proxy:
        print(json.dumps({"port": proxy.port}), flush=True)
        for line in sys.stdin:
            word, *more = line.split() or [""]
            if word == "rtt":
                proxy.rtt = float(more[0])
            elif word == "mode":
                proxy.mode = parse_mode(more)
            elif word == "reset":
                proxy.reset()
            print(json.dumps(proxy.stats()), flush=True)


if __name__ == "__main__":
    main()
