"""Everything at once on one server: predictions, uploads, deletes, reloads, downloads, bad input, clients that vanish.

    mixed_load.py [--build build-asan] [--seconds 15] [--check]

Every answer is looked at: echo models give back what they are sent, a model that is being replaced gives the scores of
one of its versions or says that it does not fit, bad input gives a 4xx. Ends with SIGTERM; a sanitizer's report, an
exit code other than 0 or a wrong answer make it fail. Standard library only.
"""

import argparse
import collections
import json
import os
import random
import signal
import socket
import struct
import sys
import tempfile
import threading
import time
from pathlib import Path

CHURNED = ("churn0", "churn1", "churn2")
WIDTHS = (1, 2, 5)


class Mix:
    """The players, each a thread with a random generator of its own; what went wrong is in `wrong`."""

    def __init__(self, server, seed=1):
        self.server, self.seed = server, seed
        self.ended = threading.Event()
        self.counts, self.wrong = collections.Counter(), []

    def note(self, what, good, told):
        self.counts[what] += 1
        if not good and len(self.wrong) < 100:
            self.wrong.append(f"{what}: {told!r}"[:500])

    # ---- players: one turn each ----

    def predict(self, pick):
        values = [float(pick.randrange(1000)) for _ in range(4)]
        model = pick.choice(("echo", "slow"))
        told = self.server.score(model, values)
        self.note("predict", told == (200, values), told)

    def predict_events(self, pick):
        rows = [[float(pick.randrange(1000)) for _ in range(4)] for _ in range(pick.choice((1, 3, 100)))]
        body = json.dumps({"model": "echo", "events": rows})
        status, _, text = self.server.ask("POST", "/json", body)
        good = status == 200 and json.loads(text)["outputs"]["y"] == rows
        self.note("events", good, (status, text[:100]))

    def predict_keep_alive(self, pick):
        """Several requests sent at once on one connection."""
        count = pick.choice((2, 10, 50))
        bodies = [
            json.dumps({"model": "echo", "values": [i, 2, 3, pick.randrange(100)]}).encode() for i in range(count)
        ]
        ask = b"".join(
            b"POST /json HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%s\r\n%s"
            % (len(body), b"Connection: close\r\n" if i == count - 1 else b"", body)
            for i, body in enumerate(bodies)
        )
        reply = self.server.raw(ask, ends=False)  # the last one says that it is
        self.note("pipelined", reply.count(b"HTTP/1.1 200 ") == count, reply[:200])

    def churn(self, pick):
        from served import archive, echo_files, model_form

        name, width = pick.choice(CHURNED), pick.choice(WIDTHS)
        backend = pick.choice(("echo", "slow"))
        files = echo_files(name, width, backend)
        if pick.random() < 0.5:
            told = self.server.upload(*model_form(name, files))
        else:
            told = self.server.upload("application/x-tar", archive(files, f"{name}/", pick.choice(("w", "w:gz"))))
        self.note("upload", told[0] in (200, 409), told)

    def use_churned(self, pick):
        width = pick.choice(WIDTHS)
        values = [float(i) for i in range(width)]
        status, told = self.server.score(pick.choice(CHURNED), values)
        self.note("churned", told == values if status == 200 else status in (400, 404, 409, 422, 503), (status, told))

    def delete(self, pick):
        status, _, text = self.server.ask("DELETE", f"/delete/{pick.choice(CHURNED)}")
        self.note("delete", status in (200, 404), (status, text))

    def look(self, pick):
        path = pick.choice(("/models", "/params", "/status", "/metrics", "/readyz", "/repository", "/models/echo", "/"))
        status, _, text = self.server.ask("GET", path)
        good = status == 200 and (path != "/models" or {"echo", "slow"} <= {one["name"] for one in json.loads(text)})
        self.note(f"GET {path}", good, (status, text[:200]))

    def download(self, pick):
        first = pick.randrange(50_000)
        status, _, data = self.server.ask(
            "GET", "/download/echo/data", headers={"Range": f"bytes={first}-{first + 99}"}
        )
        wanted = bytes(i & 255 for i in range(first, first + 100))
        self.note("download", status == 206 and data == wanted, (status, data[:50]))

    def be_bad(self, pick):
        from served import echo_files, form, model_form

        kind, body = model_form("bad", echo_files("bad"))
        ask = pick.choice(
            (
                ("POST", "/json", "{" * pick.randrange(1, 2000), {}),
                ("POST", "/json", json.dumps({"model": "echo", "values": [1] * 5}), {}),
                ("POST", "/json", json.dumps({"model": "nothere", "values": [1]}), {}),
                ("POST", "/json", pick.randbytes(pick.randrange(1, 300)), {}),
                ("POST", "/proto", b"\x0a\xff\xff\xff\xff\x0f" + pick.randbytes(9), {}),
                ("POST", "/upload", pick.randbytes(1000), {}),
                ("POST", "/upload", body[: pick.randrange(len(body) - 4)], {"Content-Type": kind}),
                ("POST", "/image", body, {"Content-Type": kind}),
                ("DELETE", "/delete/..", None, {}),
                ("GET", "/download/echo/..%2f..%2fetc", None, {}),
                ("DELETE", "/delete", form([("x", "y")])[1], {"Content-Type": kind}),
            )
        )
        status, _, text = self.server.ask(*ask)
        self.note("bad", 300 <= status < 500, (ask[:2], status, text[:200]))

    def vanish(self, pick):
        body = json.dumps({"model": "slow", "values": [1, 2, 3, 4]}).encode()
        whole = b"POST /json HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        with self.server.connect() as sock:
            sock.sendall(whole[: pick.randrange(len(whole) + 1)])
            if pick.random() < 0.5:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.note("vanish", True, None)
        time.sleep(0.005)

    def reload(self, pick):
        time.sleep(0.2 + pick.random() / 2)
        self.server.process.send_signal(signal.SIGHUP)
        self.note("reload", True, None)

    # ---- all of them ----

    def play(self, turn, number):
        pick = random.Random(self.seed * 1000 + number)
        while not self.ended.is_set():
            try:
                turn(pick)
            except Exception as error:  # a connection that broke is as wrong as a wrong answer
                if self.server.process.poll() is not None:
                    self.wrong.append(f"the server ended with {self.server.process.returncode}")
                    return
                self.note(turn.__name__, False, error)

    def start(self):
        turns = [self.predict, self.predict, self.predict_events, self.predict_keep_alive, self.churn, self.use_churned]
        turns += [self.delete, self.look, self.download, self.be_bad, self.vanish, self.reload]
        self.threads = [threading.Thread(target=self.play, args=(turn, i)) for i, turn in enumerate(turns)]
        for thread in self.threads:
            thread.start()
        return self

    def stop(self):
        self.ended.set()
        for thread in self.threads:
            thread.join()


