"""How many requests it takes to open files whose directories and descriptions lie all over them."""

import mlaas
import numpy as np
import pytest
import uproot


def as_replica(path):
    """A file at hand, read as those on servers are, and counted."""
    return f"file://{path}|file://{path}"


@pytest.fixture
def scattered(tmp_path):
    """Twelve directories, and one with two more, between the bytes of trees."""
    path = tmp_path / "scattered.root"
    random = np.random.default_rng(3)
    with uproot.recreate(path, compression=None) as file:
        for name in [*(f"d{i}" for i in range(12)), "outer/a", "outer/b"]:
            file[f"{name}/tree"] = {"x": random.random(20_000)}
    return path


def test_directories_come_together(scattered):
    here, away = mlaas.open(scattered), mlaas.open(as_replica(scattered))
    assert sorted(away) == sorted(here) and len(list(away)) == 14
    # Both ends; what the header names; the directories of the root and their lists; the same of the one inside.
    assert away.info["read_requests"] <= 6
    for name in ("d0/tree", "d11/tree", "outer/b/tree"):
        assert np.array_equal(away[name].arrays(["x"])["x"], here[name].arrays(["x"])["x"])


def test_one_directory_is_not_asked_for_twice(tmp_path):
    path = tmp_path / "one.root"
    with uproot.recreate(path, compression=None) as file:
        file["d/tree"] = {"x": np.random.default_rng(3).random(100_000)}
    away = mlaas.open(as_replica(path))
    assert [name.split(";")[0] for name in away] == ["d/tree"]
    assert away.info["read_requests"] <= 2
    assert away.info["bytes_delivered"] < path.stat().st_size / 2
