"""Reading from servers beside reading from the disk: remote.py [--data FOLDER] [--rounds N] [--rtt MS,MS] [--quick]

Real servers on this machine (XRootD with root:// and http:// on one port, nginx, S3), a proxy that adds round-trip
delay before them, and a process for each measurement (remote_job.py). Ratios are seconds on the disk over seconds from
the server, in the same run, medians over interleaved rounds. The delay is added to loopback: bandwidth is not limited.
Also uproot (its own XRootD client, and fsspec-xrootd) and ROOT with its cache, each beside itself on the disk.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys

import data

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "python"))

# And how many of each make a data set: of the quick ones also many, for a start that counts less.
SETS = {"a_counted_zlib.root": (8,), "bench_jagged_rntuple_zstd.root": (8, 32)}
TARGETS = {0: 0.85, 50: 0.70}
WASTE, REQUESTS = 1.10, 2
JOB = os.path.join(ROOT, "bench", "remote_job.py")
PYTHONS = {"root": ".venv-root/bin/python"}


class DidNotRunError(Exception):
    pass


def job(what, url, *options):
    """The line of one measurement."""
    python = PYTHONS.get(what, sys.executable)
    if not os.path.exists(python):
        raise DidNotRunError(f"{python} is not there")
    try:
        done = subprocess.run([python, JOB, what, url, *options], capture_output=True, text=True, timeout=300)
    except subprocess.TimeoutExpired:
        raise DidNotRunError("it did not end in five minutes") from None
    said = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or (what != "specs" and not said):
        raise DidNotRunError((done.stderr.strip().splitlines() or ["it failed"])[-1][:90])
    return json.loads(said[-1]) if said else None


def show(what, place, figure, ratio=None, target=None):
    verdict = "" if target is None or ratio is None else "ok" if ratio >= target else "MISSED"
    print(
        f"{what:<46} {place:<18} {figure:>34} {'' if ratio is None else f'{ratio:.2f}':>6} {target or '':>6} {verdict}"
    )
    sys.stdout.flush()


def measure(label, what, local, remotes, rounds, options=(), targets=True):
    """Interleaved rounds of one job on the disk and at every place."""
    lines = {place: [] for place in ["disk", *remotes]}
    for _ in range(rounds):
        for place, (url, _) in {"disk": (local, 0), **remotes}.items():
            try:
                lines[place].append(job(what, url, *options))
            except DidNotRunError as error:
                lines[place].append(str(error))
    good = {place: [line for line in said if isinstance(line, dict)] for place, said in lines.items()}
    if not good["disk"]:
        show(label, "disk", f"did not run: {lines['disk'][0]}"[:60])
        return
    disk = statistics.median(line["seconds"] for line in good["disk"])
    line = good["disk"][0]
    show(label, "disk", f"{line['rows'] / disk / 1e3:.0f} kevents/s, first {line['first']:.2f} s")
    for place, (_, rtt) in remotes.items():
        if not good[place]:
            show("", place, f"did not run: {lines[place][0]}"[:60])
            continue
        seconds = statistics.median(line["seconds"] for line in good[place])
        first = statistics.median(line["first"] for line in good[place])
        line = good[place][-1]
        figure = f"{line['rows'] / seconds / 1e3:.0f} kevents/s, first {first:.2f} s"
        show("", place, figure, disk / seconds, TARGETS.get(rtt) if targets else None)
        if line.get("bytes"):
            asked = f"{line['requests']} requests, {line['delivered'] / line['bytes']:.3f} of the bytes"
            show("", "", asked, WASTE / (line["delivered"] / line["bytes"]), 1)
        if line.get("clusters") and "requests" in line:
            each = line["requests"] / line["clusters"]
            show("", "", f"{each:.1f} requests a cluster, opening included", REQUESTS / each, None)


@contextlib.contextmanager
def delayed(port, delay):
    """The port of a proxy before `port`, in a process of its own: it must not share our interpreter."""
    script = os.path.join(ROOT, "tests", "python", "fault_proxy.py")
    command = [sys.executable, script, "--to", f"127.0.0.1:{port}", "--rtt", str(delay)]
    proxy = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield json.loads(proxy.stdout.readline())["port"]
    finally:
        proxy.kill()
        proxy.wait()


@contextlib.contextmanager
def places(folder, names, delays):
    """{name of a place: (function from a file's name to its URL, delay)}; servers run meanwhile."""
    from remote_nginx import Nginx
    from remote_xrootd import Xrootd

    with contextlib.ExitStack() as stack:
        xrootd, nginx = stack.enter_context(Xrootd()), stack.enter_context(Nginx())
        for name in names:
            for server in (xrootd, nginx):
                for number in range(max(SETS[name])):
                    server.add(os.path.join(folder, name), f"{number}-{name}")
        found = {}
        for delay in delays:
            for kind, server, pattern in [
                ("root", xrootd, "root://127.0.0.1:{}//{}"),
                ("XrdHttp", xrootd, "http://127.0.0.1:{}/{}"),
                ("nginx", nginx, "http://127.0.0.1:{}/{}"),
            ]:
                port = server.port
                if delay:
                    port = stack.enter_context(delayed(port, delay))
                found[f"{kind} {delay} ms" if delay else kind] = (lambda n, p=pattern, q=port: p.format(q, n), delay)
        yield found


def main():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--data", default=os.environ.get("MLAAS_BENCH_DATA", "build/bench-data"), help="folder of files")
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--rtt", default="0,10,50", help="round-trip delays in ms")
    words.add_argument("--quick", action="store_true", help="leave out uproot and ROOT")
    args = words.parse_args()
    delays = [int(word) for word in args.rtt.split(",")]
    made = data.make(args.data)
    names = [name for name in SETS if name in made]
    print(f"{'what':<46} {'where':<18} {'':>34} {'ratio':>6} {'target':>6}")
    with places(args.data, names, delays) as where:
        for name in names:
            for count in SETS[name]:
                paths = ",".join([made[name]] * count)
                known = os.path.join(args.data, f"{count}-{name}.specs")
                job("specs", paths, known)
                lists = {
                    place: (",".join(url(f"{i}-{name}") for i in range(count)), delay)
                    for place, (url, delay) in where.items()
                }
                measure(f"batches, {count} x {name}", "batches", paths, lists, args.rounds, [known])
            remote = {place: (url(f"0-{name}"), delay) for place, (url, delay) in where.items()}
            measure(f"all columns, {name}", "columns", made[name], remote, args.rounds, targets=False)
            if args.quick:
                continue
            roots = {place: target for place, target in remote.items() if place.startswith("root")}
            for handler in ("xrootd", "fsspec"):
                measure(f"  uproot, {handler}", "uproot", made[name], roots, 1, [handler], targets=False)
            measure("  ROOT, SetBranchAddress", "root", made[name], roots, 1, targets=False)


if __name__ == "__main__":
    main()
