"""Certificates and proxies of the user on real servers: sent where they are asked for, by option and by environment."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from make_sample import write_sample

BUILD = Path(os.environ.get("MLAAS_BUILD", Path(__file__).resolve().parents[2] / "build"))


def inspect(url, *words, **environment):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("X509_", "BEARER_"))}
    command = [BUILD / "src/cli/mlaas", "inspect", "--brief", *map(str, words), url]
    environment = {**clean, **{name: str(value) for name, value in environment.items()}}
    return subprocess.run(command, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return write_sample(tmp_path_factory.mktemp("certificates"))[0][0]


def test_xrootd_lets_proxies_in(xrootd_gsi, file):
    authority, url = xrootd_gsi.authority, xrootd_gsi.root(xrootd_gsi.add(file))
    proxy, trust = authority.proxy(), {"X509_CERT_DIR": authority.directory}
    for done in (
        inspect(url, X509_USER_PROXY=proxy, **trust),
        inspect(url, "--certificate", proxy, **trust),
        inspect(url, "--certificate", proxy, "--authorities", authority.directory),
    ):
        assert done.returncode == 0 and done.stdout.startswith(url), done.stderr
    nobody = inspect(url, X509_USER_PROXY="/no/such/proxy", **trust)
    assert nobody.returncode == 4 and "X509_USER_PROXY" in nobody.stderr
    keys = ["--certificate", authority.folder / "client.pem", "--key", authority.folder / "client.key"]
    no_proxy = inspect(url, *keys, **trust)
    assert no_proxy.returncode == 4 and "wants a proxy" in no_proxy.stderr


def test_https_shows_certificates(nginx, authority, file, tmp_path):
    """nginx takes no proxies; what is in their file is certificate and key as here."""
    url = nginx.https("certificate/" + nginx.add(file))
    trust, folder = ["--authorities", authority.certificate], authority.folder
    keys = [folder / "client.pem", folder / "client.key"]
    both = tmp_path / "both.pem"
    both.touch(0o600)
    both.write_bytes(b"".join(path.read_bytes() for path in keys))
    for done in (
        inspect(url, *trust, "--certificate", keys[0], "--key", keys[1]),
        inspect(url, *trust, "--certificate", both),
        inspect(url, *trust, X509_USER_PROXY=both),
        inspect(url, *trust, X509_USER_CERT=keys[0], X509_USER_KEY=keys[1]),
    ):
        assert done.returncode == 0 and done.stdout.startswith(url), done.stderr
    nobody = inspect(url, *trust, HOME="/nowhere")
    assert nobody.returncode == 4 and "403" in nobody.stderr
