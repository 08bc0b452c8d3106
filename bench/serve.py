"""What `mlaas serve` costs, beside nginx answering nothing and the back ends called directly, in the same run.

    serve.py [--quick] [--rounds N] [--seconds S] [--models big_tf,echo] [--parts cost,single,steady,loops,memory]

The server is pinned to one core, wrk to another; CPU is user + system time of all threads of the server per request,
with limits, metrics and access log on. Rounds are interleaved, medians shown. "aim" is what a request may cost at most.
"""
import argparse
import json
import os
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import serve_models

ROOT = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("BUILD", ROOT / "build")).resolve()
WORK = BUILD / "bench"
SERVER_CORE, LOAD_CORE = "0", "1"
SCRIPT = """
local file = io.open("%s", "rb")
wrk.method, wrk.body = "POST", file:read("*all")
wrk.headers["Content-Type"] = "%s"
function done(summary, latency, requests)
  io.write(string.format('{"requests": %%d, "seconds": %%f, "bad": %%d, "p50": %%f, "p99": %%f, "p999": %%f}\\n',
    summary.requests, summary.duration / 1e6, summary.errors.status + summary.errors.connect + summary.errors.read +
    summary.errors.write + summary.errors.timeout, latency:percentile(50), latency:percentile(99),
    latency:percentile(99.9)))
end
"""
NGINX = """
worker_processes 1; daemon off; pid {work}/nginx.pid; error_log {work}/nginx.err;
events {{ worker_connections 2048; }}
http {{ access_log off; keepalive_requests 1000000000; client_body_temp_path {work}/nginx-body;
  server {{ listen 127.0.0.1:{port} reuseport; location / {{ return 200 "[0.1234]\\n"; }} }} }}
"""


# ---- servers ----


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Server:
    """A process that listens; `cpu` is what its threads have used, in seconds."""

    def __init__(self, command, port, cores=SERVER_CORE, ready="/"):
        self.port, self.url = port, f"http://127.0.0.1:{port}"
        self.log = tempfile.TemporaryFile("w+")
        environment = dict(os.environ, MLAAS_BACKENDS=str(BUILD / "backends"), TF_CPP_MIN_LOG_LEVEL="3")
        self.process = subprocess.Popen(["taskset", "-c", cores, *command], stdout=self.log, stderr=self.log,
                                        env=environment, cwd=ROOT)
        for _ in range(600):
            try:
                urllib.request.urlopen(self.url + ready, timeout=10).read()
                return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.1)
        self.log.seek(0)
        raise RuntimeError(f"{command[0]} does not answer: {self.log.read()[-500:]}")

    def cpu(self):
        used, processes = 0, [self.process.pid]
        for process in processes:  # grows by children: nginx has a worker
            for task in Path(f"/proc/{process}/task").iterdir():
                used += int((task / "schedstat").read_text().split()[0])
                processes += map(int, (task / "children").read_text().split())
        return used / 1e9

    def pss_mb(self):
        lines = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("Pss:")).split()[1]) / 1024

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start_nginx():
    port = free_port()
    path = WORK / "nginx.conf"
    path.write_text(NGINX.format(work=WORK, port=port))
    return Server(["nginx", "-c", str(path), "-e", str(WORK / "nginx.err")], port)


def start_ours(models, *options, loops=1, cores=SERVER_CORE):
    port = free_port()
    log = WORK / f"access-{loops}.log"
    log.unlink(missing_ok=True)
    return Server([str(BUILD / "src" / "cli" / "mlaas"), "serve", "--models", str(models), "--port", str(port),
                   "--loops", str(loops), "--load-all", "--no-check", "--log-file", str(log), *options],
                  port, cores, "/readyz")


# ---- requests ----


def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def request(name, width, dialect):
    """(path, content type, file with the body)."""
    path = WORK / f"{name}.{dialect}"
    values = [round(0.37 * ((7 * i) % 11) - 1.5, 4) for i in range(width)]
    if dialect == "json":
        path.write_text(json.dumps({"model": name, "values": values}))
        return "/json", "application/json", path
    if dialect == "proto":
        path.write_bytes(field(2, struct.pack(f"<{width}f", *values)) + field(3, name.encode()))
        return "/proto", "application/octet-stream", path
    image = (WORK / "models" / name / "image.png").read_bytes()
    parts = [b'--frontier\r\nContent-Disposition: form-data; name="model"\r\n\r\n' + name.encode(),
             b'--frontier\r\nContent-Disposition: form-data; name="image"; filename="image.png"\r\n'
             b"Content-Type: image/png\r\n\r\n" + image, b"--frontier--\r\n"]
    path.write_bytes(b"\r\n".join(parts))
    return "/image", "multipart/form-data; boundary=frontier", path


