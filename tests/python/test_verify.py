"""Verification: what is sound is called so; each damage is found, at its place, and nothing else is blamed."""

import json
import os
import shutil
from pathlib import Path

import mlaas
import numpy as np
import pytest
import uproot
from tables import CLUSTERS, DATA, write_kinds
from test_cli import ARGUMENT, FORMAT, NOT_FOUND, ROOT, run

SHARED = Path(os.environ.get("MLAAS_SHARED", ROOT.parent / "shared"))
CHECKSUM = 6


def baskets_of(path, name):
    "(branch, number, first byte, byte behind) of every basket on disk, as uproot finds them."
    tree = uproot.open(path)[name]
    for branch in tree.itervalues(recursive=True):
        seeks, sizes = branch.member("fBasketSeek"), branch.member("fBasketBytes")
        for i in range(branch.num_baskets):
            if seeks[i]:
                yield branch.name, i, int(seeks[i]), int(seeks[i] + sizes[i])


def flip(path, *offsets):
    data = bytearray(Path(path).read_bytes())
    for offset in offsets:
        data[offset] ^= 0x21
    Path(path).write_bytes(data)


@pytest.mark.parametrize("codec", [uproot.ZLIB(1), uproot.LZ4(1), uproot.LZMA(1)])
def test_every_damaged_basket_is_found_and_no_other(tmp_path, codec):
    path = tmp_path / "a.root"
    write_kinds(path)
    with uproot.recreate(path, compression=codec) as file:
        tree = file.mktree("t", {"x": "float64", "n": "int32", "s": "uint8"})
        for part in range(4):
            tree.extend({"x": np.arange(1000) * 0.5 + part, "n": np.arange(1000) % 7, "s": np.ones(1000, "uint8")})
    assert mlaas.verify(path).ok
    baskets = list(baskets_of(path, "t"))
    hit = baskets[1::3]
    flip(path, *(stop - 3 for _, _, _, stop in hit))
    done = mlaas.verify(path)
    assert not done and done.status in ("CHECKSUM", "FORMAT")
    assert sorted((f.column, f.number) for f in done.findings) == sorted((name, i) for name, i, _, _ in hit)
    for finding in done.findings:
        assert (finding.part, finding.path) == ("basket", "t;1")
        assert any(start <= finding.offset < stop for _, _, start, stop in hit)
    assert (done.columns, done.undecoded, done.baskets) == (3, 0, len(baskets))


def test_the_limit_of_findings_counts_what_it_does_not_list(tmp_path):
    path = tmp_path / "a.root"
    shutil.copy(CLUSTERS, path)
    flip(path, *(stop - 1 for name, _, _, stop in baskets_of(path, "t") if name == "v"))
    done = mlaas.open(path).verify(most_findings=2)
    assert len(done.findings) == 2 and done.num_findings > 2
    assert "findings" in repr(done) and "basket" in str(done.findings[0])


def test_one_table_and_what_is_no_file(tmp_path):
    path = os.path.join(DATA, "names.root")
    assert mlaas.verify(path, table="one/two/t").tables == 1
    with pytest.raises(mlaas.NotFoundError, match="did you mean"):
        mlaas.verify(path, table="one/two/u")
    with pytest.raises(mlaas.NotFoundError):
        mlaas.verify(tmp_path / "none.root")
    cut = tmp_path / "cut.root"
    cut.write_bytes(Path(path).read_bytes()[:-200])
    (first, *_) = mlaas.verify(cut).findings
    assert first.part == "file" and first.status == "FORMAT"


def test_an_object_that_contradicts_itself_is_found(tmp_path):
    path = tmp_path / "h.root"
    with uproot.recreate(path, compression=None) as file:
        file["h"] = np.histogram(np.arange(100.0), 40)
    assert mlaas.verify(path).ok
    key = uproot.open(path).key("h")
    data = bytearray(path.read_bytes())
    data[key.fSeekKey + key.fKeylen + 2] ^= 0x7F  # the length that the object gives itself
    path.write_bytes(data)
    done = mlaas.verify(path)
    assert [(f.part, f.path, f.status) for f in done.findings] == [("object", "h;1", "FORMAT")]


def test_progress_is_told_and_may_stop():
    told = []
    assert mlaas.verify(CLUSTERS, progress=lambda *bytes: told.append(bytes))
    assert told and all(0 <= done <= total == os.path.getsize(CLUSTERS) for done, total in told)
    with pytest.raises(ZeroDivisionError):
        mlaas.verify(CLUSTERS, progress=lambda done, total: 1 // 0)


def test_the_command_says_it_too(tmp_path):
    sound, broken = Path(CLUSTERS), tmp_path / "b.root"
    shutil.copy(sound, broken)
    done = run("inspect", "--verify", sound)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split("\n")[1].startswith("  sound: 1 key, 1 table, 2 columns decoded, 28 baskets")
    name, number, start, stop = list(baskets_of(broken, "t"))[-1]
    flip(broken, stop - 1)
    done = run("inspect", "--verify", sound, broken)
    assert done.returncode in (CHECKSUM, FORMAT) and done.stderr == ""
    assert f"  broken  t;1: {name}: basket {number} (byte " in done.stdout
    assert "  1 finding: " in done.stdout and "  sound: " in done.stdout
    page = json.loads(run("inspect", "--verify", "--json", sound, broken).stdout)
    assert (page["format"], page["version"]) == ("mlaas-verify", 1)
    assert [file["status"] for file in page["files"]][0] == "OK"
    (finding,) = page["files"][1]["findings"]
    assert (finding["part"], finding["column"], finding["number"]) == ("basket", name, number)
    assert start <= finding["offset"] < stop
    assert run("inspect", "--verify", tmp_path / "none.root").returncode == NOT_FOUND
    assert run("inspect", "--verify", "--tree", sound).returncode == ARGUMENT


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/corpus")
def test_the_corpus_is_sound():
    "Files of many writers and years: none is called broken."
    files = sorted((SHARED / "corpus").rglob("*.root"))
    assert len(files) > 300
    broken = {}
    for path in files:
        try:
            done = mlaas.verify(path, memory="2 GiB")
        except mlaas.Error as error:
            broken[path.name] = str(error)
            continue
        if not done:
            broken[path.name] = str(done.findings[0])
    assert broken == {}
