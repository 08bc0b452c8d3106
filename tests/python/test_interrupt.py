"""Ctrl-C while a server does not answer: the call ends, as KeyboardInterrupt, long before its deadline."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import mlaas
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest


@pytest.fixture
def silent():
    """A server that takes connections and says nothing."""
    listener = socket.create_server(("127.0.0.1", 0))
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/file.root"
    listener.close()


def interrupt_soon():
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    return timer


PATIENT = {"connect_timeout": 600, "timeout": 600, "deadline": 600}  # nothing but the keyboard ends it


@pytest.mark.parametrize(
    "call",
    [
        lambda url: mlaas.open(url, remote=PATIENT),
        lambda url: mlaas.chain([url], remote=PATIENT),
        lambda url: mlaas.specs([url], {"remote": PATIENT}),
    ],
)
def test_a_silent_server_does_not_hold_the_keyboard(silent, call):
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        timer = interrupt_soon()
        call(silent)
    timer.join()
    assert time.monotonic() - start < 60
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_that_does_not_raise_does_not_end_the_call(tmp_path):
    """What is read goes on; here it is a file at hand, which nothing interrupts."""
    seen = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append(1))
    try:
        os.kill(os.getpid(), signal.SIGINT)
        path = os.path.join(os.path.dirname(__file__), "../data/tntuple.root")
        with mlaas.open(path) as file:
            assert len(file[file.tables[0]].arrays(library="np")) > 0
        assert seen
    finally:
        signal.signal(signal.SIGINT, before)


# ---- commands ----

BUILD = os.path.abspath(os.environ.get("MLAAS_BUILD", "build"))


def start(folder, *words):
    env = {**os.environ, "MLAAS_PYTHON": sys.executable, "PYTHONPATH": os.path.join(BUILD, "python")}
    command = [os.path.join(BUILD, "src/cli/mlaas"), *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=env, stdout=pipe, stderr=pipe, text=True, cwd=folder, start_new_session=True)


def interrupted(process, condition):
    """As the shell sees it: its exit code and what it said, once it was told to stop when the condition holds."""
    deadline = time.monotonic() + 120
    while not condition() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.poll() is None, process.communicate()
    began = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert time.monotonic() - began < 60
    return process.returncode if process.returncode >= 0 else 128 - process.returncode, out, err


@pytest.mark.slow
@pytest.mark.parametrize("words", [["inspect"], ["inspect", "--verify"], ["specs", "--files"], ["convert"]])
@pytest.mark.parametrize("end", ["root", "parquet"])
def test_a_silent_server_does_not_hold_a_command(tmp_path, words, end):
    if "--verify" in words and end != "root":
        pytest.skip("for ROOT files only")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/file.{end}"
        listener.settimeout(120)
        patience = ["--connect-timeout", "600", "--timeout", "600", "--deadline", "600"]
        process = start(tmp_path, *words, url, *(["out.csv"] if words == ["convert"] else []), *patience)
        connection, _ = listener.accept()
        code, out, err = interrupted(process, lambda: True)
        connection.close()
    assert code == 130 and out == "" and "Traceback" not in err
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["x.parquet", "x.csv"])
def test_a_slow_conversion_that_is_stopped_leaves_nothing(tmp_path, nginx, name):
    """In the middle of the file: pyarrow reads the text in a thread of its own."""
    columns = {f"x{i}": np.random.default_rng(i).normal(size=100_000) for i in range(4)}
    out = tmp_path / "out"
    out.mkdir()
    if name == "x.csv":
        pa.csv.write_csv(pa.table(columns), tmp_path / name)
    else:
        pq.write_table(pa.table(columns), tmp_path / name, row_group_size=10_000)
    requests = len(nginx.requests())
    process = start(out, "convert", nginx.http("slow/" + nginx.add(tmp_path / name)), "y.arrow")
    time.sleep(1)  # into the reading of what takes 15 s
    code, _, err = interrupted(process, lambda: len(nginx.requests()) > requests)
    assert code == 130 and "nothing was written" in err and "Traceback" not in err
    assert os.listdir(out) == []


@pytest.mark.slow
def test_what_does_not_come_back_is_ended_all_the_same(tmp_path):
    """A library of others that holds Python for good: a thread of ours ends the command, and removes what it wrote."""
    program = (
        "import ctypes, json, sys\n"
        "from mlaas import _core, run\n"
        "def stuck(options):\n"
        "    open('half', 'w').close(); _core.guard_file('half')\n"
        "    print('stuck', flush=True)\n"
        "    lock, mutex = ctypes.PyDLL(None).pthread_mutex_lock, (ctypes.c_char * 64)()\n"
        "    lock(mutex); lock(mutex)\n"
        "run.COMMANDS['convert'] = stuck\n"
        "sys.exit(run.main(['convert', '{}']))\n"
    )
    env = {**os.environ, "PYTHONPATH": os.path.join(BUILD, "python")}
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        start_new_session=True,
    )
    assert process.stdout.readline() == "stuck\n", process.communicate()
    time.sleep(1)  # now it is
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 143 and err == "\nmlaas convert: terminated; nothing was written\n"
    assert os.listdir(tmp_path) == []
