"""One connection through a FaultProxy: understands as much of HTTP and XRootD as counting and damaging them needs."""

from __future__ import annotations

import asyncio
import collections
import struct

from fault_modes import AfterBytes, Drip, Head, HttpMode, Reset, Stall, XrdMode
from fault_streams import CHUNK, Line, Pipe, Stream

MOST_HEAD = 1 << 20
XRD_NAMES = (
    "auth query chmod close dirlist gpfile protocol login mkdir mv open ping chkpoint read rm rmdir sync stat set write"
    " fattr prepare statx endsess bind readv pgwrite locate truncate sigver pgread writev"
).split()


def is_client_hello(data):
    "A record of TLS; in XRootD's words the code of the request would begin with 1 or 3, which none does."
    return data[0] == 0x16 and data[1] == 3 and data[2] in (1, 3)


class Over(Exception):  # noqa: N818
    "This connection has ended."


class Connection:
    "A client's connection and ours to the server."

    def __init__(self, proxy, client, server):
        self.proxy, self.loop = proxy, proxy.loop
        self.client, self.server = Stream(self.loop, client), Stream(self.loop, server)
        first = self.loop.time() + proxy.rtt / 1000
        self.up, self.down = (
            Line(self.loop, self.server, first, proxy.buffers),
            Line(self.loop, self.client, 0, proxy.buffers),
        )
        self.kind = self.loop.create_future()  # "http", "xrootd", "raw"
        self.exchanges = collections.deque()  # HTTP: (request, mode or None) whose reply is to come
        self.injected = collections.deque()  # XRootD: answers of our own, sent between two of the server's
        self.between = True  # XRootD: nothing of the server's is half sent
        self.hidden = False  # XRootD: the client has begun to speak TLS
        self.mode, self.limit = None, None
        self.pipe = None
        self.tasks = []
        self.delivered = 0

    # ---- life ----

    async def run(self):
        self.tasks = [self.loop.create_task(self.pump(self.pump_up)), self.loop.create_task(self.pump_down())]
        try:
            await asyncio.gather(*self.tasks)
        except (Over, OSError, asyncio.CancelledError):
            pass
        finally:
            self.close()

    async def pump(self, what):
        "The client has left: nothing is owed to it."
        await what()
        raise Over

    def close(self, reset=False):
        for task in (*self.tasks, self.up.task, self.down.task):
            if task is not None:
                task.cancel()
        self.client.close(reset)
        self.server.close(reset)
        if self.pipe is not None:
            self.pipe.close()
            self.pipe = None
        self.proxy.open_connections.discard(self)

    # ---- from the client ----

    async def send_up(self, data):
        self.proxy.bytes_up += len(data)
        if self.proxy.rtt or self.up.is_used():
            await self.up.put(bytes(data), self.proxy.rtt / 2000)
        else:
            await self.server.send(data)

    async def pump_up(self):
        data = bytearray(await self.client.receive())
        if not data:
            return
        while len(data) < 4 and data[:1] != b"\x16":
            data += await self.client.receive()
        if data[:4] == b"\0\0\0\0":
            self.kind.set_result("xrootd")
            await self.up_xrootd(data)
        elif data[:4].isalpha() or data[:4] in (b"GET ", b"PUT "):
            self.kind.set_result("http")
            await self.up_http(data)
        else:
            self.kind.set_result("raw")
            await self.up_raw(data)

    async def up_raw(self, data):
        while data:
            await self.send_up(data)
            data = await self.client.receive()

    async def up_http(self, data):
        while True:
            while (end := data.find(b"\r\n\r\n")) < 0:
                more = await self.client.receive()
                if not more or len(data) > MOST_HEAD:
                    return
                data += more
            head = Head(data[:end])
            del data[: end + 4]
            self.proxy.count(head.method, (head.method, head.target, head.get("range")))
            mode = self.proxy.mode
            struck = mode if isinstance(mode, HttpMode) and mode.wants(head) else None
            if struck:
                struck.request(head)
            self.exchanges.append((head, struck))
            await self.send_up(bytes(head))
            rest = head.length
            while rest > 0:
                if not data:
                    data += await self.client.receive()
                    if not data:
                        return
                await self.send_up(data[:rest])
                taken = min(rest, len(data))
                del data[:taken]
                rest -= taken

    async def up_xrootd(self, data):
        async def need(size):
            while len(data) < size:
                more = await self.client.receive()
                if not more:
                    raise Over
                data.extend(more)

        await need(20)
        await self.send_up(data[:20])
        del data[:20]
        while True:
            await need(3)
            if is_client_hello(data):  # roots:// begins in clear
                self.hidden = True
                return await self.up_raw(data)
            await need(24)
            code, length = struct.unpack_from(">H", data, 2)[0], struct.unpack_from(">I", data, 20)[0]
            name = XRD_NAMES[code - 3000] if 3000 <= code < 3000 + len(XRD_NAMES) else str(code)
            self.proxy.count(name, (name, "", ""))
            mode = self.proxy.mode
            if isinstance(mode, XrdMode) and mode.wants(name):
                await need(24 + length)
                status, body = mode.answer()
                self.injected.append(bytes(data[:2]) + struct.pack(">HI", status, len(body)) + body)
                del data[: 24 + length]
                await self.inject()
                continue
            rest = 24 + length
            while rest > 0:
                if not data:
                    await need(1)
                await self.send_up(data[:rest])
                taken = min(rest, len(data))
                del data[:taken]
                rest -= taken

    async def inject(self):
        while self.between and self.injected:
            await self.emit(self.injected.popleft())

    # ---- to the client ----

    async def pump_down(self):
        kind = await self.kind
        try:
            if kind == "http":
                await self.down_http()
            elif kind == "xrootd":
                await self.down_xrootd()
            else:
                await self.move(None)
        except EOFError:
            pass
        await self.finish()

    async def finish(self, reset=False):
        "Ends after all that is under way has arrived."
        if self.down.is_used():
            await self.down.put(lambda: self.close(reset), self.proxy.rtt / 2000)
            await asyncio.Event().wait()
        if reset:
            self.close(True)
        raise Over

    def allowed(self):
        "How many bytes the mode lets pass before it wants to strike; None: no end."
        mode = self.proxy.mode
        if mode is not self.mode:  # a new one: counts from here
            self.mode = mode
            self.limit = self.delivered + mode.after if isinstance(mode, AfterBytes) else None
        if self.limit is not None and mode.is_spent():
            self.limit = None
        return None if self.limit is None else max(0, self.limit - self.delivered)

    async def emit(self, data):
        "Sends bytes to the client as far as the mode lets."
        while data:
            allowed = self.allowed()
            part = data if allowed is None else data[:allowed]
            if isinstance(self.mode, Drip) and self.mode.slows(self.delivered):
                part = part[: max(1, self.mode.rate // 20)]
                self.mode.struck += 1
                await asyncio.sleep(0.05)
            await self.deliver(part)
            if allowed is not None and len(part) == allowed:
                self.limit = None  # once in a connection
                if self.mode.strikes():
                    await self.strike()
            data = data[len(part) :]

    async def deliver(self, data):
        self.delivered += len(data)
        self.proxy.bytes_down += len(data)
        if self.proxy.rtt or self.down.is_used():
            await self.down.put(bytes(data), self.proxy.rtt / 2000)
        else:
            await self.client.send(data)

    async def strike(self):
        if isinstance(self.mode, Stall):
            await asyncio.Event().wait()
        await self.finish(isinstance(self.mode, Reset))

    async def move(self, rest):
        "Passes `rest` bytes (None: all) from server to client; without a copy where nothing is done to them."
        while rest is None or rest > 0:
            most = CHUNK if rest is None else min(rest, CHUNK)
            if self.allowed() is None and not (isinstance(self.mode, Drip) and self.mode.slows(self.delivered)):
                moved = await (self.delay(most) if self.proxy.rtt or self.down.is_used() else self.splice(most))
            else:
                data = await self.server.receive(most)
                if not data:
                    raise EOFError
                await self.emit(data)
                moved = len(data)
            rest = None if rest is None else rest - moved

    async def delay(self, most):
        data, buffer = await self.proxy.buffers.receive(self.server, most)
        if not data:
            raise EOFError
        self.delivered += len(data)
        self.proxy.bytes_down += len(data)
        await self.down.put(data, self.proxy.rtt / 2000, buffer)
        return len(data)

    async def splice(self, most):
        self.pipe = self.pipe or Pipe()
        moved = await self.pipe.move(self.server, self.client, most)
        if moved == 0:
            raise EOFError
        self.delivered += moved
        self.proxy.bytes_down += moved
        return moved

    async def down_http(self):
        data = bytearray()
        while True:
            while (end := data.find(b"\r\n\r\n")) < 0:
                more = await self.server.receive()
                if not more:
                    raise EOFError
                data += more
            head = Head(data[:end])
            del data[: end + 4]
            if 100 <= head.status < 200:
                await self.emit(bytes(head))
                continue
            request, mode = self.exchanges.popleft()
            await self.pass_reply(request, head, mode, data)

    async def pass_reply(self, request, head, mode, data):
        chunked = "chunked" in head.get("transfer-encoding").lower()
        empty = request.method == "HEAD" or head.status in (204, 304)
        length = 0 if empty else head.length if head.get("content-length") or chunked else None
        if mode and (mode.whole or chunked):
            body = await self.take_chunks(data) if chunked and not empty else await self.take(data, length)
            changed = mode.reply(request, head, body)
            body = body if changed is None else changed
            head.remove("transfer-encoding")
            if not empty or changed is not None:
                head.set("Content-Length", len(body))
            await self.emit(bytes(head) + (b"" if empty else body))
        else:
            if mode:
                mode.reply(request, head, None)
            await self.emit(bytes(head))
            if chunked and not empty:
                await self.take_chunks(data, self.emit)
            else:
                await self.pass_body(data, length)
        if mode and mode.ends:
            await self.finish()

    async def pass_body(self, data, length):
        first = bytes(data if length is None else data[:length])
        del data[: len(first)]
        if first:
            await self.emit(first)
        await self.move(None if length is None else length - len(first))

    async def fill(self, data, size):
        while len(data) < size:
            more = await self.server.receive()
            if not more:
                raise EOFError
            data += more

    async def take(self, data, length):
        "The body as bytes; without a length: until the server closes."
        if length is None:
            while more := await self.server.receive():
                data += more
            length = len(data)
        await self.fill(data, length)
        body = bytes(data[:length])
        del data[:length]
        return body

    async def take_chunks(self, data, emit=None):
        "A chunked body: its content, or with `emit` passed on as it is."
        body = b""
        size = None
        while size != 0:
            while (end := data.find(b"\r\n")) < 0:
                await self.fill(data, len(data) + 1)
            size = int(data[:end].split(b";")[0], 16)
            await self.fill(data, end + 2 + size + 2)
            if emit:
                await emit(bytes(data[: end + 2 + size + 2]))
            body += data[end + 2 : end + 2 + size]
            del data[: end + 2 + size + 2]
        return body

    async def down_xrootd(self):
        while True:
            self.between = True
            await self.inject()
            header = await self.server.receive(8)
            self.between = False
            while len(header) < 8:
                more = await self.server.receive(8 - len(header))
                if not more:
                    raise EOFError
                header += more
            status, length = struct.unpack(">2xHI", header)
            await self.emit(header)
            if self.hidden:
                return await self.move(None)
            if status == 4007:  # the answer's own head says how much comes after it
                body = bytearray()
                await self.fill_exactly(body, length)
                await self.emit(bytes(body))
                length = struct.unpack_from(">I", body, 12)[0]
            await self.move(length)

    async def fill_exactly(self, data, size):
        while len(data) < size:
            more = await self.server.receive(size - len(data))
            if not more:
                raise EOFError
            data += more
