"""A small model server for tests of clients: TFaaS's paths and their extensions over a folder, with a "model" that adds
up what it is sent. Replies can be scripted: put functions that take the handler into `server.script`.
"""

import email.parser
import email.policy
import io
import json
import os
import struct
import tarfile
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def total(value):
    "The sum of all numbers in a value; null counts as 0."
    if isinstance(value, dict):
        return sum(total(item) for item in value.values())
    if isinstance(value, list):
        return sum(total(item) for item in value)
    return value or 0


def parts_of(kind, body):
    "Name to (file name, content) of a multipart form."
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(
        b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body
    )
    return {
        part.get_param("name", header="content-disposition"): (part.get_filename(), part.get_payload(decode=True))
        for part in message.iter_parts()
    }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *words):
        pass

    def handle(self):
        try:
            super().handle()
        except ConnectionError:
            pass

    def setup(self):
        super().setup()
        self.server.connections += 1

    def reply(self, status, body=b"", headers=()):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def raw(self, data, close=True):
        self.wfile.write(data)
        self.wfile.flush()
        self.close_connection = close

    def answer(self):
        size = int(self.headers.get("Content-Length", 0))
        self.body = self.rfile.read(size)
        with self.server.lock:
            self.server.requests.append((self.command, self.path, dict(self.headers), self.body))
            scripted = self.server.script.pop(0) if self.server.script else None
        if scripted:
            scripted(self)
            return
        path = urllib.parse.unquote(self.path.removeprefix(self.server.base))
        route = getattr(self, "at_" + path.strip("/").split("/")[0], None)
        if not self.path.startswith(self.server.base) or route is None:
            self.reply(404, b"404 page not found\n")
            return
        route(path)

    do_GET = do_POST = do_DELETE = answer

    # ---- predictions ----

    def at_json(self, path):
        request = json.loads(self.body)
        if request.get("model") == "nothere":
            self.reply(404, {"error": "there is no model nothere"})
        elif "events" in request:
            sums = [[total(event), len(event)] for event in request["events"]]
            mode = "raw" if isinstance(request["events"][0], dict) else "normalised"
            outputs = {"score": sums, "second": [[row[0] / 2] for row in sums]}
            self.reply(200, {"model": request.get("model"), "outputs": outputs}, [("X-Mlaas-Input", mode)])
        else:
            self.reply(200, [total(request["values"]), None])

    def at_proto(self, path):
        self.reply(200, b"\x0a\x05\x15" + struct.pack("<f", len(self.body)) + b"\x0a\x00")

    def at_image(self, path):
        image = parts_of(self.headers["Content-Type"], self.body)["image"]
        self.reply(200, {"filename": image[0], "labels": [{"label": "cat", "probability": len(image[1])}]})

    # ---- models ----

    def folder(self, *names):
        return os.path.join(self.server.folder, *names)

    def at_models(self, path):
        names = sorted(os.listdir(self.folder()))
        if path.strip("/") == "models":
            self.reply(200, [{"name": name, "description": "d", "model": "model.onnx"} for name in names])
            return
        name = path.strip("/").split("/")[1]
        if name not in names or not self.server.describes:
            self.reply(404, b"404 page not found\n")
            return
        files = [{"name": file, "size": 1} for file in sorted(os.listdir(self.folder(name)))]
        self.reply(200, {"name": name, "version": 1, "state": "ready", "folder": name, "files": files})

    def at_upload(self, path):
        if self.headers["Content-Type"].startswith("multipart/"):
            parts = parts_of(self.headers["Content-Type"], self.body)
            name = parts["name"][1].decode()
            os.makedirs(self.folder(name))
            for field in ("params", "model", "labels"):
                if field in parts:
                    with open(self.folder(name, parts[field][0]), "wb") as stream:
                        stream.write(parts[field][1])
        else:
            with tarfile.open(fileobj=io.BytesIO(self.body)) as tar:
                tar.extractall(self.folder())
        self.reply(200)

    def at_delete(self, path):
        name = parts_of(self.headers["Content-Type"], self.body)["model"][1].decode()
        if not os.path.isdir(self.folder(name)):
            self.reply(404, {"error": f"there is no model {name}"})
            return
        for place, _, files in os.walk(self.folder(name), topdown=False):
            for file in files:
                os.unlink(os.path.join(place, file))
            os.rmdir(place)
        self.reply(200)

    def at_download(self, path):
        target = self.folder(*path.split("/")[2:])
        if os.path.isfile(target):
            with open(target, "rb") as stream:
                self.reply(200, stream.read())
        elif os.path.isdir(target):
            names = sorted(name + "/" * os.path.isdir(os.path.join(target, name)) for name in os.listdir(target))
            links = "".join(
                f'<a href="{urllib.parse.quote(name)}">{name}</a>\n'.replace("&", "&amp;") for name in names
            )
            self.reply(200, f"<pre>\n{links}</pre>\n".encode())
        else:
            self.reply(404, b"404 page not found\n")

    def at_readyz(self, path):
        self.reply(200, b"ok\n")


class FakeServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, folder, base="/base", describes=True):
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder, self.base, self.describes = str(folder), base, describes
        self.script, self.requests, self.connections, self.closed = [], [], 0, 0
        self.lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_address[1]}{base}"
        os.makedirs(self.folder, exist_ok=True)
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def shutdown_request(self, request):
        super().shutdown_request(request)
        self.closed += 1

    def close(self):
        self.shutdown()
        self.server_close()
        self.thread.join()

    def body(self, number=-1):
        "The JSON of a request."
        return json.loads(self.requests[number][3])
