"""Sockets of a FaultProxy, and the line of bytes that are under way for half a round trip."""

from __future__ import annotations

import asyncio
import collections
import fcntl
import os
import socket
import struct

CHUNK = 1 << 20
MOST_ON_LINE = 256 << 20
FLAGS = getattr(os, "SPLICE_F_MOVE", 1) | getattr(os, "SPLICE_F_NONBLOCK", 2)
F_SETPIPE_SZ = 1031


def reset_socket(sock):
    "Closes with RST: what the other side has not read is lost."
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Stream:
    "A non-blocking socket on a loop; at most one reader and one writer wait."

    def __init__(self, loop, sock):
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.loop, self.sock, self.fd = loop, sock, sock.fileno()

    async def wait(self, add, remove):
        ready = self.loop.create_future()
        add(self.fd, lambda: ready.done() or ready.set_result(None))
        try:
            await ready
        finally:
            if self.sock.fileno() >= 0:
                remove(self.fd)

    async def readable(self):
        await self.wait(self.loop.add_reader, self.loop.remove_reader)

    async def writable(self):
        await self.wait(self.loop.add_writer, self.loop.remove_writer)

    async def receive(self, most=CHUNK):
        while True:
            try:
                return self.sock.recv(most)
            except BlockingIOError:
                await self.readable()

    async def receive_into(self, view):
        while True:
            try:
                return self.sock.recv_into(view)
            except BlockingIOError:
                await self.readable()

    async def send(self, data):
        view = memoryview(data)
        while view:
            try:
                view = view[self.sock.send(view) :]
            except BlockingIOError:
                await self.writable()

    def close(self, reset=False):
        if self.sock.fileno() < 0:
            return
        self.loop.remove_reader(self.fd)
        self.loop.remove_writer(self.fd)
        if reset:
            reset_socket(self.sock)
        else:
            self.sock.close()


class Buffers:
    "Large buffers that are used again: fresh memory for every chunk would halve the throughput of a line."

    SMALL = 1 << 16

    def __init__(self):
        self.free = []

    async def receive(self, stream, most):
        "(bytes or a view of a buffer, the buffer to give back or None)"
        buffer = self.free.pop() if self.free else bytearray(CHUNK)
        size = await stream.receive_into(memoryview(buffer)[:most])
        if size > self.SMALL:
            return memoryview(buffer)[:size], buffer
        data = bytes(buffer[:size])
        self.free.append(buffer)
        return data, None


class Line:
    "What is under way in one direction: (when it arrives, bytes or what to do then, the buffer they lie in)."

    def __init__(self, loop, stream, first, buffers):
        self.loop, self.stream, self.first, self.buffers = loop, stream, first, buffers
        self.queue, self.held = collections.deque(), 0
        self.more, self.room = asyncio.Event(), asyncio.Event()
        self.task = None

    def is_used(self):
        return self.task is not None

    async def put(self, item, delay, buffer=None):
        while self.held > MOST_ON_LINE:
            self.room.clear()
            await self.room.wait()
        self.held += 0 if callable(item) else len(item)
        self.queue.append((max(self.loop.time(), self.first) + delay, item, buffer))
        self.more.set()
        self.task = self.task or self.loop.create_task(self.run())

    async def run(self):
        try:
            while True:
                while not self.queue:
                    self.more.clear()
                    await self.more.wait()
                due, item, buffer = self.queue[0]
                # The loop's timers have steps of a millisecond and round up: be right on the average.
                if (late := due - 0.0005 - self.loop.time()) > 0:
                    await asyncio.sleep(late)
                self.queue.popleft()
                if callable(item):
                    item()
                    continue
                await self.stream.send(item)
                self.held -= len(item)
                self.room.set()
                if buffer is not None:
                    self.buffers.free.append(buffer)
        except OSError:
            pass  # the pump that reads from this side will see it


class Pipe:
    "Moves bytes between two streams without copying them."

    def __init__(self):
        self.out, self.into = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.fcntl(self.into, F_SETPIPE_SZ, CHUNK)
        except OSError:
            pass  # smaller is slower, not wrong

    async def move(self, source, target, most):
        "How many bytes were moved; 0: the source has ended."
        while True:
            try:
                moved = os.splice(source.fd, self.into, most, flags=FLAGS)
                break
            except BlockingIOError:
                await source.readable()
        left = moved
        while left:
            try:
                left -= os.splice(self.out, target.fd, left, flags=FLAGS)
            except BlockingIOError:
                await target.writable()
        return moved

    def close(self):
        os.close(self.out)
        os.close(self.into)
