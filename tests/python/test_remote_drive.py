"""The program that tests run where a sanitizer is to look on gives what the package gives, and hides nothing."""

import os
from pathlib import Path

import mlaas
import pytest
import remote_runs
from remote_runs import batches, columns, loaded, opened, rows_of, within, write_jagged_sample

BUILD = Path(os.environ.get("MLAAS_BUILD", "build"))
pytestmark = pytest.mark.skipif(not (BUILD / "tests/remote/drive").exists(), reason="the C tests are not built")


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return [str(path) for path in write_jagged_sample(tmp_path_factory.mktemp("sample"), 3, 1000)]


@pytest.fixture
def driven(monkeypatch):
    monkeypatch.setattr(remote_runs, "DRIVE", remote_runs.DRIVE or str(BUILD))


def test_program_reads_what_the_package_reads(sample, monkeypatch):
    monkeypatch.setattr(remote_runs, "DRIVE", None)
    mine = [columns(name) for name in sample], batches(sample)
    monkeypatch.setattr(remote_runs, "DRIVE", str(BUILD))
    assert mine == ([columns(name) for name in sample], batches(sample))
    assert len(mine[1][1]) == 6000 and mine[0][0] != mine[0][1]


def test_program_resumes(sample, driven):
    whole, rows = batches(sample)[1], []
    with loaded(sample) as run:
        for batch in run:
            rows += rows_of(batch)
            state = run.state_dict()
            if len(rows) >= 1000:
                break
    with loaded(sample) as run:
        run.load_state_dict(state)
        for batch in run:
            rows += rows_of(batch)
    assert sorted(rows) == whole


def test_errors_are_the_packages(sample, driven):
    with pytest.raises(mlaas.NotFoundError, match="nowhere.root"):
        opened("/nowhere.root")
    with pytest.raises(mlaas.ArgumentError, match="deadlien"):
        opened(sample[0], remote={"deadlien": 1})
    with pytest.raises(mlaas.ArgumentError, match="deadlien"):
        loaded(sample, remote={"deadlien": 1})


def test_bad_end_fails_the_test(sample, driven):
    with pytest.raises(AssertionError, match="ended with -9"):
        with opened(sample[0]) as file:
            file.process.kill()
            file.info["size"]
    with pytest.raises(AssertionError, match="ended with 2"):
        with opened(sample[0]) as file:
            file.ask("nonsense")
    with pytest.raises(AssertionError, match="a sanitizer's words"):
        with opened(sample[0]) as file:
            file.log.write(b"a sanitizer's words: ThreadSanitizer")


def test_program_that_hangs_is_ended(sample, driven):
    with opened(sample[0]) as file:
        file.process.send_signal(19)
        with pytest.raises(AssertionError, match="nothing came within"):
            within(0.2, lambda: file.info)
        assert file.process.wait(120) == -9
        file.log.close()