def make_models(folder):
    from served import echo_model

    model = echo_model(folder, "echo", 4)
    (model / "data").write_bytes(bytes(i & 255 for i in range(100_000)))
    echo_model(folder, "slow", 4, backend="slow", delay_us=1500)


def main():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--build", default=os.environ.get("MLAAS_BUILD", "build"))
    words.add_argument("--seconds", type=float, default=15)
    words.add_argument("--check", action="store_true", help="try models in a child first; not with a sanitizer")
    args = words.parse_args()
    os.environ["MLAAS_BUILD"] = str(Path(args.build).resolve())
    sys.path.insert(0, str(Path(__file__).parent))
    from served import Server

    with tempfile.TemporaryDirectory() as outer:
        make_models(Path(outer) / "models")
        # sanitizers reserve more address space than a trial may have
        options = ["--loops", "2", "--log-format", "none", *([] if args.check else ["--no-check"])]
        server = Server(Path(outer) / "models", *options).start()
        mix = Mix(server).start()
        end = time.monotonic() + args.seconds
        while time.monotonic() < end and server.process.poll() is None:
            time.sleep(0.1)
        mix.stop()
        code = server.process.poll()
        code = server.stop() if code is None else code
        if code:
            mix.wrong.append(f"it ended with {code}")
        if "Sanitizer" in server.log_text() or "runtime error" in server.log_text():
            mix.wrong.append("a sanitizer complains")
        if mix.wrong:
            print(server.log_text()[-8000:])
            print("\n".join(mix.wrong))
    print(", ".join(f"{what} {count}" for what, count in sorted(mix.counts.items())))
    print(f"{sum(mix.counts.values())} passed, {len(mix.wrong)} failed")
    return 1 if mix.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
