"""on_bad_file with files of other formats: each format with each kind of loss, as ROOT files have it."""

import json
import os
import shutil

import mlaas
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_cli import run
from test_formats import FLAT, ROWS, WRITERS, events, flat

#: The bytes of these may end anywhere in between: what is there is then a smaller file, or a line that is cut.
LINES = ("csv", "jsonl")
PARAMS = {"on_bad_file": "skip"}


def write(folder, format, name):
    path = os.path.join(folder, f"{name}.{format}")
    WRITERS[format](path, flat(events()) if format in FLAT else events())
    return path


def cut(path, end):
    data = open(path, "rb").read()
    with open(path, "wb") as file:
        file.write(data[:end])


@pytest.mark.parametrize("format", WRITERS)
def test_a_file_that_is_missing_empty_or_cut(tmp_path, format):
    good = write(tmp_path, format, "good")
    missing, empty, short = (good.replace("good", name) for name in ("missing", "empty", "short"))
    shutil.copy(good, empty)
    shutil.copy(good, short)
    cut(empty, 0)
    cut(short, os.path.getsize(short) // 2)
    if format in LINES:
        with open(short, "ab") as file:
            file.write(b'"')  # a quote that nothing closes
    files = [missing, good, short, empty]
    with pytest.raises(mlaas.NotFoundError, match="missing"):
        mlaas.Dataset(files)
    dataset = mlaas.Dataset(files, [1, 1, 0, 0], PARAMS).scan()
    assert {row["url"]: row["status"] for row in dataset.lost} == {
        missing: "NOT_FOUND",
        short: "FORMAT",
        empty: "FORMAT",
    }
    assert [row["quota"] for row in dataset.files] == [0, ROWS, 0, 0]
    assert sum(batch.rows for batch in dataset.loader("all", shuffle=False)) == ROWS
    alone = json.loads(mlaas.specs([good]).to_json())["columns"]
    assert json.loads(dataset.specs.to_json())["columns"] == alone


@pytest.mark.parametrize("format", ["parquet", "csv", "avro", "h5", "npy"])
def test_another_schema_is_no_bad_file(tmp_path, format):
    good, other = write(tmp_path, format, "good"), os.path.join(tmp_path, f"other.{format}")
    WRITERS[format](other, {"met": np.ones(ROWS, np.float32)})
    with pytest.raises(mlaas.Error) as told:
        mlaas.Dataset([good, other], [1, 0], {**PARAMS, "selected_branches": ["met", "event"]}).scan()
    assert told.value.status in ("SCHEMA", "NOT_FOUND") and "event" in str(told.value)


@pytest.mark.slow
@pytest.mark.parametrize("format", ["parquet", "csv"])
def test_the_command_says_it_as_for_root_files(tmp_path, format):
    good, short = write(tmp_path, format, "good"), write(tmp_path, format, "short")
    cut(short, 0)
    how = ("specs", "--files", f"{good},{short}", "--json", "--quiet")
    assert run(*how).returncode == mlaas.FormatError.exit_code
    done = run(*how, "--on-bad-file", "skip", "--out", tmp_path / "specs.json")
    assert done.returncode == 14
    [line] = done.stderr.splitlines()
    assert line.startswith(f"mlaas specs: {short} was left out: ") and line.count("short") == 1
    assert len(json.loads(done.stdout)["files"]) == 1
    assert json.loads((tmp_path / "specs.json").read_text()) == json.loads(done.stdout)


def test_a_row_group_that_is_damaged_is_lost_in_the_scan(tmp_path):
    """What stands at the end of the file is sound, so that it opens."""
    for name in ("good", "bad"):
        pq.write_table(pa.table({"x": np.arange(4000.0)}), tmp_path / f"{name}.parquet", row_group_size=1000)
    data = bytearray((tmp_path / "bad.parquet").read_bytes())
    data[4:4000] = bytes(3996)
    (tmp_path / "bad.parquet").write_bytes(data)
    dataset = mlaas.Dataset([str(tmp_path / f"{name}.parquet") for name in ("good", "bad")], [1, 0], PARAMS).scan()
    assert [(row["index"], row["stage"], row["entries"]) for row in dataset.lost] == [(1, "scan", 4000)]
