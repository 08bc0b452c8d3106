"""A server of somebody else's as a child process for tests: folder, free ports, log, readiness, a sure end."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

READY_SECONDS = 120
HELD: list[socket.socket] = []


class MissingServerError(Exception):
    """What is needed to start a server is not installed; tests skip with these words."""


def need(*programs):
    """Paths of programs; raises MissingServerError that names the first one that is missing."""
    found = []
    for program in programs:
        path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if path is None:
            raise MissingServerError(f"{program} is not installed (tools/setup.sh check installs it)")
        found.append(path)
    return found


def hold_port(port=0):
    """A port for who listens with SO_REUSEADDR, as servers do, and for nobody else: as long as this socket is bound the
    system gives it to no other process, neither before a server starts nor while it is dead. Connections are refused
    until somebody listens."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", port))
    return held


def free_port():
    """One that stays free, and refuses, until a server takes it."""
    HELD.append(hold_port())
    return HELD[-1].getsockname()[1]


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


class RemoteServer:
    """Base of all: `with Kind(...) as server:`. A subclass writes its configuration in `configure` for the ports that
    it gets there, and says in `commands` what to run. All files lie in a folder of its own that everybody may read,
    for a server that is started by root runs as somebody else."""

    user: str | None = None  # who runs it where root starts it

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="mlaas-test-server-"))
        self.folder.chmod(0o755)
        self.processes: list[subprocess.Popen] = []

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.close()

    # ---- for subclasses ----

    def configure(self):
        """Chooses ports and writes the configuration; called again when a port was taken meanwhile."""
        raise NotImplementedError

    def commands(self):
        """(words, environment) of each process; a generator may wait between them."""
        raise NotImplementedError

    def is_ready(self):
        raise NotImplementedError

    def make(self, *names):
        """Folders for the server to write in."""
        for path in (self.folder, *(self.folder / name for name in names)):
            path.mkdir(parents=True, exist_ok=True)
            if os.geteuid() == 0 and self.user:
                shutil.chown(path, self.user)

    # ---- life ----

    def start(self):
        for attempt in range(3):
            try:
                self.configure()
                self.run()
                return
            except RuntimeError:
                self.kill()
                if attempt == 2:
                    self.close()
                    raise
            except BaseException:
                self.close()
                raise

    def run(self):
        """Starts what `configure` prepared; also after `kill`, on the same port."""
        self.processes = []
        for words, environment in self.commands():
            self.processes.append(self.spawn(words, environment))
        self.await_that(self.is_ready)

    def await_that(self, condition):
        deadline = time.monotonic() + READY_SECONDS
        while not condition():
            dead = [process for process in self.processes if process.poll() is not None]
            if dead or time.monotonic() > deadline:
                raise RuntimeError(f"{type(self).__name__} {'died' if dead else 'is not ready'}:\n{self.log()[-3000:]}")
            time.sleep(0.02)

    def spawn(self, words, environment=None):
        words = [str(word) for word in words]
        [setpriv] = need("setpriv")
        # The child dies with us, whatever happens to us. (A change of user forgets that, so it comes first.)
        guard = [setpriv, "--pdeathsig", "KILL"]
        if os.geteuid() == 0 and self.user:
            entry = pwd.getpwnam(self.user)
            guard += ["--reuid", str(entry.pw_uid), "--regid", str(entry.pw_gid), "--clear-groups"]
        with open(self.folder / "log", "ab") as log:
            return subprocess.Popen(
                [*guard, *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**os.environ, **(environment or {})},
            )

    def log(self):
        return (self.folder / "log").read_text(errors="replace") if (self.folder / "log").exists() else ""

    def kill(self, number=signal.SIGKILL):
        """As a machine that fails: at once; `run` starts the same again."""
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.send_signal(number)
        for process in self.processes:
            process.wait(timeout=120)

    def pause(self):
        """As a machine that hangs: connections stay, nothing is answered; `go_on` ends that. Returns when it is so, for
        a stopped process may go on for a while."""
        for process in self.processes:
            process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, process.pid, os.WSTOPPED)

    def go_on(self):
        for process in self.processes:
            process.send_signal(signal.SIGCONT)

    def close(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- what is served ----

    @property
    def data(self):
        """The folder that is served."""
        return self.folder / "data"

    def add(self, path, name=None):
        """Serves a file under a name (which may have folders); a link where that can be, for samples are large."""
        target = self.data / (name or Path(path).name)
        target.parent.mkdir(parents=True, exist_ok=True)
        for folder in (target.parent, *target.parent.parents):
            if folder == self.data:
                break
            folder.chmod(0o755)
        target.unlink(missing_ok=True)
        try:
            os.link(Path(path).resolve(), target)
            if not target.stat().st_mode & 0o004:
                raise OSError
        except OSError:
            target.unlink(missing_ok=True)
            shutil.copyfile(path, target)
            target.chmod(0o644)
        return target.relative_to(self.data).as_posix()

    def put(self, name, content):
        """Serves bytes under a name; replaces what was there, as somebody who writes it anew would."""
        target = self.data / name
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(target.name + ".new")
        fresh.write_bytes(content)
        fresh.chmod(0o644)
        fresh.replace(target)
        return name
