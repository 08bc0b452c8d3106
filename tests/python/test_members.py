"""Members of structs as columns: the same values as in the whole, from trees and ntuples, alone and together."""

import os

import mlaas
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

FIXTURES = ["ntuple-classes.root", "ntuple-containers.root", "leaf-lists.root", "collections-split0-memberwise.root"]
DATA = os.path.join(os.path.dirname(__file__), "..", "data")
MADE = os.path.join(os.path.dirname(__file__), "..", "..", "..", "shared", "corpus", "made")


def whole_paths(kind, path=()):
    "Paths of members below a type, as they are named."
    if pa.types.is_map(kind):
        yield from whole_paths(pa.struct([("key", kind.key_type), ("value", kind.item_type)]), path)
    elif pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        yield from whole_paths(kind.value_type, path)
    elif pa.types.is_struct(kind):
        for field in kind:
            below = list(whole_paths(field.type, (*path, field.name)))
            yield from below or [(*path, field.name)]


def take(array, names):
    "The member of each value, as Python."
    if isinstance(array, list):
        return [take(item, names) for item in array]
    if array is None or not names:
        return array
    if isinstance(array, tuple):  # of a map
        return take(array[{"key": 0, "value": 1}[names[0]]], names[1:])
    return take(array[names[0]], names[1:])


def same(a, b):
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    return a == b or (a != a and b != b)


def path_of(name):
    for folder in (DATA, MADE):
        if os.path.exists(os.path.join(folder, name)):
            return os.path.join(folder, name)
    pytest.skip(f"{name} is in ../shared/corpus/made, which is not here")


@pytest.mark.parametrize("name", FIXTURES)
def test_members_are_what_the_whole_holds(name):
    file, checked = mlaas.open(path_of(name)), 0
    for path in file.tables:
        table = file[path]
        for column in table.columns:
            whole = pa.table(table.select([column])).column(0)
            for members in whole_paths(whole.type):
                wanted = take(whole.to_pylist(), list(members))
                member = ".".join((column, *members))
                got = pa.table(table.select([member]))
                assert got.column_names == [member]
                assert same(got.column(0).to_pylist(), wanted), member
                checked += 1
    assert checked >= 5


def test_members_are_listed_and_named_in_errors(tmp_path):
    table = mlaas.open(path_of("ntuple-classes.root"))[None]
    assert "jets.pt" in table.members and "jets.pt" not in table.columns
    with pytest.raises(mlaas.NotFoundError, match="did you mean jets.pt"):
        table.select(["jets.pz"])


def test_members_of_one_branch_are_read_together_and_twice():
    table = mlaas.open(path_of("leaf-lists.root"))[None]
    names = [name for name in table.members if name.startswith(table.members[0].split(".")[0] + ".")]
    whole = table.members[0].split(".")[0]
    both = pa.table(table.select([whole, *names, names[0]]))
    for name in names:
        got = both.column(both.column_names.index(name)).combine_chunks()
        wanted = pc.struct_field(both.column(0).combine_chunks(), name[len(whole) + 1 :])
        assert same(got.to_pylist(), wanted.to_pylist())
    assert same(both.column(len(names) + 1).to_pylist(), both.column(1).to_pylist())


def test_an_ntuple_reads_no_more_than_the_member():
    file = mlaas.open(path_of("ntuple-classes.root"))
    table = file[None]
    before = file.info["bytes_read"]
    pa.table(table.select(["vec_derived.x"]))
    member = file.info["bytes_read"] - before
    before = file.info["bytes_read"]
    pa.table(table.select(["vec_derived"]))
    assert member < (file.info["bytes_read"] - before) / 2


def test_members_are_branches_of_a_data_set():
    path = path_of("ntuple-classes.root")
    params = {"selected_branches": ["jets.pt", "point.x"], "split": [1, 0, 0], "width": 3, "scaler": "none"}
    dataset = mlaas.Dataset([path], params=params)
    x = np.concatenate([np.array(batch.x) for batch in dataset.loader("train", shuffle=False)])
    table = mlaas.open(path)[None]
    lists = pa.table(table.select(["jets.pt"])).column(0).to_pylist()
    wanted = np.array(pa.table(table.select(["point.x"])).column(0))
    assert len(x) == len(wanted) and x.shape[1] == 4
    assert np.array_equal(x[:, 0], wanted)
    for row, values in zip(x, lists):
        assert np.array_equal(row[1:], (values + [0, 0, 0])[:3])


@pytest.mark.parametrize("name", FIXTURES)
def test_arrays_of_nested_columns(name):
    "What arrays() gives is what Arrow has, for maps, options and structs too."
    import awkward as ak

    file = mlaas.open(path_of(name))
    for path in file.tables:
        table = file[path]
        for column in table.columns:
            wanted = pa.table(table.select([column])).column(0).to_pylist()
            got = table.arrays([column], library="ak")[column]
            assert same(plain(wanted), plain(ak.to_list(got))), column
            assert len(table.arrays([column], library="pd")) == len(wanted)


def plain(value):
    "Structs and pairs as lists, however a library shows them."
    if isinstance(value, dict):
        value = list(value.values())
    return list(map(plain, value)) if isinstance(value, (list, tuple)) else value
