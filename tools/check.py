"""Runs the test suite: builds, C tests, sanitizers, Python tests, lint. Usage: check.py full | fast

Prints one line a stage, the output of what failed, and one plain closing line with the sums. Uses the standard library
only. A stage returns the counts of passed, failed and skipped tests; a build that fails counts as one failed test.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as xml
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
MESON, NINJA = str(ROOT / ".venv/bin/meson"), str(ROOT / ".venv/bin/ninja")
BIN = os.pathsep.join([str(ROOT / ".venv/bin"), os.environ.get("PATH", "")])

SANITIZER_ENVIRONMENT = {
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1:allocator_may_return_null=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS": f"halt_on_error=1:second_deadlock_stack=1:history_size=7:suppressions={ROOT / 'tests/tsan.supp'}",
}


class Counts:
    """Passed, failed and skipped tests, and the log to show when something failed."""

    def __init__(self, passed=0, failed=0, skipped=0, log="", reasons=()):
        self.passed, self.failed, self.skipped, self.log, self.reasons = passed, failed, skipped, log, list(reasons)

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.log += other.log
        self.reasons += other.reasons


def run(command, **environment):
    """Runs a command without standard input; returns its exit code and all that it printed."""
    env = {**os.environ, "PATH": BIN, **environment}
    done = subprocess.run(
        command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return done.returncode, done.stdout.decode(errors="replace")


def build(directory, options=(), **environment):
    """Sets the build up where needed and compiles; None when all went well, else the Counts of a failure."""
    if not (ROOT / directory / "build.ninja").exists():
        code, output = run([MESON, "setup", *options, directory], **environment)
        if code:
            return Counts(failed=1, log=output)
    code, output = run([NINJA, "--quiet", "-C", directory], **environment)
    return Counts(failed=1, log=output) if code else None


# ---- C tests ----


def cmocka_counts(text):
    """What cmocka's closing lines in a test program's output add up to."""
    counts = {"PASSED": 0, "FAILED": 0, "SKIPPED": 0}
    for word, number in re.findall(r"\[ +(PASSED|FAILED|SKIPPED) +\] (\d+) test\(s\)", text):
        counts[word] += int(number)
    return Counts(counts["PASSED"], counts["FAILED"], counts["SKIPPED"])


def c_tests(directory, arguments=(), **environment):
    """Runs meson's tests of a build directory; one that died without a count is one failure. Who hangs is ended, and a
    machine that is busy hangs nobody: it has twenty times as long."""
    code, output = run([MESON, "test", "-C", directory, "--no-rebuild", "-t", "20", *arguments], **environment)
    log = ROOT / directory / "meson-logs/testlog.json"
    total = Counts()
    for line in log.read_text().splitlines() if log.exists() else ():
        test = json.loads(line)
        text = (test.get("stdout") or "") + (test.get("stderr") or "")
        counts = cmocka_counts(text)
        good = test["result"] in ("OK", "SKIP", "EXPECTEDFAIL")
        if good and counts.passed + counts.skipped == 0:
            counts.passed = 1
        if not good:
            counts.failed = max(counts.failed, 1)
            counts.log = f"---- {test['name']}: {test['result']}\n{text}\n"
        total.add(counts)
    if code and not total.failed:
        total.add(Counts(failed=1, log=output))
    return total


def c_stage(directory, options=(), test_arguments=(), tests=True, **environment):
    """A stage that builds in its own directory and runs the C tests there."""

    def stage():
        failure = build(directory, options, **environment)
        if failure:
            return failure
        if not tests:
            return Counts(passed=1)
        return c_tests(directory, test_arguments, **SANITIZER_ENVIRONMENT)

    return stage


# ---- Python tests ----


def junit_counts(path, log):
    """The sums of a JUnit file, and the reasons of what was skipped."""
    total = Counts()
    for case in xml.parse(path).getroot().iter("testcase"):
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            total.failed += 1
        elif "skipped" in kinds:
            total.skipped += 1
            total.reasons.append(case.find("skipped").get("message", ""))
        else:
            total.passed += 1
    if total.failed:
        total.log = log
    return total


def python_stage(environment, build_directory, arguments, drive=None, part=""):
    """A stage that runs pytest of an environment on the package in a build directory; tests of remote data can `drive`
    the library of another one. Stages side by side need names for their parts."""

    def stage():
        if not list((ROOT / "tests/python").glob("test_*.py")):
            return Counts()
        report = ROOT / (drive or build_directory) / f"pytest-{environment.strip('.')}{part}.xml"
        report.unlink(missing_ok=True)
        command = [f"{environment}/bin/python", "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider"]
        code, output = run(
            [*command, f"--junitxml={report}", *arguments],
            PYTHONPATH=str(ROOT / build_directory / "python"),
            MLAAS_BUILD=str(ROOT / build_directory),
            TF_CPP_MIN_LOG_LEVEL="3",
            MPLBACKEND="Agg",
            OMP_WAIT_POLICY="PASSIVE",
            **({"MLAAS_DRIVE": drive} if drive else {}),
        )
        if not report.exists():
            return Counts() if code == 5 else Counts(failed=1, log=output)
        counts = junit_counts(report, output)
        if code not in (0, 5) and not counts.failed:
            counts.add(Counts(failed=1, log=output))
        return counts

    return stage


def together(*stages):
    """A stage of several that mostly wait."""

    def stage():
        total = Counts()
        with ThreadPoolExecutor(len(stages)) as pool:
            for counts in pool.map(lambda one: one(), stages):
                total.add(counts)
        return total

    return stage


def remote_stage(build_directory, sanitizer_directories):
    """Tests with real servers that are struck, by the library under each sanitizer, see tests/python/remote_drive.py.
    TSan leaves out opening and reading under faults: loaders do both too, with more threads."""
    files = [f"tests/python/test_remote_{name}.py" for name in ("drive", "equal", "faults", "opening")]
    fewer = ["-k", "not test_opening_survives and not test_reading_all_columns_survives"]
    return together(
        *(
            python_stage(".venv", build_directory, [*files, *(fewer if "tsan" in directory else [])], directory)
            for directory in sanitizer_directories
        )
    )


def load_stage(build_directory, seconds):
    """The command of a sanitizer's build under everything at once; one failure for each wrong answer or report."""

    def stage():
        command = [
            ".venv/bin/python",
            "tests/python/mixed_load.py",
            "--build",
            build_directory,
            "--seconds",
            str(seconds),
        ]
        code, output = run(command, **SANITIZER_ENVIRONMENT)
        found = re.search(r"(\d+) passed, (\d+) failed", output)
        if not found or (code and found[2] == "0"):
            return Counts(failed=1, log=output)
        return Counts(1, int(found[2]), log=output if code else "")  # thousands of answers are one test

    return stage


