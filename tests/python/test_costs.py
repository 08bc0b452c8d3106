"""What reading cost: of a file, of a data set, of a loader, and as lines of the commands."""

import json
import os
import subprocess

import mlaas
import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FILES = [os.path.join(ROOT, "tests/data/loader", name) for name in ("a.root", "b.root")]
COMMAND = os.path.join(os.environ.get("MLAAS_BUILD", os.path.join(ROOT, "build")), "src/cli/mlaas")
KEYS = {"requests", "ranges", "bytes", "delivered", "hits", "retries", "failovers"}


def test_a_file_says_what_reading_took():
    with mlaas.open(FILES[0]) as file:
        before = file.info
        file[file.tables[0]].arrays(library="np")
        after = file.info
    assert not after["remote"]
    assert after["bytes_read"] > before["bytes_read"] > 0
    assert after["ranges"] > before["ranges"] > 0
    assert after["bytes_delivered"] == after["bytes_read"]  # a file at hand
    assert after["retries"] == after["failovers"] == 0


def test_a_data_set_adds_up_its_files_and_loaders():
    dataset = mlaas.Dataset(FILES, [1, 0])
    dataset.scan()
    scanned = dataset.source
    assert set(scanned) == KEYS
    loader = dataset.loader("all", shuffle=False)
    for _ in loader:
        pass
    stats = loader.stats
    assert set(stats["source"]) == KEYS
    assert stats["source"]["bytes"] == stats["bytes_read"] > 0
    loader.close()
    both = dataset.source
    assert both["bytes"] >= scanned["bytes"] + stats["source"]["bytes"]
    assert len(dataset.sources) == 2
    assert {key: sum(one[key] for one in dataset.sources) for key in KEYS} == both
    assert all("source" not in item for item in dataset.files)  # which bundles keep: it would differ from run to run


@pytest.mark.parametrize("arguments", [["inspect", "--brief", *FILES], ["inspect", "--verify", *FILES]])
def test_verbose_has_a_line_for_each_file(arguments):
    done = subprocess.run([COMMAND, *arguments, "--verbose"], capture_output=True, text=True, check=True)
    lines = done.stderr.strip().splitlines()
    assert [line.split(": ")[0] for line in lines] == FILES
    assert all("requests for" in line and "delivered" in line for line in lines)
    quiet = subprocess.run([COMMAND, *arguments], capture_output=True, text=True, check=True)
    assert quiet.stderr == ""
    assert quiet.stdout == done.stdout


def test_verbose_of_specs_adds_them_up():
    arguments = [COMMAND, "specs", "--quiet", "--verbose", "--json", "--files", ",".join(FILES)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert [line.split(": ")[0] for line in done.stderr.strip().splitlines()] == [*FILES, "all files"]
    assert json.loads(done.stdout)["format"] == "mlaas-specs"


def test_a_verified_file_at_hand_has_no_servers_checksum():
    assert mlaas.verify(FILES[0]).checksum == ""
