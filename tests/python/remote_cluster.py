"""A real cluster of XRootD for tests: a redirector (xrootd and cmsd) before two data servers."""

from __future__ import annotations

import subprocess

from remote_process import RemoteServer, free_port, listens, need


class ClusterServer(RemoteServer):
    """One data server of a cluster: an xrootd and the cmsd that reports it to the redirector."""

    user = "xrootd"

    def __init__(self, cluster, name):
        super().__init__()
        self.cluster, self.name = cluster, name
        self.make("data", "adm", "run")

    def configure(self):
        self.port, self.cluster_port = free_port(), free_port()
        lines = [
            "all.role server",
            f"all.manager localhost:{self.cluster.cluster_port}",
            f"oss.localroot {self.data}",
            *self.cluster.common(self),
        ]
        (self.folder / "xrootd.cfg").write_text("\n".join(lines) + "\n")

    def commands(self):
        return self.cluster.daemons(self)

    def is_ready(self):
        return listens(self.port)

    def root(self, name=""):
        return f"root://localhost:{self.port}//{name}"


class XrootdCluster(RemoteServer):
    """A redirector (`cluster.root(name)`) before two data servers (`cluster.servers`), with files of their own."""

    user = "xrootd"

    def __init__(self):
        need("xrootd", "cmsd")
        super().__init__()
        self.name = "redirector"
        self.make("adm", "run")
        self.servers = []

    def common(self, node):
        return [
            "all.export / nostage",
            f"all.adminpath {node.folder / 'adm'}",
            f"all.pidpath {node.folder / 'run'}",
            "xrd.network nodnr",
            "xrootd.chksum max 2 adler32",
            "cms.delay startup 1 servers 1 lookup 1 service 1 suspend 1 drop 1s",
            "cms.fxhold 60s",
            "cms.ping 1 log 1 usage 1",
            f"if exec cmsd\nxrd.port {node.cluster_port}\nelse\nxrd.port {node.port}",
            f"xrd.protocol http:{node.port} libXrdHttp.so\nfi",
        ]

    def daemons(self, node):
        words = ["-c", node.folder / "xrootd.cfg", "-n", node.name]
        admin = node.folder / "adm" / node.name / ".olb/olbd.admin"
        admin.unlink(missing_ok=True)
        yield [*need("cmsd"), *words], {}
        # An xrootd that does not find its cmsd tries again after seconds.
        node.await_that(lambda: admin.exists() or listens(node.cluster_port))
        yield [*need("xrootd"), *words], {}

    def configure(self):
        self.port, self.cluster_port = free_port(), free_port()
        lines = ["all.role manager", f"all.manager localhost:{self.cluster_port}", *self.common(self)]
        (self.folder / "xrootd.cfg").write_text("\n".join(lines) + "\n")

    def commands(self):
        return self.daemons(self)

    def is_ready(self):
        return listens(self.port)

    def start(self):
        super().start()
        try:
            for i in range(2):
                server = ClusterServer(self, f"server{i}")
                self.servers.append(server)
                server.put(f"ready{i}", b"ready\n")
                server.start()
            # Who asks before they are known is told to wait for seconds.
            self.await_that(lambda: self.log().count("Primary server.") >= 2)
            self.await_servers()
        except BaseException:
            self.close()
            raise

    def await_servers(self):
        """Until the redirector sends clients to both."""
        [xrdfs] = need("xrdfs")
        for i in range(2):
            self.await_that(lambda i=i: self.finds(xrdfs, f"/ready{i}"))

    def finds(self, xrdfs, name):
        try:
            words = [xrdfs, f"localhost:{self.port}", "stat", name]
            return subprocess.run(words, capture_output=True, timeout=20).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def close(self):
        for server in self.servers:
            server.close()
        super().close()

    def root(self, name=""):
        return f"root://localhost:{self.port}//{name}"
