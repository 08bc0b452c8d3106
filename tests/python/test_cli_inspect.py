"""`mlaas inspect` on real files, held against uproot."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import uproot
from test_cli import ARGUMENT, FORMAT, NOT_FOUND, ROOT, refused, run

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
    done = run("inspect", SHARED / "corpus/scikit-hep-testdata/uproot-issue407.root")
    assert done.returncode == 0
    assert "cannot be read (2):" in done.stdout and "class Hit is not in the file" in done.stdout
    names = run("inspect", SHARED / "corpus/made/names.root")
    assert "ünïcödé;1" in names.stdout


UTF8, ASCII = {"LC_ALL": "C.UTF-8"}, {"LC_ALL": "C"}


def test_the_tree_shows_directories_tables_and_branches():
    lines = run("inspect", "--tree", MADE / "names.root", env=UTF8).stdout.split("\n")
    assert lines[0].startswith(str(MADE / "names.root"))
    assert lines[1].startswith("├── a.b;1 ") and lines[1].endswith("TTree  20 entries, 4 branches, 520 B")
    assert lines[2].startswith("│   ├── i  ") and "Int_t" in lines[2]
    assert any(line.startswith("│       └── three/") for line in lines)
    assert lines.count("├── one/") == 1
    plain = run("inspect", "--tree", MADE / "names.root", env=ASCII).stdout.split("\n")
    assert plain[1].startswith("|-- a.b;1 ") and plain[5].startswith("|   `-- ")
    (only,) = [
        line
        for line in run("inspect", "--tree", "--brief", "--table", "one/t", MADE / "names.root").stdout.split("\n")
        if "TTree" in line
    ]
    assert "t;1" in only


def test_the_tree_fits_the_terminal():
    lines = run("inspect", "--tree", SAMPLE, env={"COLUMNS": "50", **UTF8}).stdout.split("\n")
    assert max(len(line) for line in lines[1:]) <= 50


def test_the_tree_shows_objects_beside_tables(tmp_path):
    with uproot.recreate(tmp_path / "h.root") as file:
        file["plots/h"] = np.histogram(np.arange(10.0), 5)
        file["note"] = "hello"
    drawn = run("inspect", "--tree", tmp_path / "h.root", env=UTF8).stdout
    assert "├── note;1" in drawn and "TObjString" in drawn
    assert "└── plots/" in drawn and "    └── h;1" in drawn


def write_pair(tmp_path):
    "Two files whose schemas differ in known ways."
    for name, types, rows, codec in (
        ("a.root", {"x": "float32", "y": "int32", "gone": "int8"}, 300, uproot.ZLIB(1)),
        ("b.root", {"x": "float64", "y": "int32", "new": "bool"}, 500, uproot.ZLIB(1)),
    ):
        with uproot.recreate(tmp_path / name, compression=codec) as file:
            file.mktree("dir/t", types).extend({key: np.ones(rows, type) for key, type in types.items()})
            file.mktree(f"only_{name[0]}", {"z": "int32"}).extend({"z": np.ones(2, "int32")})
            file.mktree("same", {"z": "int32"}).extend({"z": np.ones(2, "int32")})
    return tmp_path / "a.root", tmp_path / "b.root"


def test_diff_says_what_differs_and_exits_with_1(tmp_path):
    a, b = write_pair(tmp_path)
    done = run("inspect", "--diff", a, b)
    assert done.returncode == 1 and done.stderr == ""
    assert done.stdout.split("\n")[:2] == [f"--- {a}", f"+++ {b}"]
    assert "~ dir/t  entries: 300 -> 500\n" in done.stdout
    assert "  ~ x  type: Float_t -> Double_t\n" in done.stdout
    assert "\n  - gone  " in done.stdout and "\n  + new  " in done.stdout
    assert "\n- only_a\n" in done.stdout and "\n+ only_b\n" in done.stdout
    assert "same" not in done.stdout and " y " not in done.stdout


def test_diff_as_json_and_of_equal_files(tmp_path):
    a, b = write_pair(tmp_path)
    done = run("inspect", "--diff", "--json", a, b)
    page = json.loads(done.stdout)
    assert done.returncode == 1
    assert (page["format"], page["version"], page["equal"]) == ("mlaas-inspect-diff", 1, False)
    assert page["files"] == [str(a), str(b)]
    changes = {table["path"]: table for table in page["tables"]}
    assert {path: table["change"] for path, table in changes.items()} == {
        "dir/t": "changed",
        "only_a": "removed",
        "only_b": "added",
    }
    assert changes["dir/t"]["entries"] == [300, 500]
    assert {c["name"]: c["change"] for c in changes["dir/t"]["columns"]} == {
        "x": "changed",
        "gone": "removed",
        "new": "added",
    }
    same = run("inspect", "--diff", a, a)
    assert (same.returncode, same.stdout) == (0, "")
    assert run("inspect", "--diff", "--table", "same", a, b).returncode == 0
    refused(run("inspect", "--diff", "--table", "only_a", a, b), NOT_FOUND, "only_b")
    refused(run("inspect", "--diff", a), ARGUMENT, "--diff compares two files; 1 were given")
    refused(run("inspect", "--diff", "--tree", a, b), ARGUMENT, "different views")


def test_diff_sees_another_compression(tmp_path):
    for name, codec in (("a", uproot.ZLIB(1)), ("b", uproot.ZSTD(5))):
        with uproot.recreate(tmp_path / f"{name}.root", compression=codec) as file:
            file.mktree("t", {"x": "float32"}).extend({"x": np.zeros(1000, "float32")})
    done = run("inspect", "--diff", tmp_path / "a.root", tmp_path / "b.root")
    assert "  ~ x  compression: zlib 1 -> ZSTD 5\n" in done.stdout


def test_histograms_are_listed_with_numbers_and_a_sketch(tmp_path):
    path = tmp_path / "h.root"
    counts, edges = np.array([0.0, 1, 2, 8]), np.array([0.0, 1, 2, 3, 4])
    with uproot.recreate(path) as file:
        file["plots/h"] = counts, edges
        file["two"] = np.histogram2d(np.arange(10.0), np.arange(10.0), (5, 3))
        file["note"] = "hello"
        file.mktree("t", {"x": "int32"})
    done = run("inspect", "--histograms", path, env=UTF8)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.split("\n")
    at = next(i for i, line in enumerate(lines) if line.startswith("  plots/h;1  TH1D"))
    assert lines[at + 1].startswith("    4 bins from 0 to 4; ") and ", sum 11, mean 3.13636" in lines[at + 1]
    assert lines[at + 2] == "     ▂▃█"
    assert "    x: 5 bins from 0 to 9, y: 3 bins from 0 to 9; " in done.stdout
    assert '  note;1  TObjString\n    "hello"\n' in done.stdout.replace(' "Collectable string class"', "")
    plain = run("inspect", "--histograms", path, env=ASCII).stdout
    assert plain.isascii() and "\n     :-@\n" in plain
    page = json.loads(run("inspect", "--histograms", "--json", path).stdout)
    assert (page["format"], page["version"]) == ("mlaas-objects", 1)
    objects = {made["path"]: made for made in page["files"][0]["objects"]}
    assert set(objects) == {"plots/h;1", "two;1", "note;1"}
    histogram = objects["plots/h;1"]["histogram"]
    assert histogram["sum"] == 11 and histogram["axes"] == [{"title": "", "bins": 4, "low": 0, "high": 4}]
    assert objects["note;1"]["histogram"] is None and objects["note;1"]["summary"] == '"hello"'
    assert "holds tables only" in run("inspect", "--histograms", SAMPLE).stdout


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/corpus")
def test_histograms_of_root_agree_with_uproot():
    path = SHARED / "corpus/scikit-hep-testdata/uproot-hepdata-example.root"
    page = json.loads(run("inspect", "--histograms", "--json", path).stdout)
    theirs = uproot.open(path)
    for made in page["files"][0]["objects"]:
        h = theirs[made["path"]]
        assert made["class"] == h.classname and made["histogram"]["entries"] == h.member("fEntries")
        assert [axis["bins"] for axis in made["histogram"]["axes"]] == [len(axis) for axis in h.axes]
        if made["class"] == "TH1F":
            assert made["histogram"]["sum"] == pytest.approx(h.values().sum())
            assert made["histogram"]["mean"] == pytest.approx(h.member("fTsumwx") / h.member("fTsumw"))
