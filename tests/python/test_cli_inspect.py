"""`mlaas inspect` on real files, held against uproot."""

import json
import os
from pathlib import Path

import pytest
import uproot
from test_cli import FORMAT, NOT_FOUND, ROOT, refused, run

SAMPLE = ROOT / "examples/tth/flatTree_ttHJetTobb_M125_13TeV.root"
MADE = ROOT / "tests/data"
SHARED = Path(os.environ.get("MLAAS_SHARED", ROOT.parent / "shared"))


def test_the_page_says_what_uproot_says():
    done = run("inspect", SAMPLE)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.split("\n")
    assert lines[0] == str(SAMPLE)
    assert "boosted/events;1  TTree" in lines
    tree = uproot.open(SAMPLE)["boosted/events"]
    rows = [line.split() for line in lines if line.startswith("  ") and len(line.split()) > 7]
    shown = {row[0] for row in rows}
    assert set(tree.keys()) <= shown
    assert f"  {tree.num_entries:,} entries, {len(tree.keys())} branches" in done.stdout


def test_json_agrees_with_uproot():
    page = json.loads(run("inspect", "--json", SAMPLE).stdout)
    assert (page["format"], page["version"]) == ("mlaas-inspect", 1)
    (file,) = page["files"]
    assert file["size"] == SAMPLE.stat().st_size
    (table,) = file["tables"]
    tree = uproot.open(SAMPLE)["boosted/events"]
    assert table["path"] == "boosted/events;1"
    assert table["entries"] == tree.num_entries
    assert table["clusters"] == list(tree.common_entry_offsets())[:-1]
    assert [branch["name"] for branch in table["branches"]] == tree.keys()
    for branch in table["branches"]:
        theirs = tree[branch["name"]]
        assert branch["unsupported"] is None
        assert branch["stored_bytes"] == theirs.compressed_bytes
        assert branch["raw_bytes"] == theirs.uncompressed_bytes
        assert branch["baskets"] == theirs.num_baskets


def test_brief_leaves_the_branches_out():
    brief, whole = run("inspect", "--brief", SAMPLE).stdout, run("inspect", SAMPLE).stdout
    assert "ak4bbEta" in whole and "ak4bbEta" not in brief
    assert "17,500 entries" in brief
    assert "branches" not in json.loads(run("inspect", "--brief", "--json", SAMPLE).stdout)["files"][0]["tables"][0]


def test_a_table_is_chosen_by_name():
    whole = run("inspect", SAMPLE).stdout
    assert run("inspect", "--table", "boosted/events", SAMPLE).stdout == whole
    assert run("inspect", "--table=boosted/events;1", SAMPLE).stdout == whole
    refused(run("inspect", "--table", "boosted/event", SAMPLE), NOT_FOUND, "did you mean boosted/events")


def test_what_is_no_root_file_is_refused(tmp_path):
    text = tmp_path / "text.root"
    text.write_text("hello")
    refused(run("inspect", text), FORMAT, str(text), "not a ROOT file")
    refused(run("inspect", tmp_path / "none.root"), NOT_FOUND, "No such file")
    cut = tmp_path / "cut.root"
    cut.write_bytes(SAMPLE.read_bytes()[:5000])
    done = run("inspect", cut)
    assert done.returncode == FORMAT
    assert str(cut) in done.stderr


def test_lines_fit_the_terminal():
    for width in (60, 80, 200):
        lines = run("inspect", SAMPLE, env={"COLUMNS": str(width)}).stdout.split("\n")
        assert all(len(line) <= width for line in lines[6:])


def test_several_files_come_one_after_the_other():
    other = ROOT / "examples/tth/flatTree_ttH_noDRmatch.root"
    done = run("inspect", "--brief", SAMPLE, other)
    assert done.stdout.count("boosted/events;1") == 2
    assert len(json.loads(run("inspect", "--json", SAMPLE, other).stdout)["files"]) == 2


def test_control_characters_do_not_reach_the_terminal(tmp_path):
    evil = tmp_path / "evil.root"
    with uproot.recreate(evil) as file:
        tree = file.mktree("t", {"x": "float32"}, title="a\x1b[31mb")
        tree.extend({"x": [1, 2, 3]})
    done = run("inspect", evil)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert "a?[31mb" in done.stdout


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/corpus")
def test_what_cannot_be_read_is_listed_with_its_reason():
    done = run("inspect", SHARED / "corpus/made/class-split0.root")
    assert done.returncode == 0
    assert "cannot be read (1):" in done.stdout
    names = run("inspect", SHARED / "corpus/made/names.root")
    assert "ünïcödé;1" in names.stdout
