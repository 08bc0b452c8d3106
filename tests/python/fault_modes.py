"""What a FaultProxy does wrong. A mode strikes `times` times (None: always) after it has let `skip` pass, and counts in
`struck` how often it did, so that a test knows that its fault happened.

Modes of bytes fit every protocol and strike connections; modes of HTTP strike replies, modes of XRootD requests."""

from __future__ import annotations

import re


class Mode:
    def __init__(self, times=1, skip=0):
        self.times, self.skip, self.struck = times, skip, 0

    def strikes(self):
        "Whether this is one to strike; counts it."
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.is_spent():
            return False
        self.struck += 1
        return True

    def is_spent(self):
        return self.times is not None and self.struck >= self.times

    def __repr__(self):
        return type(self).__name__


class Plain(Mode):
    "Everything passes."


# ---- bytes ----


class AfterBytes(Mode):
    "Something happens when `after` bytes have come from the server on one connection since the mode was set."

    def __init__(self, after=0, times=1, skip=0):
        super().__init__(times, skip)
        self.after = after


class Cut(AfterBytes):
    "The connection ends as if the server had closed it."


class Reset(AfterBytes):
    "The connection is reset."


class Stall(AfterBytes):
    "No byte comes any more, the connection stays."


class Drip(Mode):
    "Bytes come slowly, `rate` in a second, on every connection; with `first`: only the first ones of it."

    def __init__(self, rate=2000, first=None):
        super().__init__(None)
        self.rate, self.first = rate, first

    def slows(self, delivered):
        return self.first is None or delivered < self.first


class Refuse(Mode):
    "The server is gone for some seconds: all connections are reset and new ones refused."

    def __init__(self, seconds=1.0):
        super().__init__(None)
        self.seconds = seconds


# ---- HTTP ----


class Head:
    "A start line and headers that may be changed."

    def __init__(self, data):
        self.start, *lines = bytes(data).decode("latin-1").split("\r\n")
        self.fields = [line.split(":", 1) for line in lines if ":" in line]

    def get(self, name, default=""):
        found = [value.strip() for key, value in self.fields if key.lower() == name.lower()]
        return found[0] if found else default

    def remove(self, *names):
        wanted = [name.lower() for name in names]
        self.fields = [field for field in self.fields if field[0].lower() not in wanted]

    def set(self, name, value):
        self.remove(name)
        self.fields.append([name, f" {value}"])

    def __bytes__(self):
        lines = [self.start, *(":".join(field) for field in self.fields), "", ""]
        return "\r\n".join(lines).encode("latin-1")

    @property
    def method(self):
        return self.start.split(" ", 1)[0]

    @property
    def target(self):
        return self.start.split(" ")[1]

    @property
    def status(self):
        return int(self.start.split(" ")[1])

    @property
    def length(self):
        return int(self.get("content-length", "0"))


class HttpMode(Mode):
    """`request` may change what goes to the server; with `whole` the reply's body is there as bytes, and `reply`
    returns what to send instead (its length is set); else `reply` changes the head only, and returns None. `ends`:
    the connection ends after the reply."""

    methods = ("GET",)
    whole = False
    ends = False

    def wants(self, head):
        return head.method in self.methods and self.strikes()

    def request(self, head):
        pass

    def reply(self, request, head, body):
        return None


class Status(HttpMode):
    "Another status: 503 with or without Retry-After, 403, 500 ..."

    whole = True

    def __init__(self, status=503, times=1, skip=0, retry_after=None, methods=("GET",)):
        super().__init__(times, skip)
        self.status, self.retry_after, self.methods = status, retry_after, methods

    def reply(self, request, head, body):
        head.start = f"HTTP/1.1 {self.status} As The Test Wants"
        head.remove("content-range", "etag", "last-modified", "accept-ranges", "transfer-encoding", "content-type")
        if self.retry_after is not None:
            head.set("Retry-After", self.retry_after)
        return b"" if request.method == "HEAD" else b"no\n"