class Load:
    """One kind of request, ready to be sent by wrk or h2load."""

    def __init__(self, name, width, dialect):
        self.path, self.type, self.body = request(name, width, dialect)
        self.script = self.body.with_suffix(self.body.suffix + ".lua")
        self.script.write_text(SCRIPT % (self.body, self.type))

    def check(self, server):
        """One request; its answer has to be a prediction."""
        sent = urllib.request.Request(server.url + self.path, self.body.read_bytes(), {"Content-Type": self.type})
        try:
            with urllib.request.urlopen(sent, timeout=60) as answer:
                answer.read()
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{self.path} with {self.body.name}: {error.code} {error.read().decode()}") from error

    def wrk(self, server, connections, seconds, cores=LOAD_CORE):
        """What wrk says, and `cpu_us`: the server's, per request."""
        before = server.cpu()
        said = subprocess.run(["taskset", "-c", cores, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s",
                               str(self.script), server.url + self.path], capture_output=True, text=True)
        used = server.cpu() - before
        line = next((line for line in said.stdout.splitlines() if line.startswith("{")), None)
        if line is None:
            raise RuntimeError(said.stdout + said.stderr)
        found = json.loads(line)
        found["cpu_us"] = used * 1e6 / max(found["requests"], 1)
        found["rate"] = found["requests"] / found["seconds"]
        return found

    def steady(self, server, rate, connections, seconds):
        """Percentiles of latency in us at a fixed rate of requests, by h2load."""
        log = WORK / "h2load.log"
        log.unlink(missing_ok=True)
        subprocess.run(["taskset", "-c", LOAD_CORE, "h2load", "--h1", f"-c{connections}", "-t1", f"-D{seconds}",
                        f"--rps={max(rate / connections, 1):.2f}", "-d", str(self.body), "-H",
                        f"content-type: {self.type}", f"--log-file={log}", server.url + self.path],
                       capture_output=True, check=True)
        taken = sorted(int(line.split()[2]) for line in log.read_text().splitlines())
        return [taken[min(int(len(taken) * part), len(taken) - 1)] for part in (0.5, 0.99, 0.999)]


def direct(name, rounds=1):
    """{rows: (CPU us, wall us)} of one run of the back end."""
    command = ["taskset", "-c", SERVER_CORE, str(WORK / "bench_serve_direct"), str(WORK / "models" / name), str(rounds)]
    environment = dict(os.environ, MLAAS_BACKENDS=str(BUILD / "backends"), TF_CPP_MIN_LOG_LEVEL="3")
    said = subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout
    found = [json.loads(line) for line in said.splitlines()]
    return {line["rows"]: (line["cpu_us"], line["wall_us"]) for line in found}


# ---- the tables ----


def table(title, columns):
    print(f"\n### {title}\n\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}", flush=True)


def row(*cells):
    texts = [f"{cell:.1f}" if isinstance(cell, float) else str(cell) for cell in cells]
    print(f"| {' | '.join(texts)} |", flush=True)


def verdict(ours, aim):
    return f"{ours / aim:.2f}", "ok" if ours <= aim else "MISSED"


def cases(widths, quick):
    """(model, dialect, batching)."""
    for name, width in widths.items():
        dialects = ["json", "proto"] if width else ["image"]
        yield from ((name, dialect, True) for dialect in dialects[: 1 if quick else 2])
        if name != "echo":
            yield name, dialects[0], False


def limit(name, batching, nginx, limits):
    """What it may cost, and the part of it that is the back end's."""
    if name == "echo":
        return 1.3 * nginx, 0.0
    if batching:
        model = min(us / rows for rows, us in limits.items())
        return model + 1.5 * nginx, model
    return 1.15 * limits[1] + 1.5 * nginx, limits[1]


def bench_cost(args, widths):
    """CPU per request; returns the medians of {(connections, model, dialect, batching)}."""
    nginx, joined = start_nginx(), start_ours(WORK / "models")
    single = start_ours(WORK / "models", "--most-rows", "1")
    found, limits = {}, {}
    kinds = list(cases(widths, args.quick))
    loads = {(name, dialect): Load(name, widths[name], dialect) for name, dialect, _ in kinds}
    empty = Load("echo", 27, "json")
    try:
        for round_ in range(args.rounds):
            for connections in args.connections:
                found.setdefault((connections, "nginx"), []).append(empty.wrk(nginx, connections, args.seconds))
                for name, dialect, batching in kinds:
                    server, load = joined if batching else single, loads[name, dialect]
                    load.check(server)
                    found.setdefault((connections, name, dialect, batching), []).append(
                        load.wrk(server, connections, args.seconds))
            for name in widths:
                for rows, (cpu, _) in direct(name).items():
                    limits.setdefault(name, {}).setdefault(rows, []).append(cpu)
            print(f"round {round_ + 1} of {args.rounds} done", file=sys.stderr, flush=True)
    finally:
        for server in (nginx, joined, single):
            server.stop()
    limits = {name: {rows: statistics.median(values) for rows, values in sizes.items()}
              for name, sizes in limits.items()}
    costs = {key: statistics.median(line["cpu_us"] for line in lines) for key, lines in found.items()}
    table("CPU per request, us", ["connections", "model", "dialect", "batching", "requests/s", "CPU", "nginx",
                                  "back end alone", "aim", "CPU / aim", ""])
    for key, lines in found.items():
        rate, bad = statistics.median(line["rate"] for line in lines), sum(line["bad"] for line in lines)
        if key[1] == "nginx":
            row(key[0], "nginx", "return 200", "", f"{rate:.0f}", costs[key], "", "", "", "", "")
            continue
        connections, name, dialect, batching = key
        aim, model = limit(name, batching, costs[connections, "nginx"], limits[name])
        ratio, word = verdict(costs[key], aim)
        row(connections, name, dialect, "on" if batching else "off", f"{rate:.0f}", costs[key],
            costs[connections, "nginx"], model, aim, ratio, word + (f", {bad} FAILED" if bad else ""))
    for key in costs:
        saved = (key[0], str(key[1])[:-1], *key[2:])
        if str(key[1]).endswith("_tf1") and saved in costs:
            ratio, word = verdict(costs[key], 1.1 * costs[saved])
            row(key[0], f"{key[1]} as {saved[1]}", key[2], "on" if key[3] else "off", "", costs[key], "", "",
                1.1 * costs[saved], ratio, word)
    return limits