def mutants_stage(build_directory, mutants):
    """Mutants of the fixtures, and of small files of the corpus where it is; each defect is a failure."""

    def stage():
        command = [".venv/bin/python", "fuzz/mutants.py", "--build", build_directory, "--mutants", str(mutants)]
        total = Counts()
        folders = [["tests/data"], ["--pick", "20", "--largest", "60000", str(SHARED / "corpus")]]
        for files in folders if (SHARED / "corpus").is_dir() else folders[:1]:
            code, output = run([*command, *files])
            found = re.search(r"(\d+) mutants, (\d+) defects", output)
            if not found or (code and found[2] == "0"):
                return Counts(failed=1, log=output)
            total.add(Counts(1, int(found[2]), log=output if code else ""))  # thousands of mutants are one test
        return total

    return stage


def install_stage(build_directory):
    """What `make install` puts somewhere can be used there."""

    def stage():
        code, output = run(["tools/check_install.sh", build_directory])
        return Counts(failed=1, log=output) if code else Counts(passed=1)

    return stage


def lint_stage(build_directory):
    """Each check of tools/lint.py counts as a test."""

    def stage():
        code, output = run([str(ROOT / ".venv/bin/python"), "tools/lint.py", build_directory])
        found = re.search(r"lint: (\d+) passed, (\d+) failed", output)
        if not found:
            return Counts(failed=1, log=output)
        return Counts(int(found[1]), int(found[2]), log=output if code else "")

    return stage


