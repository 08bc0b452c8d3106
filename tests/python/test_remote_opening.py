"""How many requests it takes to open files whose directories and descriptions lie all over them."""

import struct

import mlaas
import numpy as np
import pytest
import uproot
from remote_runs import opened


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


def wide_key(name, seek):
    """The key of a directory in a list, with places of 8 bytes."""
    strings = b"\x0aTDirectory" + bytes([len(name)]) + name + b"\0"
    return struct.pack(">ihiIhhqq", 200, 1004, 60, 0, 34 + len(strings), 1, seek, 100) + strings


@pytest.mark.parametrize("seek", [2**63 - 1, -(2**63), 2**40])
def test_directories_far_outside_are_refused(tmp_path, seek):
    path = tmp_path / "wide.root"
    with uproot.recreate(path, compression=None) as file:
        file["tree"] = {"x": np.arange(3.0)}
    data = bytearray(path.read_bytes())
    begin, name_bytes = struct.unpack_from(">i", data, 8)[0], struct.unpack_from(">i", data, 28)[0]
    root = begin + name_bytes  # version, dates, bytes of the list, of the name; places of itself, its parent, its list
    assert struct.unpack_from(">h", data, root)[0] < 1000
    [old] = struct.unpack_from(">i", data, root + 26)
    head = data[old : old + struct.unpack_from(">h", data, old + 14)[0]]
    keys = struct.pack(">i", 2) + wide_key(b"a", seek) + wide_key(b"b", seek)
    struct.pack_into(">i", head, 0, len(head) + len(keys))
    struct.pack_into(">i", data, root + 10, len(head) + len(keys))
    struct.pack_into(">i", data, root + 26, len(data))
    path.write_bytes(data + head + keys)
    with pytest.raises(mlaas.FormatError, match="director"):
        opened(as_replica(path))
