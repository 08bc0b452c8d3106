"""`mlaas specs` as users run it, held against NumPy on arrays read by uproot."""

import json
import re
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import uproot
from test_cli import ARGUMENT, COMMAND, NOT_FOUND, ROOT, refused, run

FOLDER = ROOT / "examples/tth"
SIGNAL, OTHER = FOLDER / "flatTree_ttHJetTobb_M125_13TeV.root", FOLDER / "flatTree_ttH_noDRmatch.root"


@pytest.fixture(scope="module")
def truth():
    arrays = [uproot.open(path)["boosted/events"].arrays(library="np") for path in (SIGNAL, OTHER)]
    return {name: np.concatenate([array[name] for array in arrays]) for name in arrays[0]}


def test_the_numbers_are_numpys(truth):
    done = run("specs", "--json", "--files", f"{SIGNAL},{OTHER}")
    assert done.returncode == 0, done.stderr
    page = json.loads(done.stdout)
    assert page["format"] == "mlaas-specs"
    assert [file["entries"] for file in page["files"]] == [17500, 4300]
    columns = {column["name"]: column for column in page["columns"]}
    assert set(columns) == set(truth)
    for name, values in truth.items():
        values = values.astype(np.float64)
        assert columns[name]["count"] == len(values)
        assert (columns[name]["min"], columns[name]["max"]) == (values.min(), values.max())
        np.testing.assert_allclose(
            [columns[name]["mean"], columns[name]["sd"]], [values.mean(), values.std()], rtol=1e-9
        )


def test_the_table_shows_every_branch(truth):
    done = run("specs", "--files", f"{SIGNAL},{OTHER}")
    assert done.returncode == 0
    assert done.stdout.startswith("boosted/events")
    assert {line.split()[0] for line in done.stdout.split("\n") if line.startswith("  ")} >= set(truth)
    assert "scanning: 21,800 entries in" in done.stderr
    narrow = run("specs", "--files", f"{SIGNAL},{OTHER}", env={"COLUMNS": "80"})
    assert max(map(len, narrow.stdout.split("\n")[3:])) <= 80
    assert run("specs", "--quiet", "--files", SIGNAL).stderr == ""


def test_files_are_written_and_merged(tmp_path):
    out, other, both = tmp_path / "a.json", tmp_path / "b.json", tmp_path / "both.json"
    assert run("specs", "--files", SIGNAL, "--out", out, "--global", tmp_path / "global-specs.json").returncode == 0
    assert run("specs", "--files", OTHER, "--out", other).returncode == 0
    original = json.loads((tmp_path / "global-specs.json").read_text())
    assert original["events"]["total"] == 17500
    assert list(original) == ["jdim", "minv", "maxv", "fkeys", "jkeys", "nans", "events"]
    assert run("specs", "--files", SIGNAL, "--merge", other, "--out", both).returncode == 0
    whole = json.loads(run("specs", "--json", "--files", f"{SIGNAL},{OTHER}").stdout)
    merged = json.loads(both.read_text())
    assert merged["files"] == whole["files"]
    for mine, theirs in zip(merged["columns"], whole["columns"]):
        assert mine["count"] == theirs["count"]
        assert mine["mean"] == pytest.approx(theirs["mean"], rel=1e-12)
    refused(run("specs", "--quiet", "--files", SIGNAL, "--merge", out), ARGUMENT, str(out), "in both")


def test_mistakes_are_said(tmp_path):
    params = tmp_path / "params.json"
    params.write_text('{"brnch": "boosted/events"}')
    refused(run("specs", "--files", SIGNAL, "--params", params), ARGUMENT, "brnch", "branch")
    params.write_text('{"branch": "boosted/event"}')
    refused(run("specs", "--files", SIGNAL, "--params", params), NOT_FOUND, "boosted/event", "did you mean")
    refused(run("specs", "--files", tmp_path / "no.root"), NOT_FOUND, "no.root")
    refused(run("specs", "--files", SIGNAL, "--threads", "99999"), ARGUMENT, "threads")
    no_folder = run("specs", "--quiet", "--files", SIGNAL, "--out", tmp_path / "no/such/specs.json")
    refused(no_folder, NOT_FOUND, "no/such/specs.json")


def test_ctrl_c_stops_with_130_and_writes_nothing(tmp_path):
    files, out = tmp_path / "files.txt", tmp_path / "specs.json"
    for count in (3000, 9000, 27000):  # a test that is kept from interrupting in time does so with more
        files.write_text(f"{FOLDER / 'flatTree_TT_13TeV.root'}\n" * count)
        code, stdout, stderr = interrupt_specs(files, out)
        if code != 0:
            break
        out.unlink()
    assert code == 130, stderr
    assert stdout == ""
    assert "cancelled" in stderr or "interrupted" in stderr
    assert list(tmp_path.iterdir()) == [files]


def interrupt_specs(files, out):
    process = subprocess.Popen(
        [COMMAND, "specs", "--files", files, "--out", out, "--threads", "1"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:  # until it listens
        caught = re.search(r"^SigCgt:\s*(\w+)", Path(f"/proc/{process.pid}/status").read_text(), re.M)[1]
        if int(caught, 16) & 1 << signal.SIGINT - 1:
            break
        time.sleep(0.02)
    time.sleep(0.2)  # and scans: opening so many files takes its time
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=300)
    return process.returncode, stdout, stderr
