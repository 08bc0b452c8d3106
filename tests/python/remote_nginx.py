"""A real nginx for tests, one folder served in many ways: each way is a prefix of the path."""

from __future__ import annotations

from pathlib import Path

from remote_keys import Authority
from remote_process import MissingServerError, RemoteServer, free_port, listens, need

USER, PASSWORD, TOKEN = "somebody", "secret-word", "token-of-the-test"
MODULES = [
    Path(folder) / "ngx_http_dav_ext_module.so" for folder in ("/usr/lib/nginx/modules", "/usr/lib64/nginx/modules")
]

# What stands before a name in the path. All but the last ones serve the same folder.
WAYS = {
    "": "dav_ext_methods PROPFIND OPTIONS;",  # ranges, many in a request; WebDAV lists folders
    "html/": "autoindex on;",
    "json/": "autoindex on; autoindex_format json;",
    "single/": "max_ranges 1;",  # several ranges: the whole file, with 200
    "few/": "max_ranges 8;",
    "whole/": "max_ranges 0;",  # no ranges at all
    "slow/": "limit_rate 200k;",
    "untagged/": "etag off; add_header Last-Modified '';",
    "basic/": "auth_basic test; auth_basic_user_file {folder}/passwords;",
    "token/": "if ($allowed = 0) {{ return 401; }}",
    "forbidden/": "return 403;",
    "busy/": "return 503;",
    "redirect/": "rewrite ^/redirect/(.*)$ $scheme://$http_host/$1 redirect;",
    "permanent/": "rewrite ^/permanent/(.*)$ /$1 permanent;",
    "certificate/": "if ($ssl_client_s_dn = '') {{ return 403; }}",
    "elsewhere/": "rewrite ^/elsewhere/(.*)$ $scheme://127.0.0.1:$server_port/token/$1 redirect;",  # another host name
    "loop/": "rewrite ^ $request_uri? redirect;",
}


class Nginx(RemoteServer):
    """`http(way + name)` and, with HTTP/2 and a certificate of `authority`, `https(way + name)`; ways as in WAYS."""

    def __init__(self, authority=None):
        need("nginx")
        self.module = next((path for path in MODULES if path.exists()), None)
        if self.module is None:
            raise MissingServerError("nginx's dav-ext module is not installed (tools/setup.sh check installs it)")
        super().__init__()
        self.make("data", "temporary")
        self.authority = authority or Authority(self.folder / "keys")

    def configure(self):
        self.port, self.tls_port = free_port(), free_port()
        (self.folder / "passwords").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n")
        places = "\n".join(
            f"    location /{way} {{ {'alias' if way else 'root'} {self.data}/; {words.format(folder=self.folder)} }}"
            for way, words in WAYS.items()
        )
        temporary = "\n".join(
            f"  {kind}_temp_path {self.folder}/temporary/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (self.folder / "nginx.conf").write_text(f"""\
load_module {self.module};
worker_processes 1;
daemon off;
master_process off;
pid {self.folder}/pid;
error_log {self.folder}/log;
events {{ worker_connections 512; }}
http {{
  access_log {self.folder}/access.log;
  default_type application/octet-stream;
  keepalive_requests 1000000;
  sendfile on;
{temporary}
  map $http_authorization $allowed {{ default 0; "Bearer {TOKEN}" 1; }}
  server {{
    listen 127.0.0.1:{self.port};
    listen 127.0.0.1:{self.tls_port} ssl http2;
    ssl_certificate {self.authority.folder}/server.pem;
    ssl_certificate_key {self.authority.folder}/server.key;
    ssl_verify_client optional_no_ca;
{places}
  }}
}}
""")

    def commands(self):
        return [([*need("nginx"), "-c", self.folder / "nginx.conf", "-e", self.folder / "log"], {})]

    def is_ready(self):
        return listens(self.port) and listens(self.tls_port)

    def http(self, name=""):
        return f"http://localhost:{self.port}/{name}"

    def https(self, name=""):
        return f"https://localhost:{self.tls_port}/{name}"

    def requests(self):
        "Lines of the access log."
        path = self.folder / "access.log"
        return path.read_text().splitlines() if path.exists() else []
