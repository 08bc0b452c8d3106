"""Real servers for tests of remote data, as context managers on free ports of this machine; see each one's file.

`with Xrootd() as server: server.add(path); server.root(name)`. What is not installed raises MissingServerError, which
the fixtures in conftest.py turn into a skip."""

from remote_cluster import XrootdCluster
from remote_keys import Authority, Issuer
from remote_nginx import PASSWORD, TOKEN, USER, WAYS, Nginx
from remote_process import MissingServerError, RemoteServer, free_port
from remote_s3 import S3
from remote_xrootd import Xrootd

__all__ = [
    "PASSWORD",
    "S3",
    "TOKEN",
    "USER",
    "WAYS",
    "Authority",
    "Issuer",
    "MissingServerError",
    "Nginx",
    "RemoteServer",
    "Xrootd",
    "XrootdCluster",
    "free_port",
]
