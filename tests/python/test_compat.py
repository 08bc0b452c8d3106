"""mlaas.compat beyond the recorded runs: options of ours, messages, and what a user can do about them."""

import json
import os

import mlaas
import numpy as np
import pytest
from golden_cases import place_files
from mlaas.compat import CompatLoader, Selection, scan_file
from mlaas.compat.events import EventReader

TREE = {"branch": "boosted/events"}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place_files([f"special_{name}.root" for name in "abl"], tmp_path)
    return tmp_path


def load(files, labels, params=None, **options):
    return CompatLoader(files, labels, {**TREE, **(params or {})}, **options)


def test_without_folder_nothing_is_written_and_the_chunks_are_the_same(folder):
    one = [chunk.x for chunk in load(["special_a.root", "special_b.root"], [1, 0], folder=None)]
    assert not list(folder.glob("*.json"))
    other = [chunk.x for chunk in load(["special_a.root", "special_b.root"], [1, 0])]
    assert sorted(p.name for p in folder.glob("*.json")) == [
        "global-specs.json",
        "specs-special_a.json",
        "specs-special_b.json",
    ]
    np.testing.assert_array_equal(np.concatenate(one), np.concatenate(other))


def test_chunk_size_minus_one_is_one_chunk_of_all():
    loader = load(["special_a.root", "special_b.root"], [1, 0], {"chunk_size": -1})
    chunks = list(loader)
    assert [chunk.per_file for chunk in chunks] == [[("special_a.root", 300), ("special_b.root", 250)]]
    assert len(list(load(["special_a.root"], [1], {"chunk_size": -1, "nevts": 70}))[0]) == 70


def test_single_precision_is_the_rounded_double():
    double = next(iter(load(["special_b.root"], [0], folder=None)))
    single = next(iter(load(["special_b.root"], [0], folder=None, dtype=np.float32)))
    assert single.x.dtype == np.float32
    np.testing.assert_array_equal(single.x, double.x.astype(np.float32))
    np.testing.assert_array_equal(single.mask, double.mask)
    assert not np.isnan(single.filled()).any() and (single.filled()[single.mask == 1] == 0).all()


def test_found_specs_are_used_but_not_without_a_word():
    assert load(["special_a.root"], [1]).warnings == []
    again = load(["special_b.root"], [1])
    assert again.warnings == ["global-specs.json was found in the folder and is used, whatever data it was made for"]
    with pytest.raises(mlaas.SchemaError) as caught:
        next(iter(again))
    assert str(caught.value).startswith("special_b.root: entry ")
    assert "the specs have room for 4; the original stops here with ValueError" in str(caught.value)


def test_branch_is_named_that_the_stale_specs_want():
    load(["special_a.root"], [1])
    with pytest.raises(mlaas.StaleError, match="special_a.root: the specs name branch 'ramp', which is not read here"):
        next(iter(load(["special_a.root"], [1], {"exclude_branches": ["ramp"]})))


@pytest.mark.parametrize(
    "text, kind, says", [("{", "FormatError", "not JSON"), ('{"a": 1}', "FormatError", "no key 'jdim'")]
)
def test_damaged_spec_file_is_refused(folder, text, kind, says):
    (folder / "global-specs.json").write_text(text)
    with pytest.raises(getattr(mlaas, kind), match=says):
        load(["special_a.root"], [1])


@pytest.mark.parametrize(
    "files, labels, params, kind, says",
    [
        (["absent.root"], [1], {}, "NotFoundError", "absent.root: no such file"),
        (["special_a.root"], [1], {"branch": "events"}, "NotFoundError", "special_a.root: no tree 'events'"),
        (["special_a.root"], [1], {"nevts": 0}, "ArgumentError", "nevts 0 with chunk_size 1000 leaves no step"),
        (["special_a.root"], [1], {"chunk_size": 0}, "ArgumentError", "chunk_size 0 leaves no step"),
        (["special_a.root"], [1], {"selected_branches": "ramp"}, "NotFoundError", "no branch 'r' in the tree"),
        ([], [], {}, "ArgumentError", "the list of files is empty"),
    ],
)
def test_what_cannot_be_opened_is_named(files, labels, params, kind, says):
    with pytest.raises(getattr(mlaas, kind), match=says) as caught:
        load(files, labels, params)
    assert str(caught.value).endswith(f"the original stops here with {caught.value.original}")


@pytest.mark.parametrize(
    "labels, original, says",
    [
        ("flag", "AttributeError", "a branch cannot be the label"),
        ([], "KeyError", "fewer labels than files"),
        (["0.5"], "ValueError", "label '0.5' is no integer"),
        ([None], "TypeError", "label None is no integer"),
    ],
)
def test_labels_that_the_original_could_not_take(labels, original, says):
    with pytest.raises(mlaas.ArgumentError, match=says) as caught:
        next(iter(load(["special_a.root"], labels)))
    assert caught.value.original == original


class ListTable:
    """A table with one branch of lists."""

    columns = ["j"]

    def __init__(self, rows):
        self.rows, self.num_entries = rows, len(rows)

    def arrays(self, names, start, stop, library):
        rows = self.rows[start:stop]
        offsets = np.cumsum([0, *(len(row) for row in rows)])
        return {"j": (offsets, np.array([value for row in rows for value in row], np.float32))}


def test_one_value_where_the_scan_saw_no_list_is_dropped_without_a_word():
    """As NumPy assigns it; two values end the run."""
    selection = Selection()
    specs = scan_file(ListTable([[], []]), selection, -1, 2)
    assert (specs.jdim, specs.minv, specs.maxv) == ({"j": 0}, {"j": 1e15}, {"j": -1e15})
    reader = EventReader(ListTable([[], [7.0], [1.0, 2.0]]), "lists", selection, 2)
    reader.load_specs(specs)
    assert reader.read(2).shape == (2, 0)
    with pytest.raises(mlaas.SchemaError, match="lists: entry 2: 2 values in 'j', the specs have room for 0"):
        reader.read(1)


def test_excluded_branches_come_from_a_file_or_a_text(folder):
    (folder / "drop.txt").write_text("a\nb c\n")
    assert Selection.from_params({"exclude_branches": "drop.txt"}).excluded == ["a", "b c"]
    assert Selection.from_params({"exclude_branches": "a, b"}).excluded == ["a", " b"]


def test_global_specs_name_files_and_events(folder):
    load(["special_a.root", "special_b.root"], [1, 0], {"nevts": 20})
    specs = json.loads((folder / "global-specs.json").read_text())
    assert specs["events"] == {"total": 550, "special_a.root": 300, "special_b.root": 250}
    assert os.path.exists(folder / "specs-special_b.json")


def test_recipe_makes_the_same_vectors(folder):
    """In single precision, with NaN as 0, and by the library's own code."""
    loader = load(["special_a.root", "special_b.root"], [1, 0], {"chunk_size": -1})
    x = next(iter(loader)).filled()
    recipe = mlaas.Recipe.from_json(loader.recipe_text())
    assert recipe.features() == loader.columns
    parts = []
    for name in loader.files:
        with mlaas.open(name) as file:
            parts.append(recipe.fill(file["boosted/events"])["x"][0])
    np.testing.assert_array_equal(np.concatenate(parts), x.astype(np.float32))
