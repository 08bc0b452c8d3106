"""`mlaas serve` as its users start it: raw events become the inputs that training saw, to the last bit; scores equal
`mlaas predict`; models give their reference scores; signals, service managers, configuration, metrics."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import mlaas
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("MLAAS_BUILD", ROOT / "build"))
COMMAND = BUILD / "src/cli/mlaas"
SHARED = ROOT.parent / "shared" / "data" / "models"
MODELS = SHARED if SHARED.is_dir() else ROOT / "tests" / "data" / "models"
ENVIRONMENT = {**os.environ, "MLAAS_BACKENDS": str(BUILD / "backends")}
PARAMS = {"identifier": ["run", "event"], "exclude_branches": ["genw", "njet"], "batch_size": 200}

if not COMMAND.exists():
    pytest.skip("the command is not built", allow_module_level=True)


class Server:
    """A running command; `url` is what its first line says."""

    def __init__(self, *arguments, **more):
        self.process = subprocess.Popen(
            [str(COMMAND), "serve", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            **{"env": ENVIRONMENT, **more},
        )
        self.line = self.process.stdout.readline()
        found = re.search(r"(https?://[0-9.]+:\d+\S*)", self.line)
        self.url = found and found[1]

    def ask(self, path, body=None, headers=None):
        """(status, headers, body)"""
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        request = urllib.request.Request(self.url + path, data, headers or {})
        try:
            with urllib.request.urlopen(request, timeout=120) as reply:
                return reply.status, reply.headers, reply.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def json(self, body, path="/json"):
        status, headers, reply = self.ask(path, body)
        assert status == 200, reply
        return json.loads(reply), headers

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(120)
        self.process.stdout.close()
        return code


@contextlib.contextmanager
def serving(*arguments, **more):
    server = Server("--port", 0, *arguments, **more)
    try:
        assert server.url, server.line
        yield server
        assert server.process.poll() is None, "the server died"
    finally:
        if server.process.poll() is None:
            assert server.stop() == 0


def echo_folder(folder, width=4):
    folder.mkdir(parents=True)
    (folder / "echo.json").write_text(json.dumps({"inputs": width, "outputs": width}))
    return folder


# ---- raw events


@pytest.fixture(scope="module")
def trained(sample, tmp_path_factory):
    """A bundle of trees, and beside it one with the same recipe whose model gives back its inputs."""
    xgboost = pytest.importorskip("xgboost")
    models = tmp_path_factory.mktemp("models")
    trees = xgboost.XGBClassifier(n_estimators=20, max_depth=3, learning_rate=0.3, n_jobs=1)
    bundle = mlaas.train(*sample, lambda: trees, PARAMS, out=models / "trees", progress=False)
    width = len(bundle.recipe.features())
    inputs = echo_folder(models / "inputs", width)
    shutil.copy(models / "trees" / "recipe.json", inputs)
    about = {
        "format": "mlaas-model",
        "version": 1,
        "name": "inputs",
        "back_end": "echo",
        "file": "echo.json",
        "inputs": [{"name": "x", "recipe_input": "x", "mask": "none"}],
        "outputs": [{"name": "y"}],
        "training": {},
    }
    (inputs / "model.json").write_text(json.dumps(about))
    return bundle, models


def events_of(path, count):
    """The first events of a sample as JSON has them: float32 and lists in their shortest decimal form."""
    uproot = pytest.importorskip("uproot")
    with uproot.open(path) as file:
        arrays = file["events"].arrays(["a", "b", "c", "jet_pt", "jet_eta"], entry_stop=count)
    events = []
    for i in range(count):
        event = {name: float(str(arrays[name][i])) for name in ("a", "b", "c")}
        event.update({name: [float(str(np.float32(v))) for v in arrays[name][i]] for name in ("jet_pt", "jet_eta")})
        events.append(event)
    return events


def bits(x):
    return np.asarray(x, dtype=np.float32).view(np.uint32)


@pytest.mark.slow
def test_raw_events_are_what_training_saw(trained, sample):
    bundle, models = trained
    path = sample[0][0]
    events = events_of(path, 300)
    expected, mask = bundle.recipe.fill(mlaas.open(path)["events"], 0, 300)["x"]
    scores = bundle.predict(path)[:300]
    names = bundle.recipe.features()
    with serving("--models", models) as server:
        answer, headers = server.json({"model": "inputs", "events": events})
        assert headers["X-Mlaas-Input"] == "raw"
        assert np.array_equal(bits(answer["outputs"]["y"]), bits(expected))
        keys = sorted(events[0])[::-1]
        row, headers = server.json({"model": "inputs", "keys": keys, "values": [events[0][key] for key in keys]})
        assert np.array_equal(bits(row), bits(expected[0]))
        slots = {key: value for key, value in events[1].items() if not isinstance(value, list)}
        for key in ("jet_pt", "jet_eta"):
            slots.update({f"{key}_{i}": value for i, value in enumerate(events[1][key]) if f"{key}_{i}" in names})
        row, _ = server.json({"model": "inputs", "keys": list(slots), "values": list(slots.values())})
        assert np.array_equal(bits(row), bits(expected[1]))
        row, headers = server.json({"model": "inputs", "values": [float(v) for v in expected[2]]})
        assert headers["X-Mlaas-Input"] == "normalised"
        assert np.array_equal(bits(row), bits(expected[2]))
        answer, _ = server.json({"model": "trees", "events": events})
        served = np.array(list(answer["outputs"].values())[0], dtype=np.float32).reshape(300, -1)
        assert np.array_equal(bits(served[:, -1]), bits(scores.reshape(300, -1)[:, -1]))
        one, _ = server.json({"model": "trees", "keys": keys, "values": [events[7][key] for key in keys]})
        assert bits(one[-1]) == bits(scores[7])
    assert mask.any(), "the sample has padding"


@pytest.mark.slow
def test_units_and_strictness(trained, sample):
    _, models = trained
    event = events_of(sample[0][0], 1)[0]
    mev = {**event, "a": event["a"] * 1000 + 5000}
    with serving("--models", models, "--refuse-out-of-range", "--strict-features") as server:
        assert server.ask("/json", {"model": "trees", "events": [event]})[0] == 200
        status, _, body = server.ask("/json", {"model": "trees", "events": [mev]})
        assert status == 422 and b"outside the range" in body
        status, _, body = server.ask("/json", {"model": "trees", "events": [{"a": 1}]})
        assert status == 400 and b"is missing" in body
    with serving("--models", models) as server:
        assert server.ask("/json", {"model": "trees", "events": [mev]})[0] == 200
        assert 'feature="a"} 1' in server.ask("/metrics")[2].decode()
        status, _, body = server.ask("/json", {"model": "trees", "events": [{"jetpt": [1]}]})
        assert status == 400 and b"jet_pt" in body


# ---- models that others made


@pytest.fixture(scope="module")
def others():
    with serving("--models", MODELS, "--no-check") as server:
        yield server


@pytest.mark.slow
@pytest.mark.parametrize("name", ["class3", "class3_tf1", "class3_onnx", "mlp42_onnx", "xgb27", "tiny27"])
def test_models_give_their_reference_scores(name, others):
    if not (MODELS / name / "reference.json").exists():
        pytest.skip(f"needs {name} of ../shared/data/models")
    reference = json.loads((MODELS / name / "reference.json").read_text())
    rows = next(iter(reference["inputs"].values()))
    wanted = np.array(next(iter(reference["outputs"].values())))
    events = [[None if value == "NaN" else value for value in row] for row in rows]
    status, _, body = others.ask("/json", {"model": name, "events": events})
    if status == 404 and b"library" in body:
        pytest.skip(json.loads(body)["error"])
    assert status == 200, body
    got = np.array(next(iter(json.loads(body)["outputs"].values())))
    assert np.allclose(got.reshape(wanted.shape), wanted, atol=2e-6)
    first, _ = others.json({"model": name, "values": events[0]})
    assert np.allclose(np.ravel(first), np.ravel(wanted[0]), atol=2e-6)
    packed = struct.pack(f"<{len(rows[0])}f", *rows[0])
    size = len(packed)
    head = b"\x12" + (bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7]))
    body = head + packed + b"\x1a" + bytes([len(name)]) + name.encode()
    status, headers, reply = others.ask("/proto", body)
    assert status == 200 and headers["Content-Type"] == "application/octet-stream"
    scores = [struct.unpack("<f", part)[0] for part in re.findall(b"\n\x05\x15(.{4})", reply, re.DOTALL)]
    assert np.allclose(scores, np.ravel(wanted[0]), atol=2e-6)


# ---- the command


def test_it_says_where_and_ends_when_told(tmp_path):
    echo_folder(tmp_path / "models" / "e")
    with serving("--models", tmp_path / "models") as server:
        assert re.fullmatch(
            rf"serving 1 model of {tmp_path}/models at http://127\.0\.0\.1:\d+ "
            r"\(only this machine; --host 0\.0\.0\.0 for others\)\n",
            server.line,
        )
        assert server.json({"model": "e", "values": [1, 2, 3, 4.5]})[0] == [1, 2, 3, 4.5]


def test_wrong_settings_are_one_line(tmp_path):
    def run(*arguments):
        done = subprocess.run([COMMAND, "serve", *map(str, arguments)], capture_output=True, text=True, timeout=120)
        assert done.stderr.count("\n") <= 1
        return done.returncode, done.stdout + done.stderr

    assert run()[0] == 2
    assert run("-version") == (0, f"mlaas {mlaas.__version__}\n")
    code, text = run("--models", tmp_path / "nothing")
    assert code == 3 and "nothing" in text
    code, text = run("--models", tmp_path, "--rate", "5")
    assert code == 2 and "N-S" in text
    config = tmp_path / "config.json"
    config.write_text('{"modelDirs": "models"}')
    code, text = run("-config", config)
    assert code == 2 and "modelDir" in text and str(config) in text
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, text = run("--models", tmp_path, "--port", port)
        assert code == 4 and str(port) in text


def test_hup_reads_limits_and_models_again(tmp_path):
    models = tmp_path / "models"
    echo_folder(models / "e")
    config = tmp_path / "config.json"

    def write(rate):
        config.write_text(json.dumps({"modelDir": str(models), "port": 0, "rate": rate}))

    write("1-D")
    with serving("-config", config) as server:
        body = {"model": "e", "values": [1, 2, 3, 4]}
        assert [server.ask("/json", body)[0] for _ in range(2)] == [200, 429]
        write("1000-D")
        echo_folder(models / "later")
        server.process.send_signal(signal.SIGHUP)
        for _ in range(500):  # as few as the new limit allows
            time.sleep(0.1)
            if server.ask("/json", {**body, "model": "later"})[0] == 200:
                break
        assert server.ask("/json", body)[0] == 200


def test_a_service_manager_hands_over_sockets_and_is_told(tmp_path):
    echo_folder(tmp_path / "models" / "e")
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(str(tmp_path / "notify"))
    notify.settimeout(120)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        environment = {**ENVIRONMENT, "NOTIFY_SOCKET": str(tmp_path / "notify"), "LISTEN_FDS": "1"}
        script = f'exec 3<&{listener.fileno()}; LISTEN_PID=$$ exec "$0" "$@"'
        process = subprocess.Popen(
            ["bash", "-c", script, str(COMMAND), "serve", "--models", str(tmp_path / "models")],
            env=environment,
            pass_fds=[listener.fileno()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    try:
        assert notify.recv(100) == b"READY=1"
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=120) as reply:
            assert reply.status == 200
    finally:
        process.terminate()
        assert process.wait(120) == 0
    assert notify.recv(100) == b"STOPPING=1"
    notify.close()


def test_a_log_file_is_dated_as_tfaas_does(tmp_path):
    echo_folder(tmp_path / "models" / "e")
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"modelDir": "models", "port": 0, "logFile": "log", "monitRecord": True}))
    with serving("-config", config, cwd=tmp_path) as server:
        server.ask("/json?a=1", {"model": "e", "values": [1, 2, 3, 4]}, {"User-Agent": "tfaas-client"})
    (log,) = tmp_path.glob("log-*")
    assert re.fullmatch(r"log-.+-\d{8}", log.name)
    record = json.loads(log.read_text().splitlines()[-1])
    assert record["producer"] == "cmsweb" and record["data"]["status"] == 200
    assert record["data"]["uri"] == "/json?a=1" and record["data"]["user_agent"] == "tfaas-client"


def test_metrics_are_what_prometheus_wants(tmp_path):
    promtool = shutil.which("promtool")
    echo_folder(tmp_path / "models" / "e")
    with serving("--models", tmp_path / "models") as server:
        for _ in range(5):
            server.json({"model": "e", "values": [1, 2, 3, 4]})
        text = server.ask("/metrics")[2]
    if not promtool:
        pytest.skip("promtool is not installed")
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True)
    assert done.returncode == 0, done.stderr + done.stdout
    assert not done.stdout + done.stderr