class S3Error(Status):
    "As S3 says that something is wrong: 503 SlowDown, 500 InternalError, 403 AccessDenied ..."

    def __init__(self, status=503, code="SlowDown", **more):
        super().__init__(status, **{"methods": ("GET", "HEAD"), **more})
        self.code = code

    def reply(self, request, head, body):
        said = super().reply(request, head, body)
        head.set("Content-Type", "application/xml")
        words = f"<Error><Code>{self.code}</Code><Message>as the test wants</Message></Error>"
        return said and b'<?xml version="1.0" encoding="UTF-8"?>\n' + words.encode()


class Redirect(HttpMode):
    "To the same path below another base."

    whole = True

    def __init__(self, base, times=None, skip=0, status=307, methods=("GET", "HEAD")):
        super().__init__(times, skip)
        self.base, self.status, self.methods = base.rstrip("/"), status, methods

    def reply(self, request, head, body):
        head.start = f"HTTP/1.1 {self.status} Elsewhere"
        head.remove("content-range", "etag", "last-modified", "accept-ranges", "transfer-encoding")
        head.set("Location", self.base + request.target)
        return b""


class WrongLength(HttpMode):
    "Content-Length says `by` bytes more (or less) than come, then the connection ends."

    ends = True

    def __init__(self, by=100, times=1, skip=0):
        super().__init__(times, skip)
        self.by = by

    def reply(self, request, head, body):
        head.set("Content-Length", max(0, head.length + self.by))


class ChangedTag(HttpMode):
    "The file is another one from now on: another ETag and time."

    methods = ("GET", "HEAD")

    def __init__(self, times=None, skip=0):
        super().__init__(times, skip)

    def request(self, head):
        head.remove("if-match", "if-range", "if-unmodified-since")

    def reply(self, request, head, body):
        if head.get("etag"):
            head.set("ETag", '"changed-while-open"')
        if head.get("last-modified"):
            head.set("Last-Modified", "Fri, 01 Jan 2027 00:00:00 GMT")


class Whole(HttpMode):
    "The server forgets that ranges exist: 200 and the whole file."

    def request(self, head):
        head.remove("range", "if-range")


class WrongRange(HttpMode):
    "Content-Range says that other bytes come than were asked for; in parts the first one's does."

    whole = True

    def __init__(self, by=1, times=1, skip=0):
        super().__init__(times, skip)
        self.by = by

    def shift(self, found):
        return f"bytes {int(found[1]) + self.by}-{int(found[2]) + self.by}/"

    def reply(self, request, head, body):
        one = head.get("content-range")
        if one:
            head.set("Content-Range", re.sub(r"bytes (\d+)-(\d+)/", self.shift, one))
            return body
        return re.sub(rb"bytes (\d+)-(\d+)/", lambda found: self.shift(found).encode(), body, count=1)


class TruncatedParts(HttpMode):
    "A good reply whose body lacks its end: half of the parts, no last boundary."

    whole = True

    def reply(self, request, head, body):
        return body[: len(body) // 2]


# ---- XRootD ----


class XrdMode(Mode):
    "The proxy answers requests of these names itself; `answer` gives status and body."

    requests = ("read", "readv", "pgread")

    def __init__(self, times=1, skip=0, requests=None):
        super().__init__(times, skip)
        self.requests = requests or self.requests

    def wants(self, name):
        return name in self.requests and self.strikes()

    def answer(self):
        raise NotImplementedError


class XrdError(XrdMode):
    "An error: 3007 I/O, 3010 not authorized, 3011 not found, 3012 server error, 3024 overloaded ..."

    def __init__(self, code=3007, words="as the test wants", **more):
        super().__init__(**more)
        self.code, self.words = code, words

    def answer(self):
        return 4003, self.code.to_bytes(4, "big") + self.words.encode() + b"\0"


class XrdWait(XrdMode):
    "Come back in some seconds."

    def __init__(self, seconds=1, **more):
        super().__init__(**more)
        self.seconds = seconds

    def answer(self):
        return 4005, self.seconds.to_bytes(4, "big") + b"busy\0"


class XrdRedirect(XrdMode):
    "To another server."

    requests = ("open", "stat", "locate")

    def __init__(self, host, port, times=None, **more):
        super().__init__(times=times, **more)
        self.host, self.port = host, port

    def answer(self):
        return 4004, self.port.to_bytes(4, "big") + self.host.encode()
