"""Bad input and bad days: whatever comes in, the server says what is wrong, keeps its models whole, and goes on."""

import gzip
import io
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import tarfile
import threading
import time
import zlib

import pytest
from served import COMMAND, Server, archive, echo_files, echo_model, form, model_form, read_all, wait_for

pytestmark = pytest.mark.skipif(not COMMAND.exists(), reason="the command is not built")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile") / "models"
    echo_model(folder, "first", 2)
    (folder.parent / "secret").write_text("outside")
    with Server(folder, "--upload-limit", "2MiB", "--image-pixels", "1000000") as server:
        yield server


@pytest.fixture
def unharmed(server):
    """The server; after the test it answers as ever, and its folder is as it was."""
    yield server
    assert server.score("first", [1, 2]) == (200, [1, 2])
    assert server.stored() == ["first"]
    assert sorted(os.listdir(server.models.parent)) == ["models", "models.log", "secret"]


# ---- archives ----


def tar_of(*entries):
    """A tar of (name, kind, data or link)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, kind, data in entries:
            info = tarfile.TarInfo(name)
            info.type = kind
            if isinstance(data, str):
                info.linkname = data
                data = b""
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def bad_archives():
    good = [(f"m/{name}", tarfile.REGTYPE, data) for name, data in echo_files("m").items()]
    file = tarfile.REGTYPE
    for name in ("../x", "../../x", "m/../../x", "/tmp/mlaas-hostile", "m/..", "..", "m/./../../x", "m/\n"):
        yield f"name-{name!r}", tar_of(*good, (name, file, b"x")), 400
    for kind, target in (
        (tarfile.SYMTYPE, "../../secret"),
        (tarfile.SYMTYPE, "labels.txt"),
        (tarfile.LNKTYPE, "m/labels.txt"),
    ):
        yield f"link-{kind}-{target}", tar_of(*good, ("m/link", kind, target)), 400
    yield "through-a-link", tar_of(*good, ("m/d", tarfile.SYMTYPE, ".."), ("m/d/x", file, b"x")), 400
    for kind in (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE):
        yield f"device-{kind}", tar_of(*good, ("m/odd", kind, b"")), 400
    yield "twice", tar_of(*good, good[0]), 400
    yield "file-and-folder", tar_of(*good, ("m/params.json/x", file, b"x")), 400
    yield "empty", b"", 400
    yield "no-entries", tar_of(), 400
    yield "no-model", tar_of(("m/readme", file, b"x")), (400, 422)
    yield "two-models", tar_of(*good, ("n/x", file, b"x")), (400, 422)
    yield "bad-name", tar_of(*[("a b" + name[1:], kind, data) for name, kind, data in good]), 400
    yield "cut", tar_of(*good)[:700], 400
    yield "cut-gzip", gzip.compress(tar_of(*good))[:-40], 400
    yield "noise", bytes(range(256)) * 20, 400
    yield "deep", tar_of(*good, ("m/" + "d/" * 40 + "x", file, b"x")), 413
    yield "many", tar_of(*good, *[(f"m/{i}", file, b"") for i in range(10001)]), 413
    yield "bomb", gzip.compress(tar_of(*good, ("m/zeros", file, bytes(70 << 20)))), 413
    yield "bomb-in-bomb", gzip.compress(gzip.compress(tar_of(*good, ("m/zeros", file, bytes(4 << 20))))), 400
    yield "sparse-claim", sparse(good), (400, 413)


def sparse(good):
    """A tar whose last file says that it has 8 GiB and is over before."""
    body = bytearray(tar_of(*good, ("m/huge", tarfile.REGTYPE, b"")))
    at = body.index(b"m/huge\0")
    body[at + 124 : at + 136] = b"%011o\0" % ((8 << 30) - 1)
    body[at + 148 : at + 156] = b" " * 8
    body[at + 148 : at + 156] = b"%06o\0 " % sum(body[at : at + 512])
    return bytes(body)


@pytest.mark.parametrize("name, body, status", [pytest.param(*case, id=case[0]) for case in bad_archives()])
def test_archive_is_refused(unharmed, name, body, status):
    got, text = unharmed.upload("application/x-tar", body)
    assert got in (status if isinstance(status, tuple) else (status,)), text
    assert json.loads(text)["error"]
    assert not os.path.exists("/tmp/mlaas-hostile")


# ---- bodies ----


def test_oversized_upload(unharmed):
    with unharmed.connect() as sock:
        sock.sendall(b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")
        assert read_all(sock).startswith(b"HTTP/1.1 413 ")
    with unharmed.connect() as sock:  # without saying so first
        sock.sendall(b"POST /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(1000):
                sock.sendall(b"10000\r\n" + bytes(65536) + b"\r\n")
        except OSError:
            pass  # it need not listen on
        reply = read_all(sock)
        assert reply == b"" or reply.startswith(b"HTTP/1.1 413 ")
    assert unharmed.resident() < 64 << 20


def test_small_routes_take_no_large_body(unharmed):
    assert unharmed.ask("DELETE", "/delete", bytes(100_000))[0] == 413


def test_truncated_body(unharmed):
    kind, body = model_form("m", echo_files("m"))
    head = f"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    for cut in (0, 1, len(body) // 2, len(body) - 1):
        reply = unharmed.raw(head + body[:cut])
        assert reply == b"" or reply.startswith(b"HTTP/1.1 400 ")
    for cut in range(0, len(body) - 4, 37):  # whole as HTTP, cut as a form
        assert unharmed.upload(kind, body[:cut])[0] == 400


def test_forms_of_many_parts(unharmed):
    assert unharmed.upload(*form([("x", "y")] * 5000))[0] == 413
    kind, body = form([("name", "m")])
    assert unharmed.upload(kind, body * 2)[0] == 400
    assert unharmed.upload("multipart/form-data; boundary=" + "x" * 100, body)[0] == 400


@pytest.mark.parametrize(
    "path", ["/delete/..", "/delete/%2e%2e", "/delete/..%2fsecret", "/delete/first%00", "/delete/."]
)
def test_delete_stays_inside(unharmed, path):
    reply = unharmed.raw(f"DELETE {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode(), ends=False)
    assert reply[9:12] in (b"301", b"400", b"404")


def test_delete_by_form_stays_inside(unharmed):
    for name in ("..", ".", "../secret", "/", "first/..", "", "first\0", "x" * 1000):
        kind, body = form([("model", name)])
        assert unharmed.ask("DELETE", "/delete", body, {"Content-Type": kind})[0] in (400, 404)


# ---- pictures ----


def png(width, height, data):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def test_pictures(unharmed):
    def status(picture):
        kind, body = form([("image", ("x.png", picture)), ("model", "first")])
        return unharmed.ask("POST", "/image", body, {"Content-Type": kind})[0]

    assert status(png(60000, 60000, b"")) == 413
    assert status(png(0x7FFFFFFF, 0x7FFFFFFF, b"")) in (400, 413)
    assert status(b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01") in (400, 413)
    assert status(b"") == status(b"text") == status(png(2, 2, b"")[:30]) == 400
    assert status(png(2, 2, bytes(6))) in (400, 422)  # a picture, but "first" takes none


# ---- connections ----


def test_idle_connections(tmp_path):
    import resource

    wanted = min(2500, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 200)
    if wanted < 500:
        pytest.skip("too few descriptors are allowed")
    echo_model(tmp_path / "models", "m")
    with Server(tmp_path / "models") as server:
        before = server.descriptors()
        sockets = [server.connect() for _ in range(wanted)]
        try:
            wait_for(lambda: server.descriptors() >= before + wanted)
            assert server.score("m", [1]) == (200, [1])
            sockets[0].sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert sockets[0].recv(100).startswith(b"HTTP/1.1 200 ")
        finally:
            for sock in sockets:
                sock.close()
        wait_for(lambda: server.descriptors() <= before + 2)


def scores(server):
    """Others are served as ever. Who is slow because the machine is may be told so, and asks again."""
    try:
        status, values = server.score("m", [1])
    except OSError:
        return False
    assert (status, values) == (200, [1]) or status == 408
    return status == 200


def test_slow_loris(tmp_path):
    echo_model(tmp_path / "models", "m")
    with Server(tmp_path / "models", "--head-timeout-ms", "400", "--body-timeout-ms", "400") as server:
        slow = []
        for _ in range(50):
            slow.append(server.connect())
            slow[-1].sendall(b"POST /json HTTP/1.1\r\nHost: x\r\n")
        slow.append(server.connect())
        slow[-1].sendall(b"POST /json HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        end = time.monotonic() + 60
        open_ones = list(slow)
        while open_ones and time.monotonic() < end:
            wait_for(lambda: scores(server))
            for sock in list(open_ones):
                try:
                    sock.sendall(b"X")  # a byte now and then does not help
                    sock.setblocking(False)
                    if sock.recv(1000) == b"":
                        open_ones.remove(sock)
                except BlockingIOError:
                    pass
                except OSError:
                    open_ones.remove(sock)
                finally:
                    if sock.fileno() >= 0:
                        sock.setblocking(True)
            time.sleep(0.05)
        assert not open_ones
        for sock in slow:
            sock.close()


def test_clients_that_vanish(tmp_path):
    echo_model(tmp_path / "models", "slow", backend="slow", delay_us=20000)
    with Server(tmp_path / "models") as server:
        before = server.descriptors()
        assert server.score("slow", [1]) == (200, [1])
        body = json.dumps({"model": "slow", "values": [1]}).encode()
        head = f"POST /json HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        for i in range(200):
            sock = server.connect()
            sock.sendall((head + body)[: 5 + i * 7 % (len(head + body) - 4)])
            if i % 2:  # a reset instead of an end
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
        kind, form_body = model_form("m", echo_files("m"))
        sock = server.connect()
        sock.sendall(
            f"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\n".encode()
            + f"Content-Length: {len(form_body)}\r\n\r\n".encode()
            + form_body
        )
        sock.close()  # the whole upload was sent: it may be stored, whole
        wait_for(lambda: server.descriptors() <= before)
        assert server.score("slow", [2]) == (200, [2])
        wait_for(lambda: not [name for name in server.stored() if name.startswith(".")])
        assert set(server.stored()) <= {"slow", "m"}


def test_descriptors_run_out(tmp_path):
    echo_model(tmp_path / "models", "m")
    with Server(tmp_path / "models", files=120) as server:
        assert server.score("m", [1]) == (200, [1])
        sockets = []
        try:
            for _ in range(300):
                sockets.append(server.connect())
            time.sleep(0.3)
            kept = sockets[0]
            kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            kept.recv(100)  # answered or closed as the oldest idle one: either way nothing hangs
        finally:
            for sock in sockets:
                sock.close()
        wait_for(lambda: server.descriptors() < 60)
        assert server.score("m", [3]) == (200, [3])
        assert server.upload(*model_form("n", echo_files("n")))[0] == 200


# ---- the folder ----


def test_folder_is_full(tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "none", folder], capture_output=True).returncode:
        pytest.skip("mounting a small tmpfs is not allowed here")
    try:
        echo_model(folder, "m")
        with Server(folder) as server:
            files = {**{f"m/{k}": v for k, v in echo_files("big").items()}, "m/weights": os.urandom(700 << 10)}
            status, text = server.upload("application/x-tar", archive(files))
            assert status in (500, 507) and json.loads(text)["error"], text
            assert server.stored() == ["m"]
            assert server.score("m", [1]) == (200, [1])
            assert server.upload(*model_form("n", echo_files("n")))[0] == 200
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_folder_is_removed(tmp_path):
    folder = tmp_path / "models"
    echo_model(folder, "m")
    with Server(folder) as server:
        assert server.score("m", [1]) == (200, [1])
        shutil.rmtree(folder)
        status, _ = server.upload(*model_form("n", echo_files("n")))
        assert status in (200, 500, 503)
        assert server.ask("GET", "/download/m/params.json")[0] in (404, 500)
        assert server.ask("GET", "/models")[0] in (200, 404, 500)
        assert server.ask("GET", "/healthz")[0] == 200
        folder.mkdir(exist_ok=True)
        assert server.upload(*model_form("k", echo_files("k")))[0] == 200
        assert server.score("k", [4]) == (200, [4])


# ---- models ----


def test_models_that_crash_or_hang(tmp_path):
    folder = tmp_path / "models"
    echo_model(folder, "good")
    echo_model(folder, "crash", backend="slow", crash="open")
    echo_model(folder, "hang", backend="slow", hang="open")
    echo_model(folder, "fail", backend="slow", fail="run")
    with Server(folder) as server:  # what is good is tried with patience, and not again
        assert server.score("good", [1]) == (200, [1])
        assert server.score("fail", [1])[0] in (422, 500)
    with Server(folder, "--check-ms", "1500") as server:
        for name in ("crash", "hang"):
            status, reply = server.score(name, [1])
            assert status in (422, 500, 503, 504) and name in reply["error"], reply
            assert server.score("good", [1]) == (200, [1])
        assert server.score("fail", [1])[0] in (422, 500)
        for option in ("crash", "hang"):
            status, text = server.upload(*model_form("new", echo_files("new", backend="slow", **{option: "open"})))
            assert status == 422, text
        assert server.stored() == ["crash", "fail", "good", "hang"]
        assert server.score("good", [2]) == (200, [2])


def test_two_uploads_of_one_name(tmp_path):
    folder = tmp_path / "models"
    echo_model(folder, "m", 1)
    with Server(folder) as server:
        bodies = {width: archive(echo_files("m", width), "m/") for width in (1, 2, 3, 4)}
        results = []

        def upload(width):
            for _ in range(3):
                results.append(server.upload("application/x-tar", bodies[width])[0])

        threads = [threading.Thread(target=upload, args=(width,)) for width in bodies]
        for thread in threads:
            thread.start()
        seen = set()
        while any(thread.is_alive() for thread in threads):
            for width in bodies:  # a model is there all the time, and always a whole one
                status, scores = server.score("m", [7] * width)
                assert (status, scores) == (200, [7] * width) or status in (400, 422), (status, scores)
                seen.add(status)
        for thread in threads:
            thread.join()
        assert set(results) <= {200, 409} and 200 in results and 200 in seen
        assert server.stored() == ["m"]
        width = int(json.loads((folder / "m/echo.json").read_text())["inputs"])
        assert server.score("m", [5] * width) == (200, [5] * width)


@pytest.mark.slow
def test_killed_during_uploads(tmp_path):
    folder = tmp_path / "models"
    for round_ in range(4):
        server = Server(folder).start() if folder.exists() else None
        if server is None:
            echo_model(folder, "old", 2)
            server = Server(folder).start()
        assert server.score("old", [1, 2]) == (200, [1, 2])
        ballast = os.urandom(3 << 20)

        def upload(server=server, ballast=ballast):
            for i in range(100):
                files = {**echo_files("old", 2), "ballast": ballast[i:]}
                try:
                    server.upload("application/x-tar", archive(files, "old/"))
                except OSError:
                    return

        thread = threading.Thread(target=upload)
        thread.start()
        time.sleep(0.15 + 0.09 * round_)
        server.stop(signal.SIGKILL)
        thread.join()
        assert "old" in os.listdir(folder)
    with Server(folder) as server:
        assert server.score("old", [1, 2]) == (200, [1, 2])
        assert server.stored() == ["old"]  # what was left half done is cleaned up
        for name, data in echo_files("old", 2).items():
            assert (folder / "old" / name).read_bytes() == data


# ---- the end ----


def test_end_under_load(tmp_path):
    """Every request that was sent before the signal is answered; none is cut."""
    echo_model(tmp_path / "models", "m", backend="slow", delay_us=20000)
    server = Server(tmp_path / "models").start()
    assert server.score("m", [1]) == (200, [1])
    body = json.dumps({"model": "m", "values": [3]}).encode()
    ask = f"POST /json HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    sockets = [server.connect() for _ in range(50)]
    for sock in sockets:
        sock.sendall(ask)
    server.process.send_signal(signal.SIGTERM)
    replies = [read_all(sock) for sock in sockets]
    assert server.process.wait(120) == 0
    server.process.stdout.close()
    server.log.close()
    for reply in replies:
        assert reply.startswith(b"HTTP/1.1 200 ") and reply.endswith(b"[3]\n"), reply
