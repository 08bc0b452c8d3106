"""Ctrl-C while a server does not answer: the call ends, as KeyboardInterrupt, long before its deadline."""

import os
import signal
import socket
import threading
import time

import mlaas
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


@pytest.mark.parametrize("call", [mlaas.open, lambda url: mlaas.chain([url]), lambda url: mlaas.specs([url])])
def test_a_silent_server_does_not_hold_the_keyboard(silent, call):
    timer, start = interrupt_soon(), time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        call(silent)
    timer.join()
    assert time.monotonic() - start < 8  # the request's own time is 15 s
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