def bench_single(args, widths):
    """One connection: what a request takes beyond the back end's own time."""
    server = start_ours(WORK / "models")
    table("One connection, p50 in us (wall)", ["model", "server", "back end alone", "aim", "server / aim", ""])
    try:
        for name, width in widths.items():
            load = Load(name, width, "json" if width else "image")
            load.check(server)
            ours, alone = [], []
            for _ in range(args.rounds):
                ours.append(load.wrk(server, 1, args.seconds)["p50"])
                alone.append(direct(name)[1][1])
            aim = statistics.median(alone) + 40
            row(name, statistics.median(ours), statistics.median(alone), aim, *verdict(statistics.median(ours), aim))
    finally:
        server.stop()


def bench_steady(args, widths):
    server = start_ours(WORK / "models")
    table("Latency at 70 % of full load, 100 connections, us", ["model", "requests/s", "p50", "p99", "p99.9"])
    try:
        for name, width in widths.items():
            load = Load(name, width, "json" if width else "image")
            load.check(server)
            rate = 0.7 * load.wrk(server, 100, args.seconds)["rate"]
            row(name, f"{rate:.0f}", *(float(us) for us in load.steady(server, rate, 100, max(args.seconds, 2))))
    finally:
        server.stop()


def bench_loops(args, widths):
    """A model that needs much, so that sending takes little of the two cores."""
    name = next((name for name in ("big_tf", "trees") if name in widths), None)
    if not name:
        return
    load = Load(name, widths[name], "json")
    rates = {}
    servers = {loops: start_ours(WORK / "models", "--most-rows", "1", loops=loops, cores="0,1") for loops in (1, 2)}
    try:
        for _ in range(args.rounds):
            for loops, server in servers.items():
                load.check(server)
                rates.setdefault(loops, []).append(load.wrk(server, 100, args.seconds, "0,1")["rate"])
    finally:
        for server in servers.values():
            server.stop()
    one, two = (statistics.median(rates[loops]) for loops in (1, 2))
    table("Two loops on two cores (wall: needs an idle machine)", ["model", "one", "two", "two / one", "aim"])
    row(name, f"{one:.0f}", f"{two:.0f}", f"{two / one:.2f}", ">= 1.8")


def bench_memory(args, widths):
    table("Memory (PSS) with one model, after load, MB", ["model", "MB", "aim", ""])
    for name in [name for name in ("echo", "big_onnx", "big_tf") if name in widths]:
        folder = Path(tempfile.mkdtemp(dir=WORK))
        shutil.copytree(WORK / "models" / name, folder / name)
        server = start_ours(folder)
        try:
            load = Load(name, widths[name], "json")
            load.check(server)
            load.wrk(server, 100, args.seconds)
            used = server.pss_mb()
            row(name, used, *((207, "ok" if used <= 207 else "MISSED") if name == "big_tf" else ("", "")))
        finally:
            server.stop()
            shutil.rmtree(folder)


def main():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--seconds", type=int, default=3, help="of each measurement")
    words.add_argument("--quick", action="store_true", help="one short round, 100 connections, JSON only")
    words.add_argument("--models", help="only these, with ',' between them")
    words.add_argument("--parts", default="cost,single,steady,loops,memory")
    args = words.parse_args()
    args.connections = [100] if args.quick else [100, 200]
    if args.quick:
        args.rounds, args.seconds = 1, 1
    missing = [name for name in ("wrk", "h2load", "nginx") if not shutil.which(name)]
    if missing:
        sys.exit(f"serve.py: {', '.join(missing)} missing: make setup installs them")
    subprocess.run(["ninja", "-C", str(BUILD), "bench/bench_serve_direct"], check=True, stdout=subprocess.DEVNULL)
    widths = serve_models.make(WORK / "models")
    if args.models:
        widths = {name: widths[name] for name in args.models.split(",")}
    for part in args.parts.split(","):
        globals()[f"bench_{part}"](args, widths)


if __name__ == "__main__":
    main()
