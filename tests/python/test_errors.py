"""Exceptions: one class for each status, with what, where and what else they are."""

from __future__ import annotations

import pickle
import re

import mlaas
import pytest
import tables
from mlaas import _core, _errors

HEADER = __file__.rsplit("/tests/", 1)[0] + "/include/mlaas/status.h"


def test_each_status_of_the_header_has_its_class():
    rows = re.findall(r'X\((\w+), "([^"]*)", \d+, \d+, (\d+), "(\w*)"\)', open(HEADER).read())
    assert [(name, text, python, int(code)) for name, text, code, python in rows] == list(_core.statuses)
    for name, _, code, python in rows[1:]:
        kind = getattr(mlaas, python)
        assert issubclass(kind, mlaas.Error) and kind.status == name and kind.exit_code == int(code)
        assert python in mlaas.__all__ and kind.__module__ == "mlaas" and kind.__doc__


@pytest.mark.parametrize(
    "name, also",
    [
        ("ArgumentError", ValueError),
        ("NotFoundError", FileNotFoundError),
        ("NotFoundError", KeyError),
        ("IOError", OSError),
        ("FormatError", ValueError),
        ("UnsupportedError", NotImplementedError),
        ("LimitError", MemoryError),
        ("MemoryError", MemoryError),
        ("TimeoutError", TimeoutError),
        ("StateError", RuntimeError),
    ],
)
def test_what_they_also_are(name, also):
    assert issubclass(getattr(mlaas, name), also)
    assert not issubclass(mlaas.CancelledError, KeyboardInterrupt)


@pytest.mark.parametrize("kind", list(_errors.by_name.values()), ids=lambda kind: kind.__name__)
def test_pickles_and_text(kind):
    error = kind("no such branch", "f.root: t", 17, 2)
    twin = pickle.loads(pickle.dumps(error))
    assert type(twin) is kind and str(twin) == "f.root: t: no such branch (byte 17)" == str(error)
    assert (twin.message, twin.where, twin.offset, twin.errno) == ("no such branch", "f.root: t", 17, 2)
    assert str(kind("only this")) == "only this"


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        mlaas.open(tmp_path / "nothing.root")
    error = caught.value
    assert isinstance(error, mlaas.NotFoundError) and error.status == "NOT_FOUND" and error.exit_code == 3
    assert "nothing.root" in str(error) and error.errno == 2 and error.strerror == "No such file or directory"


def test_not_a_root_file(tmp_path):
    path = tmp_path / "text.root"
    path.write_text("this is no ROOT file\n" * 100)
    with pytest.raises(mlaas.FormatError) as caught:
        mlaas.open(path)
    assert "text.root" in str(caught.value)


def test_a_flipped_bit_says_where(tmp_path):
    data = bytearray(open(tables.CLUSTERS, "rb").read())
    good = mlaas.open(tables.CLUSTERS)["t"].arrays(library="ak").tolist()
    path, refused = tmp_path / "flipped.root", 0
    for at in range(300, len(data), 397):
        damaged = bytearray(data)
        damaged[at] ^= 0x10
        path.write_bytes(damaged)
        try:
            table = mlaas.open(path)["t"]
            values = table.arrays([name for name in ("i", "v") if name in table.columns], library="ak").tolist()
            assert len(values) == len(good) or values != good
        except mlaas.Error as error:
            refused += 1
            assert "flipped.root" in str(error) and error.message
    assert refused > 3


def test_a_truncated_file(tmp_path):
    data = open(tables.CYCLES, "rb").read()
    path = tmp_path / "short.root"
    for length in (0, 3, 50, 200, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        try:
            mlaas.open(path)["t"].arrays()
        except mlaas.Error as error:
            assert "short.root" in str(error)
        else:
            assert length == len(data) - 1  # the last byte belongs to the free list


def test_wrong_types_are_type_errors():
    with pytest.raises(TypeError):
        mlaas.open(17)
    with pytest.raises(TypeError):
        mlaas.open(tables.CYCLES)["t"].select([3])
    with pytest.raises(mlaas.ArgumentError):
        mlaas.open(tables.CYCLES, threads=-3)


def test_unknown_parameters_suggest_the_nearest():
    with pytest.raises(mlaas.ArgumentError, match="nevts"):
        mlaas.params_check({"nevnts": 5})
    assert mlaas.params_check({"nevents": 5})["nevts"] == 5
    table = {row["name"]: row for row in mlaas.param_table()}
    assert table["batch_size"]["default"] == 256 and "nevents" in table["nevts"]["synonyms"]


def test_without_the_extension_the_import_says_what_to_do(tmp_path):
    import shutil
    import subprocess
    import sys

    package = tmp_path / "mlaas"
    shutil.copytree(mlaas.__path__[0], package, ignore=shutil.ignore_patterns("_core*", "__pycache__"))
    run = subprocess.run(
        [sys.executable, "-c", "import mlaas"], env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert run.returncode == 1 and "mlaas._core" in run.stderr and "pip install ." in run.stderr
