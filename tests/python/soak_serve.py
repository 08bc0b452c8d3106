"""Full load for a long time, with uploads, deletes, reloads and bad input going on: not a test, ten minutes by default.

    soak_serve.py [--build build] [--seconds 600] [--connections 64]

wrk, where it is installed, keeps the cores busy with predictions of an echo model; the players of mixed_load.py do all
the rest. Prints resident memory and descriptors as it goes; fails on any wrong answer or socket error, on more
descriptors at the end than after the first tenth, and on memory that still grows in the second half.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SCRIPT = """
wrk.method = "POST"
wrk.body = '{"model":"echo","values":[1,2,3,4]}'
wrk.headers["Content-Type"] = "application/json"
"""


def start_wrk(outer, port, seconds, connections):
    if not shutil.which("wrk"):
        print("wrk is not installed: only the players of mixed_load.py make load")
        return None
    script = Path(outer) / "post.lua"
    script.write_text(SCRIPT)
    command = ["wrk", "-t1", f"-c{connections}", f"-d{int(seconds)}s", "--latency", "--timeout", "10s", "-s", script]
    return subprocess.Popen([*command, f"http://127.0.0.1:{port}/json"], stdout=subprocess.PIPE, text=True)


def judge_wrk(wrk):
    """What wrk found wrong."""
    told = wrk.communicate(timeout=60)[0]
    print(told)
    return [line.strip() for line in told.splitlines() if re.search("Non-2xx|Socket errors", line)]


def watch(server, mix, seconds):
    """[(time, resident bytes, descriptors)] until the time is over or the server has ended."""
    samples, began, pause = [], time.monotonic(), max(1, min(10, seconds / 60))
    while (now := time.monotonic() - began) < seconds and server.process.poll() is None:
        samples.append((now, server.resident(), server.descriptors()))
        if len(samples) % 6 == 1:
            print(
                f"{now:6.0f} s: {samples[-1][1] / 2**20:7.1f} MiB, {samples[-1][2]} descriptors, "
                f"{sum(mix.counts.values())} turns, {len(mix.wrong)} wrong",
                flush=True,
            )
        time.sleep(pause)
    return samples


def growth(samples):
    """What says that memory grows: the least of the last quarter above the most of the quarter before it."""
    third, last = samples[len(samples) // 2 : len(samples) * 3 // 4], samples[len(samples) * 3 // 4 :]
    if not third or not last:
        return []
    most, least = max(one[1] for one in third), min(one[1] for one in last)
    return [f"memory grows: {most / 2**20:.1f} MiB, later at least {least / 2**20:.1f}"] if least > most * 1.02 else []


def main():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--build", default=os.environ.get("MLAAS_BUILD", "build"))
    words.add_argument("--seconds", type=float, default=600)
    words.add_argument("--connections", type=int, default=64)
    args = words.parse_args()
    os.environ["MLAAS_BUILD"] = str(Path(args.build).resolve())
    sys.path.insert(0, str(Path(__file__).parent))
    from mixed_load import Mix, make_models
    from served import Server, wait_for

    with tempfile.TemporaryDirectory() as outer:
        make_models(Path(outer) / "models")
        server = Server(Path(outer) / "models", "--log-format", "none").start()
        server.score("echo", [1, 2, 3, 4])
        server.score("slow", [1, 2, 3, 4])
        idle = server.descriptors()
        wrk = start_wrk(outer, server.port, args.seconds, args.connections)
        mix = Mix(server).start()
        samples = watch(server, mix, args.seconds)
        mix.stop()
        wrong = mix.wrong + (judge_wrk(wrk) if wrk else []) + growth(samples)
        try:
            wait_for(lambda: server.descriptors() <= idle + 4, 20)  # instances of churned models may hold some
        except (AssertionError, OSError):
            wrong.append(f"{server.descriptors()} descriptors at the end, {idle} at the start")
        left = [name for name in server.stored() if name.startswith(".")]
        wrong += [f"left in the folder: {left}"] if left else []
        code = server.stop()
        wrong += [f"it ended with {code}: {server.log_text()[-3000:]}"] if code else []
    print(", ".join(f"{what} {count}" for what, count in sorted(mix.counts.items())))
    print("\n".join(wrong) if wrong else "nothing was wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
