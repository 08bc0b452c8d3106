"""Certificates and tokens for test servers, made on the spot: an authority, a server's and a client's certificate, an
issuer of tokens (ES256) whose public key is put where libscitokens looks before it would ask the network."""

from __future__ import annotations

import base64
import ctypes.util
import json
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

from remote_process import MissingServerError, need

ISSUER = "https://issuer.test"


def openssl(*words, cwd=None):
    subprocess.run([*need("openssl"), *words], check=True, capture_output=True, cwd=cwd)


class Authority:
    """ca.pem, server.pem + server.key (localhost, 127.0.0.1), client.pem + client.key in a folder. rsa: keys that
    XRootD's gsi can use, which are slower to make."""

    def __init__(self, folder, rsa=False):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.kind = [
            "-newkey",
            *(["rsa:2048"] if rsa else ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]),
            "-nodes",
        ]
        openssl(
            *["req", "-x509", "-days", "30", "-subj", "/O=Test/CN=Authority", *self.kind, "-keyout", "ca.key"],
            *["-out", "ca.pem", "-addext", "keyUsage=critical,keyCertSign,cRLSign"],
            cwd=self.folder,
        )
        self.sign("server", "/O=Test/CN=localhost", "subjectAltName=DNS:localhost,IP:127.0.0.1")
        self.sign("client", "/O=Test/CN=A User", "extendedKeyUsage=clientAuth")
        self.directory = self.folder / "certificates"  # as X509_CERT_DIR wants it
        self.directory.mkdir(exist_ok=True)
        (self.directory / "ca.pem").write_bytes(self.certificate.read_bytes())
        openssl("rehash", ".", cwd=self.directory)

    def sign(self, name, subject, extension, by="ca"):
        openssl("req", *self.kind, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", subject, cwd=self.folder)
        (self.folder / "extensions").write_text(extension + "\n")
        openssl(
            *["x509", "-req", "-in", f"{name}.csr", "-CA", f"{by}.pem", "-CAkey", f"{by}.key", "-CAcreateserial"],
            *["-days", "30", "-extfile", "extensions", "-out", f"{name}.pem"],
            cwd=self.folder,
        )
        (self.folder / f"{name}.key").chmod(0o600)

    def proxy(self):
        """The client's proxy as voms-proxy-init writes it: certificate, key, the client's certificate."""
        rights = "proxyCertInfo=critical,language:id-ppl-inheritAll\nkeyUsage=critical,digitalSignature,keyEncipherment"
        self.sign("delegate", "/O=Test/CN=A User/CN=12345", rights, by="client")
        parts = [(self.folder / name).read_bytes() for name in ("delegate.pem", "delegate.key", "client.pem")]
        path = self.folder / "proxy.pem"
        path.touch(0o600)
        path.write_bytes(b"".join(parts))
        return path

    @property
    def certificate(self):
        return self.folder / "ca.pem"


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """Signs tokens. `store` makes a libscitokens that uses this cache folder trust them without a network."""

    def __init__(self):
        try:
            from cryptography.hazmat.primitives.asymmetric import ec
        except ImportError as error:
            raise MissingServerError(f"tokens are signed by Python's cryptography, which is missing: {error}") from None
        self.key = ec.generate_private_key(ec.SECP256R1())

    def token(self, scope="storage.read:/", seconds=86400, **claims):
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, utils

        now = int(time.time())
        payload = {
            **{"iss": ISSUER, "sub": "somebody", "aud": "https://wlcg.cern.ch/jwt/v1/any", "wlcg.ver": "1.0"},
            **{
                "scope": scope,
                "iat": min(now, now + seconds) - 600,
                "nbf": min(now, now + seconds) - 600,
                "exp": now + seconds,
                "jti": str(uuid.uuid4()),
                **claims,
            },
        }
        head = {"alg": "ES256", "typ": "JWT", "kid": "test"}
        text = ".".join(base64url(json.dumps(part).encode()) for part in (head, payload))
        r, s = utils.decode_dss_signature(self.key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{text}.{base64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    def store(self, cache):
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        public = self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        # In a process of its own: the library reads the environment when it is loaded.
        done = subprocess.run(
            [sys.executable, "-c", STORE, LIBRARY, ISSUER, "test", public],
            env={**os.environ, "XDG_CACHE_HOME": str(cache)},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise MissingServerError(f"libscitokens did not take a key: {done.stdout}{done.stderr}")


LIBRARY = ctypes.util.find_library("SciTokens") or "libSciTokens.so.0"
STORE = """
import ctypes, sys
library, *words = sys.argv[1:]
message = ctypes.c_char_p()
if ctypes.CDLL(library).scitoken_store_public_ec_key(*(word.encode() for word in words), ctypes.byref(message)):
    sys.exit(str(message.value))
"""
