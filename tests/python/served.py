"""Starts `mlaas serve` for tests, and what tests send it: forms, archives, raw bytes. Standard library only."""

import http.client
import io
import json
import os
import re
import resource
import signal
import socket
import subprocess
import tarfile
import time
from pathlib import Path

BUILD = Path(os.environ.get("MLAAS_BUILD", Path(__file__).resolve().parents[2] / "build"))
COMMAND = BUILD / "src/cli/mlaas"
SHARED = Path(__file__).resolve().parents[3] / "shared"


def echo_model(folder, name, width=1, backend="echo", **options):
    """A model that gives back what it is sent; backend="slow" has bad days by its options."""
    model = Path(folder) / name
    model.mkdir(parents=True)
    for file, text in echo_files(name, width, backend, **options).items():
        (model / file).write_bytes(text)
    return model


def echo_files(name, width=1, backend="echo", **options):
    """The files of such a model."""
    options = {"inputs": str(width), "outputs": str(width), **{key: str(value) for key, value in options.items()}}
    params = {"name": name, "model": f"{backend}.json", "labels": "labels.txt", "description": "echo"}
    return {
        "params.json": json.dumps(params).encode(),
        f"{backend}.json": json.dumps(options).encode(),
        "labels.txt": "".join(f"label{i}\n" for i in range(width)).encode(),
    }


def form(parts, boundary="XbX"):
    """(content type, body) of a form; a part is text, or (file name, bytes)."""
    out = io.BytesIO()
    for name, value in parts:
        out.write(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'.encode())
        if isinstance(value, tuple):
            out.write(f'; filename="{value[0]}"\r\nContent-Type: application/octet-stream'.encode())
            value = value[1]
        out.write(b"\r\n\r\n" + (value if isinstance(value, bytes) else value.encode()) + b"\r\n")
    out.write(f"--{boundary}--\r\n".encode())
    return f"multipart/form-data; boundary={boundary}", out.getvalue()


def model_form(name, files, *more):
    """The form that uploads an echo model's files."""
    model = next(file for file in files if file not in ("params.json", "labels.txt"))
    return form(
        [
            ("name", name),
            ("params", ("params.json", files["params.json"])),
            ("model", (model, files[model])),
            ("labels", ("labels.txt", files["labels.txt"])),
            *more,
        ]
    )


def archive(files, prefix="", mode="w"):
    """A tar of files (name to bytes)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(prefix + name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


class Server:
    """The command on a free port, with a folder of models; ends with the block, and then must end well."""

    def __init__(self, models, *options, files=None, environment=None, command=None):
        self.models, self.options, self.files = Path(models), options, files
        self.environment = {**os.environ, **(environment or {})}
        self.command = command or COMMAND
        self.process = None

    def start(self):
        def limit():
            if self.files:
                resource.setrlimit(resource.RLIMIT_NOFILE, (self.files, self.files))

        self.log = open(self.models.parent / f"{self.models.name}.log", "ab")
        command = [str(self.command), "serve", "--models", str(self.models), "--port", "0", *map(str, self.options)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self.log, env=self.environment, preexec_fn=limit
        )
        line = self.process.stdout.readline().decode()
        found = re.search(r"https?://[^ ]*:(\d+)", line)
        assert found, f"no address in the first line: {line!r}: {self.log_text()[-2000:]}"
        self.port = int(found[1])
        return self

    def log_text(self):
        return (self.models.parent / f"{self.models.name}.log").read_text(errors="replace")

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        if self.process.poll() is None:
            code = self.stop()
            assert kind or code == 0, f"ended with {code}: {self.log_text()[-3000:]}"
        else:
            assert kind, f"it ended on its own with {self.process.returncode}: {self.log_text()[-3000:]}"

    def stop(self, sign=signal.SIGTERM):
        self.process.send_signal(sign)
        try:
            return self.process.wait(120)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self.process.stdout.close()
            self.log.close()

    def connect(self, timeout=120):
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def ask(self, method, path, body=None, headers=None, timeout=120):
        """(status, headers, body) of one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers or {})
            reply = connection.getresponse()
            return reply.status, reply.headers, reply.read()
        finally:
            connection.close()

    def raw(self, data, timeout=120, ends=True):
        """All that comes back for these bytes, until the server closes or says nothing for a while. `ends`: the server
        is told that no more will come, and takes it for leaving where an answer takes longer than a moment."""
        with self.connect(timeout) as sock:
            try:
                sock.sendall(data)
                if ends:
                    sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            return read_all(sock)

    def json(self, path):
        status, _, body = self.ask("GET", path)
        assert status == 200, body
        return json.loads(body)

    def stored(self):
        """What lies in the folder of models, hidden things too, but for the notes of trials."""
        return sorted(set(os.listdir(self.models)) - {".mlaas-checked"})

    def names(self):
        return [model["name"] for model in self.json("/models")]

    def upload(self, content_type, body, **headers):
        """(status, body) of POST /upload."""
        status, _, text = self.ask("POST", "/upload", body, {"Content-Type": content_type, **headers})
        return status, text

    def score(self, model, values, timeout=120):
        """(status, parsed body) of POST /json."""
        body = json.dumps({"values": values, **({"model": model} if model else {})})
        status, _, text = self.ask("POST", "/json", body, {"Content-Type": "application/json"}, timeout)
        return status, json.loads(text) if text else None

    def descriptors(self):
        """How many are open, but for the /dev/null that libuv opens for each loop with its first connection."""
        folder, count = f"/proc/{self.process.pid}/fd", 0
        for name in os.listdir(folder):
            try:
                count += os.readlink(f"{folder}/{name}") != "/dev/null" or name == "0"
            except FileNotFoundError:  # closed just now
                pass
        return count

    def resident(self):
        """Resident memory in bytes."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def read_all(sock):
    data = b""
    while True:
        try:
            piece = sock.recv(65536)
        except OSError:
            return data
        if not piece:
            return data
        data += piece


def wait_for(condition, seconds=120):
    """The condition's first true value; fails after some seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError("waited in vain")
