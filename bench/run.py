"""The table of `make bench`: our speed as ratios to limits and rivals measured in the same run.

    run.py [--data FOLDER] [--rounds N] [--quick | --read]

--read: reading columns only, beside the codec, ROOT and uproot; some five minutes when the rivals are compiled.
Everything is one pinned core and CPU time unless a row says otherwise; rounds are interleaved, medians shown. Rivals
run where their packages and ../shared/peers are at hand; a row that could not run says why.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys

import data
from rivals import MODES, NTUPLE_MODES

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PEERS = os.path.join(ROOT, "..", "shared", "peers")
ORIGINAL_EVENTS_PER_S = 2170  # the original's generator on file A, measured once on another machine
READ_TARGETS = {"zlib": 0.88, "zstd": 0.82, "lz4": 0.65}
NTUPLE_TARGETS = {"zstd": 0.60}
CODEC_TARGETS = ("a_", "b_", "bench_")  # the other files have no aim but to be ahead of the rivals


def lines(command, cores="1", **kwargs):
    """The JSON lines that a program prints, on one core."""
    done = subprocess.run(["taskset", "-c", cores, *command], capture_output=True, text=True, **kwargs)
    if done.returncode != 0:
        raise RuntimeError((done.stderr.strip().splitlines() or ["it failed"])[-1][:100])
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def program(name):
    build = os.environ.get("BUILD", "build")
    subprocess.run(["ninja", "-C", build, f"bench/{name}"], check=True, stdout=subprocess.DEVNULL)
    return os.path.join(build, "bench", name)


def show(what, file, figure, limit="", ratio=None, target=None):
    verdict = "" if target is None else "ok" if ratio >= target else "MISSED"
    numbers = "" if ratio is None else f"{ratio:7.2f}"
    wanted = "" if target is None else target
    print(f"{what:<34} {file:<30} {figure:>18} {limit:>20} {numbers:>8} {wanted:>7} {verdict}", flush=True)


def median_of(passes, key):
    return statistics.median(line[key] for line in passes)


def codec_of(name):
    return next((codec for codec in READ_TARGETS if codec in name), "zlib")


def read_target(name):
    if not name.startswith(CODEC_TARGETS):
        return None
    return NTUPLE_TARGETS.get(codec_of(name)) if "rntuple" in name else READ_TARGETS[codec_of(name)]


def bench_read(files, rounds):
    """{file: what bench_read says}, after showing it."""
    reader, found = program("bench_read"), {}
    for name, path in files.items():
        (line,) = lines([reader, str(rounds), path])
        found[name] = line
        codec = line["entries"] / line["codec_cpu_s"]
        left_out = f" ({line['refused']} of {line['columns']} columns left out)" if line["refused"] else ""
        show(
            "read all branches",
            name,
            f"{line['events_per_s'] / 1e3:.0f} kevents/s",
            f"codec {codec / 1e3:.0f}",
            line["ratio"],
            read_target(name),
        )
        if left_out:
            print(" " * 35 + left_out.strip())
    return found


def bench_two_threads(files, rounds):
    reader = program("bench_read")
    for name, path in files.items():
        (line,) = lines([reader, str(rounds), path], "0,1")
        if line["wall_1_s"] > 0.02:  # else it is over before a thread has started
            one, two = f"{line['wall_1_s'] * 1e3:.0f}", f"{line['wall_2_s'] * 1e3:.0f} ms"
            show("read, two threads (wall)", name, two, f"one {one}", line["gain_2"], 1.8)


def bench_open(reading):
    """File and table of wide trees; the aims are 5 ms for 1,500 branches and 100 ms for 10,000."""
    for name, line in reading.items():
        if line["columns"] >= 900:
            aim = 5 if line["columns"] <= 1500 else 100
            show(
                f"open {line['columns']} branches",
                name,
                f"{line['open_ms']:.2f} ms",
                f"at most {aim}",
                aim / line["open_ms"],
                1,
            )


UNCOMPILABLE, MOST_COLUMNS = ("treereader", "rdataframe"), 500


def bench_rivals(files, reading, rounds):
    """Opening and reading all columns, as CPU time of the rival over ours."""
    script = os.path.join(ROOT, "bench", "rivals.py")
    for name in reading:
        ours = reading[name]["read_cpu_s"] + 1e-3 * reading[name]["open_ms"]
        for what in ["uproot", *(NTUPLE_MODES if "rntuple" in name else MODES)]:
            if what in UNCOMPILABLE and reading[name]["columns"] > MOST_COLUMNS:
                show(f"  beside {what}", name, f"left out: g++ does not end on {reading[name]['columns']} columns")
                continue
            command = [sys.executable, script, files[name], what]
            try:
                said = [lines(command, timeout=240)[-1] for _ in range(rounds)]
            except (RuntimeError, subprocess.TimeoutExpired, OSError, IndexError) as error:
                show(f"  beside {what}", name, f"did not run: {error}"[:60])
                continue
            if said[0]["events"] == 0:
                show(f"  beside {what}", name, "did not run: it read no entries")
                continue
            theirs = median_of(said, "cpu_s")
            left_out = len(said[0].get("left_out", []))
            show(
                f"  beside {what}" + (f" (without {left_out})" if left_out else ""),
                name,
                f"{ours * 1e3:.1f} ms",
                f"{theirs * 1e3:.1f}",
                theirs / ours,
                1,
            )


def bench_batch(files, reading, rounds):
    batcher, limit = program("bench_batch"), program("bench_fill_limit")
    measured = [n for n in files if codec_of(n) == "zlib" or n == "bench_jagged_rntuple_zstd.root"]
    for name in [n for n in measured if n in reading and n.startswith(CODEC_TARGETS)]:
        flat = name.startswith(("b_", "bench_flat"))
        shape = ["29", "0", "1"] if flat else ["22", "52", "10"]
        taken, fills = {"specs": [], "batches": []}, []
        for _ in range(rounds):
            fills += lines([limit, *shape])
            for line in lines([batcher, files[name], "1"]):
                taken.setdefault(line["pass"], []).append(line)
        codec = reading[name]["codec_cpu_s"] / reading[name]["entries"]
        floor = codec if flat else codec + median_of(fills, "us_per_row") * 1e-6
        ours = 1 / median_of(taken["batches"], "evps_cpu")
        both = ours + 1 / median_of(taken["specs"], "evps_cpu")
        what = "codec" if flat else "codec + fill"
        show(
            "batches (shuffled, mask)",
            name,
            f"{1e-3 / ours:.0f} kevents/s",
            f"{what} {1e-3 / floor:.0f}",
            floor / ours,
            0.75 if "rntuple" in name else 0.80 if flat else 0.90,
        )
        show(
            "specs + batches",
            name,
            f"{1e-3 / both:.0f} kevents/s",
            "110" if not flat else "",
            1e-3 / both / 110,
            None if flat else 1,
        )
        if not flat:
            show(
                "  beside the original (recorded)",
                name,
                "",
                f"{ORIGINAL_EVENTS_PER_S / 1e3:.1f}",
                1 / ours / ORIGINAL_EVENTS_PER_S,
            )
            rivals(name, files[name], 1 / ours)


def rivals(name, path, ours):
    """uproot + NumPy and ROOT's RDataLoader, in the same run."""
    for what, script, python, arguments in [
        ("uproot + NumPy", "job_modern.py", ".venv/bin/python", [path, "numpy"]),
        ("ROOT RDataLoader", "job_rdataloader.py", ".venv-root/bin/python", [path]),
    ]:
        script = os.path.join(PEERS, script)
        if not os.path.exists(script) or not os.path.exists(python):
            show(f"  beside {what}", name, "not at hand")
            continue
        try:
            said = lines([python, script, *arguments], timeout=240)
        except (RuntimeError, subprocess.TimeoutExpired, OSError) as error:
            show(f"  beside {what}", name, f"did not run: {error}"[:60])
            continue
        theirs = said[-1]["evps_cpu"]
        show(f"  beside {what}", name, "", f"{theirs / 1e3:.1f}", ours / theirs)


