"""compat against the recorded runs of the original: specs byte for byte, chunks bit for bit, errors where it failed."""

import json

import mlaas
import numpy as np
import pytest
from golden_cases import (
    CASES,
    SHARED,
    after_run,
    canonical,
    integers,
    number,
    place_files,
    records,
    runs_of,
    sha,
    written,
)
from mlaas.compat import CompatLoader, split_rows

SLOW = pytest.mark.slow
QUICK = ("special", "equal", "tiny", "scan")
EXCLUDED_BY_FILE = ["genEvtWeight", "tau1"]  # what drop.txt held in the recorded run


def check_plan(run, loader):
    quotas = dict(run["quota_per_file"])
    assert loader.total == quotas.pop("total")
    assert loader.quotas == quotas
    assert loader.takes == run["take_per_file"]
    assert len(loader) == run["len"]


def check_first_chunk(run, chunk):
    assert chunk.columns == run["columns"]
    rows = np.array([[number(v) for v in row] for row in run["first_rows"]], dtype=np.float64)
    np.testing.assert_array_equal(chunk.x[: len(rows)], rows.reshape(len(rows), -1))
    digits = ["".join(str(v) for v in row) for row in chunk.mask[:3]]
    assert digits == ["".join(row) for row in run["first_mask_rows"]]
    check_split(run["trainer_split_first_chunk"], chunk)


def check_split(record, chunk):
    if "class" in record:
        with pytest.raises(mlaas.Error) as caught:
            split_rows(chunk.y)
        assert caught.value.original == record["class"]
        return
    for name, rows in zip(("train", "validation", "test"), split_rows(chunk.y)):
        want = record[name]
        assert len(rows) == want["rows"]
        assert int((chunk.y[rows] > 0).sum()) == want["positive"]
        assert rows[: len(want["first"])].tolist() == want["first"]
        assert sha(integers(rows)) == want["index_sha256"]
        assert sha(canonical(chunk.filled()[rows])) == want["x_sha256"]


def check_chunk(want, chunk):
    assert list(chunk.x.shape) == want["shape"]
    assert [list(pair) for pair in chunk.per_file] == want["per_file"]
    assert runs_of(chunk.y.tolist()) == want["labels"]
    assert sha(canonical(chunk.x)) == want["x_sha256"]
    assert sha(integers(chunk.mask)) == want["mask_sha256"]
    assert int(np.isnan(chunk.x).sum()) == want["nan"] == want["masked"]


def check_chunks(run, loader):
    """All chunks of a run, until its end or until the original failed."""
    recorded = {want["index"]: want for want in run["chunks"]}
    sums = {"x": [], "mask": [], "labels": []}
    rows = []
    error = None
    try:
        for index, chunk in enumerate(loader):
            if index == 0:
                check_first_chunk(run, chunk)
            if index in recorded:
                check_chunk(recorded[index], chunk)
            rows.append(len(chunk))
            sums["x"].append(canonical(chunk.x))
            sums["mask"].append(integers(chunk.mask))
            sums["labels"].append(integers(chunk.y))
    except mlaas.Error as caught:
        error = caught
    assert runs_of(rows) == run["chunk_rows"]
    assert (len(rows), sum(rows)) == (run["chunk_count"], run["events_total"])
    assert {f"{key}_sha256": sha(b"".join(parts)) for key, parts in sums.items()} == run["all_chunks"]
    assert loader.done == run["read_per_file"]
    check_error(run, error, f"chunk {len(rows)}")


def check_error(run, error, at):
    if "exception" not in run:
        assert error is None
        return
    assert error is not None and run["exception_at"] == at
    assert error.original == run["exception"]["class"]
    assert str(error).endswith(f"the original stops here with {error.original}")


def repeat(run, folder):
    params = dict(run["params"])
    if params.get("exclude_branches") == "drop.txt":
        (folder / "drop.txt").write_text("\n".join(EXCLUDED_BY_FILE) + "\n")
    specs = json.loads((folder / run["specs_argument"]).read_text()) if "specs_argument" in run else None
    try:
        loader = CompatLoader(run["files"], run["labels"], params, specs=specs)
    except mlaas.Error as error:
        check_error(run, error, "construction")
    else:
        assert run.get("exception_at") != "construction"
        check_plan(run, loader)
        check_chunks(run, loader)
    assert written(folder) == {name: (w["bytes"], w["sha256"]) for name, w in run["written"].items()}
    after_run(run, folder)


@pytest.mark.parametrize("case", [pytest.param(case, marks=() if case.startswith(QUICK) else SLOW) for case in CASES])
def test_golden(case, tmp_path, monkeypatch):
    """Everything that was recorded of this case: plan, specs, chunks, order, labels, split, errors."""
    monkeypatch.chdir(tmp_path)
    for run in records(case)["runs"]:
        place_files(run["files"], tmp_path)
        repeat(run, tmp_path)


@pytest.mark.skipif(not SHARED, reason="../shared/data is not there: only the few committed cases ran")
def test_all_golden_cases_are_there():
    assert len(CASES) == 81
    assert sum(len(records(case)["runs"]) for case in CASES) == 93
