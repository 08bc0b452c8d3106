#!/usr/bin/env python3
"""The client of TFaaS with the options it always had, for Python 3; `mlaas models` and `mlaas score` do more. Needs the
standard library only, so this one file can be copied anywhere. Works with TFaaS and with `mlaas serve`.
"""

import argparse
import http.client
import json
import os
import secrets
import ssl
import sys
import urllib.parse

AGENT = "tfaas-client/2.0::python/{}.{} ({})".format(*sys.version_info[:2], os.environ.get("USER", ""))
TIMEOUT = 300


class Failure(Exception):
    """What is printed before the exit with status 1."""


def proxy():
    "The user's X.509 proxy, certificate and key in one file, or nothing."
    name = os.environ.get("X509_USER_PROXY") or f"/tmp/x509up_u{os.getuid()}"
    return name if os.path.isfile(name) else ""


def folder_of_certificates():
    for name in (os.environ.get("X509_CERT_DIR"), "/etc/grid-security/certificates"):
        if name and os.path.isdir(name):
            return name
    return ""


def parser():
    made = argparse.ArgumentParser(prog="tfaas_client.py", description=__doc__.split(";")[0] + ".")
    made.add_argument("--url", default="", help="address of the server, such as http://localhost:8083")
    made.add_argument("--upload", default="", metavar="JSON", help="upload the model whose files this JSON file names")
    made.add_argument("--bundle", default="", metavar="TAR.GZ", help="upload a gzipped archive of a model's folder")
    made.add_argument("--predict", default="", metavar="JSON", help="score the event of this JSON file")
    made.add_argument("--image", default="", metavar="FILE", help="score this image")
    made.add_argument("--model", default="", metavar="NAME", help="model that scores")
    made.add_argument("--delete", default="", metavar="NAME", help="delete this model")
    made.add_argument("--models", action="store_true", help="show the models of the server")
    made.add_argument("--verbose", action="store_true", help="show what is asked and answered")
    made.add_argument(
        "--key", "--ckey", dest="ckey", default=proxy(), help="private key file, default $X509_USER_PROXY"
    )
    made.add_argument("--cert", default=proxy(), help="certificate file, default $X509_USER_PROXY")
    made.add_argument("--capath", default=folder_of_certificates(), help="folder of trusted certificates")
    made.add_argument("--cafile", default="", help="file of trusted certificates")
    made.add_argument("--token", default=os.environ.get("TFAAS_TOKEN", ""), help="bearer token, default $TFAAS_TOKEN")
    return made


def read_json(name):
    with open(name, encoding="utf-8") as stream:
        try:
            value = json.load(stream)
        except ValueError as error:
            raise Failure(f"{name} is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise Failure(f"{name} must hold a JSON object")
    return value


def read_bytes(name):
    with open(name, "rb") as stream:
        return stream.read()


def form(fields):
    "The body and the type of a form; each field is (name, file name or None, bytes)."
    boundary = secrets.token_hex(16)
    parts = []
    for name, file, content in fields:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'
        if file is not None:
            safe = os.path.basename(file).replace('"', "_")
            head += f'; filename="{safe}"\r\nContent-Type: application/octet-stream'
        parts += [head.encode(), b"\r\n\r\n", content, b"\r\n"]
    return b"".join([*parts, f"--{boundary}--\r\n".encode()]), f"multipart/form-data; boundary={boundary}"


# ---- what can be asked ----


def models(options):
    return call(options, "GET", "/models", headers={"Accept": "application/json"})


def delete(options):
    body, kind = form([("model", None, options.delete.encode())])
    return call(options, "DELETE", "/delete", body, {"Content-Type": kind})


def bundle(options):
    kinds = {"Content-Encoding": "gzip", "Content-Type": "application/octet-stream"}
    return call(options, "POST", "/upload", read_bytes(options.bundle), kinds)


def upload(options):
    fields = []
    for name, value in read_json(options.upload).items():
        if name in ("model", "labels", "params"):
            fields.append((name, value, read_bytes(os.path.expanduser(value))))
        else:
            fields.append((name, None, str(value).encode()))
    body, kind = form(fields)
    return call(options, "POST", "/upload", body, {"Content-Type": kind})


def predict(options):
    request = read_json(options.predict)
    if options.model:
        request["model"] = options.model
    kinds = {"Accept": "application/json", "Content-Type": "application/json"}
    reply = call(options, "POST", "/json", json.dumps(request).encode(), kinds)
    try:
        return json.dumps(json.loads(reply))
    except ValueError:
        raise Failure(f"the reply is no JSON: {reply[:200]!r}") from None


def predict_image(options):
    fields = [("image", options.image, read_bytes(options.image)), ("model", None, options.model.encode())]
    body, kind = form(fields)
    return call(options, "POST", "/image", body, {"Accept": "application/json", "Content-Type": kind})


# ---- one call ----


def tls(options):
    "Current versions of TLS only: the original's TLS 1.0 is refused by servers and by OpenSSL."
    context = ssl.create_default_context()
    if options.capath or options.cafile:
        context.load_verify_locations(options.cafile or None, options.capath or None)
    if options.cert:
        context.load_cert_chain(os.path.expanduser(options.cert), os.path.expanduser(options.ckey) or None)
    return context


def connect(options):
    parts = urllib.parse.urlsplit(options.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Failure(f"--url is '{options.url}'; it must look like http://localhost:8083")
    if parts.scheme == "http":
        made = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT)
    else:
        made = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=TIMEOUT, context=tls(options))
    made.set_debuglevel(int(options.verbose))
    return made, parts.path.rstrip("/")


def call(options, method, path, body=None, headers=None):
    "The reply as text; a refusal is a Failure with the server's words."
    connection, base = connect(options)
    headers = {"User-Agent": AGENT, **(headers or {})}
    if options.token:
        headers["Authorization"] = f"Bearer {options.token}"
    if options.verbose:
        print(f"URL   : {options.url.rstrip('/')}{path}")
    try:
        connection.request(method, base + path, body, headers)
        response = connection.getresponse()
        text = response.read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        raise Failure(f"{options.url}: {error or type(error).__name__}") from None
    finally:
        connection.close()
    if not 200 <= response.status < 300:
        raise Failure(text.rstrip("\n") or f"{response.status} {response.reason}")
    return text


def main():
    options = parser().parse_args()
    if not options.ckey:
        print("WARNING: tfaas_client is running without user credentials/X509 proxy", file=sys.stderr)
    asked = [
        (options.upload, upload),
        (options.bundle, bundle),
        (options.delete, delete),
        (options.models, models),
        (options.predict, predict),
        (options.image, predict_image),
    ]
    try:
        for option, ask in asked:
            if option:
                reply = ask(options)
                if reply:
                    print(reply)
                if ask is not upload:  # an upload may be followed by one more
                    break
    except Failure as failure:
        print(failure)
        return 1
    except OSError as error:
        print(f"{error.filename}: {error.strerror}" if error.filename else error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
