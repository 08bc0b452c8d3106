"""Where faults are tried: a sample behind a FaultProxy before one real server, for every protocol; and which faults fit
which. Through TLS a proxy sees nothing but bytes, so there only those are cut, reset, stalled and dripped."""

from __future__ import annotations

import time

import fault_modes as faults
import mlaas
from fault_proxy import FaultProxy

# The cache is smaller than a file, so that reading goes on while batches are taken. For faults that pass: what is
# silent is given up after a second, and tried again as often as a busy machine may need.
REMOTE = {"connect_timeout": 1, "timeout": 1, "deadline": 120, "retries": 10, "cache": 1_000_000}
IN_TIME = REMOTE["deadline"] + 30
# For servers that answer, or refuse, what they do not like: nothing of it takes its time, unless the machine does.
PATIENT = {**REMOTE, "connect_timeout": 60, "timeout": 60, "deadline": 600, "retries": 1}
# For silent ones, where a good answer may be late too: who needs one asks again, see `in_the_end`.
IMPATIENT = {**REMOTE, "connect_timeout": 0.4, "timeout": 0.4, "deadline": 1.2, "retries": 4}


def in_the_end(work, seconds=120):
    """The result of `work()`, which is tried again where the machine was too slow for its times."""
    end = time.monotonic() + seconds
    while True:
        try:
            return work()
        except (mlaas.IOError, mlaas.TimeoutError):
            if time.monotonic() > end:
                raise


# The fixture of the server, and the scheme.
KINDS = {
    "http": ("nginx", "http"),
    "https": ("nginx", "https"),
    "root": ("xrootd", "root"),
    "roots": ("xrootd_secure", "roots"),
    "xrdhttp": ("xrootd", "http"),
    "davs": ("xrootd_secure", "davs"),
    "s3": ("s3", "s3"),
    "s3-http2": ("nginx", "s3"),  # which does not ask for signatures
}

BYTES = {
    "cut": lambda: faults.Cut(after=3000),
    "cut-later": lambda: faults.Cut(after=150_000, times=2),
    "cut-at-once": lambda: faults.Cut(after=0, times=2),
    "reset": lambda: faults.Reset(after=3000),
    "reset-later": lambda: faults.Reset(after=150_000, times=2),
    "stall": lambda: faults.Stall(after=3000),
    "stall-at-once": lambda: faults.Stall(after=0),
    "drip": lambda: faults.Drip(rate=8_000_000),
    "refuse": lambda: faults.Refuse(0.5),
}
# Between the server's first word of TLS and its last one before data, on connections that are made anew; in the middle
# of an encrypted record on those that were there. A resumed session is short.
HANDSHAKE = {
    "cut-in-handshake": lambda: faults.Cut(after=150, times=3),
    "reset-in-handshake": lambda: faults.Reset(after=150, times=3),
    "stall-in-handshake": lambda: faults.Stall(after=150),
    "slow-handshake": lambda: faults.Drip(rate=2_000, first=1_000),
}
HTTP = {
    "503": lambda: faults.Status(503, times=2, methods=("GET", "HEAD")),
    "503-wait": lambda: faults.Status(503, times=1, retry_after=1, methods=("GET", "HEAD")),
    "500": lambda: faults.Status(500, methods=("GET", "HEAD")),
    "429": lambda: faults.Status(429, methods=("GET", "HEAD")),
    "too-short": lambda: faults.WrongLength(by=100),
    "wrong-range": lambda: faults.WrongRange(),
    "truncated-parts": lambda: faults.TruncatedParts(),
    "whole": lambda: faults.Whole(times=2),  # forgets for a while that it knows ranges
    "redirect": lambda place: faults.Redirect(place.server.http(), times=2),
}
XROOTD = {
    "io-error": lambda: faults.XrdError(3007),
    "server-error": lambda: faults.XrdError(3012, requests=["read", "readv", "open"]),
    "overloaded": lambda: faults.XrdError(3024, times=2),
    "wait": lambda: faults.XrdWait(1, requests=["read", "readv", "open"]),
    "redirect": lambda place: faults.XrdRedirect("localhost", place.server.port),
}
S3 = {
    "slow-down": lambda: faults.S3Error(503, "SlowDown", times=2),
    "internal-error": lambda: faults.S3Error(500, "InternalError"),
}
FAULTS = {
    "http": {**BYTES, **HTTP},
    "https": {**BYTES, **HANDSHAKE},
    "root": {**BYTES, **XROOTD},
    "roots": {**BYTES, **HANDSHAKE},
    "xrdhttp": {**BYTES, **HTTP},
    "davs": {**BYTES, **HANDSHAKE},
    "s3": {**BYTES, **HTTP, **S3},
    "s3-http2": {**BYTES, **HANDSHAKE, "stall-later": lambda: faults.Stall(after=150_000)},
}


class Place:
    """The sample behind a proxy before one server; `options` say how to reach it, `environment` what must be set."""

    def __init__(self, kind, server, sample, folder):
        self.kind, self.server = kind, server
        folder_there = "bucket/" if kind == "s3-http2" else ""
        self.names = [server.add(path, folder_there + path.name) for path in sample]
        self.proxy = FaultProxy(server.tls_port if kind in ("https", "s3-http2") else server.port)
        self.options, self.environment = {}, {}
        if kind in ("https", "s3-http2"):
            self.options = {"authorities": str(server.authority.certificate)}
        elif kind in ("roots", "davs"):
            token = folder / f"token-{kind}"
            token.write_text(server.issuer.token())
            token.chmod(0o600)
            trusted = server.authority.directory if kind == "roots" else server.authority.certificate
            self.options = {"token_file": str(token), "authorities": str(trusted)}
        elif kind == "s3":
            self.environment = {key: value for key, value in server.environment.items() if "ENDPOINT" not in key}

    @property
    def urls(self):
        return [self.url(name) for name in self.names]

    def url(self, name):
        if self.kind == "s3-http2":
            return f"s3://{name}"
        return self.server.s3(name) if self.kind == "s3" else self.proxy.at(KINDS[self.kind][1], name)

    def remote(self, options=REMOTE):
        """How to reach it, with the patience that `options` say."""
        endpoint = {"s3": "http", "s3-http2": "https"}.get(self.kind)
        more = {"s3_endpoint": self.proxy.at(endpoint).rstrip("/")} if endpoint else {}
        return {**options, **self.options, **more}

    def mode(self, name):
        make = FAULTS[self.kind][name]
        return make(self) if name == "redirect" else make()
