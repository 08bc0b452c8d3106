"""Reads mutants of ROOT files and looks for crashes, hangs, runaway memory and values that changed unnoticed.

    python fuzz/mutants.py [--build build] [--mutants 1000] [--seed 0] [--pick 40] [--save FOLDER] FILE_OR_FOLDER...

The program `mutants` of the build does the work in a process per file (fuzz/mutants.c); here it is started again behind
a mutant that killed it. Prints a table and a line for each defect; the exit code is 1 if there is one. `--save` keeps
the mutants of defects as files. Mutant I of a file is always the same: `mutants --seed S --first I --write OUT FILE`.

Bytes under a checksum (zlib, LZ4, XZ, ZSTD frames that have one, RNTuple's pages and envelopes) are "covered": a value
that changes or goes missing because of them alone is a defect. Other metadata of ROOT files have no checksum, so a
changed count of entries may pass; such mutants are counted as "different" and "missing". Adler-32 is a mere sum: a
change that zlib itself takes for sound is counted as a collision.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUMS = ("same", "refused", "missing", "different", "covered", "collisions")
MOST_DEATHS = 25
ADDRESS_SPACE = 3 << 30
SANITIZERS = {
    "ASAN_OPTIONS": "allocator_may_return_null=1:detect_leaks=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
}


def pick(names: list[str], count: int, largest: int) -> list[Path]:
    """Files of the folders and names given; where there are more than `count`, evenly many by size."""
    files: list[Path] = []
    for name in names:
        path = Path(name)
        files += sorted(path.rglob("*.root")) if path.is_dir() else [path]
    small = [path for path in files if path.stat().st_size <= largest] if count else files
    if not count or len(small) <= count:
        return small
    small.sort(key=lambda path: (path.stat().st_size, path.name))
    return [small[i * len(small) // count] for i in range(count)]


def limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def cause(code: int, errors: str) -> str:
    """Why a process ended, in few words."""
    found = re.search(r"SUMMARY: (.*)", errors) or re.search(r"(\S+: runtime error: .*)", errors)
    if found:
        return found[1]
    return "hang" if code == 86 else f"signal {-code}" if code < 0 else f"exit code {code}: {errors[-200:].strip()}"


class Result:
    """What became of the mutants of one file."""

    def __init__(self, path: Path) -> None:
        self.path, self.mutants, self.seconds, self.slowest = path, 0, 0.0, 0.0
        self.sums = dict.fromkeys(SUMS, 0)
        self.defects: list[tuple[int, str]] = []

    def take(self, output: str) -> None:
        for index, text in re.findall(r"^defect: (?=.*, mutant (\d+))(.*)$", output, re.M):
            self.defects.append((int(index), text))
        found = re.search(r"^sums: (.*)$", output, re.M)
        if found:
            words = found[1].split()
            values = dict(zip(words[::2], words[1::2]))
            for name in SUMS:
                self.sums[name] += int(values[name])
            self.slowest = max(self.slowest, float(values["slowest"]))


def run(program: Path, path: Path, arguments: argparse.Namespace, sanitized: bool) -> Result:
    """All mutants of one file."""
    result, first, deaths = Result(path), 0, 0
    start = time.monotonic()
    with tempfile.NamedTemporaryFile() as progress:
        while first < arguments.mutants:
            command = [program, "--seed", arguments.seed, "--first", first, "--count", arguments.mutants - first]
            command += ["--plain"] * arguments.plain
            command += ["--memory", arguments.memory << 20, "--progress", progress.name, path]
            done = subprocess.run(
                [str(word) for word in command],
                capture_output=True,
                env={**os.environ, **SANITIZERS},
                preexec_fn=None if sanitized else limit_memory,
            )
            result.take(done.stdout.decode(errors="replace"))
            if done.returncode in (0, 1) and b"\nsums: " in b"\n" + done.stdout:
                break
            written = Path(progress.name).read_bytes()
            at = struct.unpack("=Q", written)[0] if len(written) == 8 else None
            errors = cause(done.returncode, done.stderr.decode(errors="replace"))
            if at is None:
                result.defects.append((-1, f"before the first mutant: {errors}"))
                break
            result.defects.append((at, f"{errors}, mutant {at}"))
            first, deaths = at + 1, deaths + 1
            if deaths == MOST_DEATHS:
                result.defects.append((-1, f"given up after {deaths} deaths"))
                break
    result.mutants, result.seconds = arguments.mutants, time.monotonic() - start
    return result


def save(program: Path, result: Result, arguments: argparse.Namespace) -> None:
    folder = Path(arguments.save)
    folder.mkdir(parents=True, exist_ok=True)
    for index in sorted({index for index, _ in result.defects if index >= 0}):
        out = folder / f"{result.path.stem}-{arguments.seed}-{index}.root"
        command = [program, "--seed", arguments.seed, "--first", index, "--write", out, result.path]
        command += ["--plain"] * arguments.plain
        subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)


def table(results: list[Result]) -> str:
    lines = [("file", "bytes", "mutants", *SUMS, "slowest", "per s", "defects")]
    for result in results:
        lines.append(
            (
                result.path.name,
                str(result.path.stat().st_size),
                str(result.mutants),
                *(str(result.sums[name]) for name in SUMS),
                f"{result.slowest:.2f}",
                f"{result.mutants / max(result.seconds, 1e-3):.0f}",
                str(len(result.defects)),
            )
        )
    totals = [sum(result.mutants for result in results), *(sum(r.sums[name] for r in results) for name in SUMS)]
    seconds = max(sum(result.seconds for result in results), 1e-3)
    lines.append(
        (
            f"{len(results)} files",
            "",
            *(str(total) for total in totals),
            f"{max((result.slowest for result in results), default=0):.2f}",
            f"{totals[0] / seconds:.0f}",
            str(sum(len(result.defects) for result in results)),
        )
    )
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(zip(line, widths))
        )
        for line in lines
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Read mutants of ROOT files.")
    parser.add_argument("files", nargs="+", metavar="FILE_OR_FOLDER")
    parser.add_argument("--build", default=str(ROOT / "build"))
    parser.add_argument("--mutants", type=int, default=1000, help="of each file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pick", type=int, default=0, metavar="N", help="at most N files, of all sizes")
    parser.add_argument("--largest", type=int, default=400_000, metavar="BYTES", help="of the files to pick from")
    parser.add_argument("--memory", type=int, default=256, metavar="MiB", help="ceiling of the reader")
    parser.add_argument("--plain", action="store_true", help="store metadata without compression first")
    parser.add_argument("--save", metavar="FOLDER", help="keep the mutants that are defects")
    arguments = parser.parse_args()
    program = Path(arguments.build) / "fuzz/mutants"
    sanitized = b"__asan_init" in program.read_bytes()
    results = []
    for path in pick(arguments.files, arguments.pick, arguments.largest):
        result = run(program, path, arguments, sanitized)
        results.append(result)
        if arguments.save and result.defects:
            save(program, result, arguments)
        for _, text in result.defects[:20]:
            print(f"{path}: {text}", flush=True)
    print(table(results))
    defects = sum(len(result.defects) for result in results)
    print(f"{sum(result.mutants for result in results)} mutants, {defects} defects")
    return 1 if defects or not results else 0


if __name__ == "__main__":
    sys.exit(main())