# ---- the suite ----


def torch_files():
    """Test files for the environment with PyTorch alone."""
    return [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("tests/python/test_torch*.py"))]


def torch_tests():
    """Those, and from files that need PyTorch here and there the tests with torch in their names."""
    files = sorted(ROOT.glob("tests/python/test_*.py"))
    wanted = [str(path.relative_to(ROOT)) for path in files if 'importorskip("torch' in path.read_text()]
    return ["-k", "torch", *wanted]


def python_tests(build_directory):
    """All, side by side those that mostly wait for servers, those that compute, and those with PyTorch."""
    waiting = [
        str(path.relative_to(ROOT))
        for name in ("remote", "replay", "xrootd")
        for path in sorted(ROOT.glob(f"tests/python/test_{name}*.py"))
    ]
    others = [f"--ignore={name}" for name in [*torch_files(), *waiting]]
    stages = [
        python_stage(".venv", build_directory, [*others, "tests/python"]),
        python_stage(".venv", build_directory, waiting, part="-servers"),
    ]
    if torch_files():
        stages.append(python_stage(".venv-torch", build_directory, torch_tests()))
    return together(*stages)


def fast_stages():
    torch = [f"--ignore={name}" for name in torch_files()]
    return [
        ("build and C tests (gcc)", c_stage("build", ["-Dbuildtype=release"])),
        ("lint", lint_stage("build")),
        ("Python tests, the quick ones", python_stage(".venv", "build", ["-m", "not slow", *torch, "tests/python"])),
    ]


def full_stages():
    strict = ["-Dwerror=true"]
    plain = [*strict, "-Dbuildtype=debugoptimized", "-Dpython=false", "-Db_lundef=false", "-Ddefault_library=static"]
    return [
        ("build and C tests (gcc, warnings are errors)", c_stage("build-check", strict)),
        ("build (clang, warnings are errors)", c_stage("build-clang", strict, tests=False, CC="clang")),
        (
            "C tests under ASan and UBSan",
            c_stage("build-asan", [*plain, "-Db_sanitize=address,undefined"]),
        ),
        (
            "C tests with threads under TSan",
            c_stage("build-tsan", [*plain, "-Db_sanitize=thread"], ["--suite", "threads"]),
        ),
        ("mutants of ROOT files, ASan and UBSan", mutants_stage("build-asan", 200)),
        ("the server under mixed load, ASan and UBSan", load_stage("build-asan", 12)),
        ("the server under mixed load, TSan", load_stage("build-tsan", 12)),
        (
            "remote data on real servers, ASan and UBSan, and TSan",
            remote_stage("build-check", ["build-asan", "build-tsan"]),
        ),
        ("lint", lint_stage("build-check")),
        ("installation", install_stage("build-check")),
        ("Python tests", python_tests("build-check")),
    ]


def main(level):
    # A shell without job control starts what runs beside it with SIGINT ignored, and tests send SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    total, began = Counts(), time.monotonic()
    for name, stage in full_stages() if level == "full" else fast_stages():
        start = time.monotonic()
        counts = stage()
        total.add(counts)
        word = "FAILED" if counts.failed else "ok"
        print(
            f"{word:6} {name}: {counts.passed} passed, {counts.failed} failed, {counts.skipped} skipped "
            f"({time.monotonic() - start:.0f} s)",
            flush=True,
        )
        if counts.failed:
            print(counts.log[-20000:].rstrip(), flush=True)
    for reason in sorted(set(total.reasons)):
        print(f"skipped ({total.reasons.count(reason)}): {reason}")
    if not SHARED.is_dir():
        print("The larger tests were left out: there is no folder ../shared with the corpus and the full samples.")
    print(f"took {time.monotonic() - began:.0f} s")
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped")
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "full"))
