"""A real XRootD server for tests, which speaks root:// and http:// on one port."""

from __future__ import annotations

import http.client
import os
import shutil
import ssl
import subprocess

from remote_keys import ISSUER, Authority, Issuer
from remote_process import RemoteServer, free_port, need


class Xrootd(RemoteServer):
    """tls: https:// and roots:// work too (authority: remote_keys.Authority, made when not given).
    tokens: reading needs a token of `server.issuer`, by header, ?authz= or, with tls, the ztn login.
    gsi: root:// needs a proxy of somebody whom `authority` knows, whose keys are RSA's.
    readv: (most ranges, most bytes of a range) of a vector read. lines: more configuration."""

    user = "xrootd"

    def __init__(self, tls=False, tokens=False, authority=None, issuer=None, readv=None, lines=(), gsi=False):
        need("xrootd")
        super().__init__()
        self.tls, self.tokens, self.readv, self.lines, self.gsi = tls, tokens, readv, list(lines), gsi
        self.make("data", "adm", "run", "cache")
        self.authority = authority or (Authority(self.folder / "keys", rsa=gsi) if tls or gsi else None)
        self.issuer = issuer or (Issuer() if tokens else None)
        if tokens:
            self.issuer.store(self.folder / "cache")
        self.own(self.folder / "cache")

    def own(self, folder):
        """What lies there becomes the server's, which is not who made it; keys of servers must be."""
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", f"{self.user}:", str(folder)], check=True)

    def configure(self):
        self.port = free_port()
        lines = [
            "all.export /",
            f"oss.localroot {self.data}",
            f"all.adminpath {self.folder / 'adm'}",
            f"all.pidpath {self.folder / 'run'}",
            f"xrd.port {self.port}",
            f"xrd.protocol http:{self.port} libXrdHttp.so",
            "xrootd.chksum max 2 adler32",
            "xrd.network nodnr",
            *self.lines,
        ]
        if self.tls or self.gsi:
            keys = self.folder / "server-keys"
            shutil.copytree(self.authority.directory, keys, dirs_exist_ok=True)  # ours may lie where only we can read
            for name in ("server.pem", "server.key"):
                (keys / name).unlink(missing_ok=True)
                (keys / name).write_bytes((self.authority.folder / name).read_bytes())
            (keys / "server.key").chmod(0o400)
            self.own(keys)
        if self.gsi:
            lines += [
                "xrootd.seclib libXrdSec.so",
                f"sec.protocol gsi -certdir:{keys} -cert:{keys / 'server.pem'} -key:{keys / 'server.key'} -crl:0 "
                "-gridmap:none -gmapopt:10",
            ]
        if self.tls:
            lines += [
                f"xrd.tls {keys / 'server.pem'} {keys / 'server.key'}",
                f"xrd.tlsca certfile {keys / 'ca.pem'}",
                "xrootd.tls capable all",
            ]
        if self.tokens:
            (self.folder / "sci.cfg").write_text(
                f"[Global]\nonmissing = deny\n[Issuer test]\nissuer = {ISSUER}\nbase_path = /\n"
            )
            lines += [
                "ofs.authorize 1",
                f"ofs.authlib libXrdAccSciTokens.so config={self.folder / 'sci.cfg'}",
                "acc.authdb /dev/null",
                "http.header2cgi Authorization authz",
            ]
            if self.tls:
                lines += ["xrootd.seclib libXrdSec.so", "sec.protocol ztn"]
        if self.readv:
            lines.append(f"xrootd.readv_iov_max {self.readv}")
        (self.folder / "xrootd.cfg").write_text("\n".join(lines) + "\n")

    def commands(self):
        words = [*need("xrootd"), "-c", self.folder / "xrootd.cfg", "-n", "test"]
        return [(words, {"XDG_CACHE_HOME": str(self.folder / "cache")})]

    def is_ready(self):
        return answers(self.port, self.tls)

    def root(self, name=""):
        return f"{'roots' if self.tls else 'root'}://localhost:{self.port}//{name}"

    def http(self, name=""):
        return f"{'https' if self.tls else 'http'}://localhost:{self.port}/{name}"


def answers(port, tls=False):
    """An HTTP server replies, whatever it says."""
    if tls:
        connection = http.client.HTTPSConnection(
            "127.0.0.1", port, timeout=60, context=ssl._create_unverified_context()
        )
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
        return True
    except (http.client.HTTPException, OSError):
        return False
    finally:
        connection.close()