def bench_threads(files, rounds):
    batcher = program("bench_batch")
    for name in [n for n in files if n in ("a_counted_zlib.root", "bench_jagged_vec_zlib.root", "b_zlib.root")]:
        wall = {1: [], 2: []}
        for _ in range(rounds):
            for threads in wall:
                said = lines([batcher, files[name], str(threads)], "0,1")
                wall[threads] += [1 / line["evps"] for line in said if line["pass"] == "batches"]
        gain = statistics.median(wall[1]) / statistics.median(wall[2])
        show("two threads on two cores (wall)", name, "", "", gain, 1.8)


def bench_memory(files):
    """Peak of the process under three ceilings; the program itself is some 6 MB."""
    batcher = program("bench_batch")
    name = next(n for n in ("bench_jagged_vec_zlib.root", "a_counted_zlib.root") if n in files)
    for ceiling in (50, 300, 1000):
        rss = max(line["rss_mb"] for line in lines([batcher, files[name], "1", str(ceiling), "500"]))
        show(f"memory, ceiling {ceiling} MiB", name, f"{rss} MiB", f"{ceiling * 1.15:.0f} + start", rss / ceiling)


def bench_train(files, rounds):
    name = next(n for n in ("bench_jagged_vec_zlib.root", "a_counted_zlib.root") if n in files)
    command = [sys.executable, os.path.join(ROOT, "bench", "train.py"), files[name], "--rounds", str(rounds)]
    (line,) = lines(command, "0,1")
    alone = min(line["loader_kevents_per_s"], line["keras_kevents_per_s"])
    verdict = "ok" if line["ratio"] <= line["target"] else "MISSED"
    show(
        "Keras epoch beside the loader",
        name,
        f"{line['both_kevents_per_s']} kevents/s",
        f"slower alone {alone}",
        line["ratio"],
    )
    print(f"{'':<34} time of both / slower of the two: {line['ratio']}, at most {line['target']}: {verdict}")


def main():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--data", default=os.environ.get("MLAAS_BENCH_DATA", "build/bench-data"), help="folder of files")
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--quick", action="store_true", help="leave out memory and training")
    words.add_argument("--read", action="store_true", help="reading columns only")
    args = words.parse_args()
    os.environ["MLAAS_BENCH_DATA"] = args.data  # where rivals find their programs
    files = data.make(args.data)
    print(f"{'what':<34} {'file':<30} {'ours':>18} {'limit or rival':>20} {'ratio':>8} {'target':>7}")
    real = {**data.small(), **data.wide()}
    reading = bench_read({**files, **real}, args.rounds)
    bench_two_threads({name: path for name, path in files.items() if name in reading}, args.rounds)
    bench_open(reading)
    if args.read:
        bench_rivals({**files, **real}, {name: line for name, line in reading.items() if name not in data.wide()}, 1)
        return
    bench_batch(files, reading, args.rounds)
    bench_threads(files, args.rounds)
    if not args.quick:
        bench_memory(files)
        bench_train(files, args.rounds)


if __name__ == "__main__":
    main()
