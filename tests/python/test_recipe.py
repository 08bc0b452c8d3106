"""Recipe: what fill makes of tables, Arrow, dicts, awkward arrays and frames, against NumPy."""

from __future__ import annotations

import json
import pickle

import awkward as ak
import mlaas
import numpy as np
import pytest
import tables

pa = pytest.importorskip("pyarrow")

WIDTH = 3


def column(branch, kind, **more):
    return {"branch": branch, "type": kind, "scaler": "standard", "mean": 2.0, "sd": 4.0, **more}


def recipe_of(*inputs):
    return mlaas.Recipe(json.dumps({"format": "mlaas-recipe", "version": 1, "table": "dir/kinds;1", "inputs": inputs}))


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("recipe") / "kinds.root")
    return path, tables.write_kinds(path)


@pytest.fixture
def recipe():
    return recipe_of(
        {
            "name": "x",
            "kind": "flat",
            "columns": [column("float32", "f"), column("int64", "l"), column("pt", "f", width=WIDTH)],
        }
    )


def expected(columns, rows=slice(None)):
    def scaled(values):
        return ((np.asarray(values, np.float64) - 2.0) / 4.0).astype(np.float32)

    pt = ak.pad_none(columns["pt"][rows], WIDTH, clip=True)
    mask = ak.to_numpy(ak.is_none(pt, axis=1)).astype(np.uint8)
    jagged = np.where(mask, np.float32(0), scaled(ak.to_numpy(ak.fill_none(pt, 0.0))))
    flat = [scaled(columns["float32"][rows])[:, None], scaled(columns["int64"][rows])[:, None]]
    return np.hstack([*flat, jagged]), np.hstack([np.zeros((len(mask), 2), np.uint8), mask])


def check(filled, columns, rows=slice(None)):
    x, mask = filled["x"]
    wanted, wanted_mask = expected(columns, rows)
    np.testing.assert_array_equal(mask, wanted_mask)
    np.testing.assert_allclose(x, wanted, rtol=1e-6, atol=1e-7)
    assert x.dtype == np.float32 and mask.dtype == np.uint8
    assert x.flags.writeable and (x.size == 0 or x.ctypes.data % 64 == mask.ctypes.data % 64 == 0)


def test_what_it_says(recipe):
    assert recipe.table == "dir/kinds;1" and recipe.branches == ["float32", "int64", "pt"]
    assert recipe.inputs == [{"name": "x", "padded": False, "slots": 1, "features": 5}]
    assert recipe.features() == recipe.features("x") == ["float32", "int64", "pt_0", "pt_1", "pt_2"]
    with pytest.raises(mlaas.ArgumentError, match="no input 'z'"):
        recipe.features("z")
    assert "5 features" in repr(recipe) and "pt_2" in recipe._repr_html_()


def test_json_pickle_and_equality(recipe):
    twin = mlaas.Recipe.from_json(recipe.to_json())
    assert twin == recipe == pickle.loads(pickle.dumps(recipe)) and hash(twin) == hash(recipe)
    assert recipe.to_dict()["version"] == 1


def test_every_kind_of_data_gives_the_same(recipe, kinds):
    table, columns = mlaas.open(kinds[0])["dir/kinds"], kinds[1]
    data = {
        "table": table,
        "arrow": pa.table(table),
        "batch": next(iter(table.batches(1000))),
        "awkward": table.arrays(library="ak"),
        "frame": table.arrays(["float32", "int64", "pt"], library="pd"),
        "jagged": table.arrays(["float32", "int64", "pt"]),
        "lists": {name: columns[name].tolist() for name in ("float32", "int64", "pt")},
    }
    for given in data.values():
        check(recipe.fill(given), columns)


def test_rows(recipe, kinds):
    table = mlaas.open(kinds[0])["dir/kinds"]
    for start, stop in ((0, 0), (3, 4), (240, 760), (990, None)):
        check(recipe.fill(table, start, stop), kinds[1], slice(start, stop))
        check(recipe.fill(pa.table(table), start, stop), kinds[1], slice(start, stop))


def test_padded_inputs_and_several_of_them(kinds):
    recipe = recipe_of(
        {"name": "jets", "kind": "padded", "slots": 4, "columns": [column("pt", "f"), column("pt", "f")]},
        {"name": "event", "kind": "flat", "columns": [column("int64", "l")]},
    )
    filled = recipe.fill(mlaas.open(kinds[0])["dir/kinds"])
    assert filled["jets"][0].shape == filled["jets"][1].shape == (1000, 4, 2)
    assert filled["event"][0].shape == (1000, 1)
    absent = np.arange(4)[None, :] >= ak.to_numpy(ak.num(kinds[1]["pt"]))[:, None]
    np.testing.assert_array_equal(filled["jets"][1][:, :, 0] == 1, absent)


def test_what_is_missing_or_does_not_fit(recipe, kinds):
    table = mlaas.open(kinds[0])["dir/kinds"]
    with pytest.raises(mlaas.NotFoundError, match="pt"):
        recipe.fill({"float32": [1.0], "int64": [1]})
    with pytest.raises(mlaas.SchemaError):
        recipe.fill({"float32": [1.0], "int64": [1], "pt": [1.0]})
    with pytest.raises(mlaas.ArgumentError, match="differ in length"):
        recipe.fill({"float32": [1.0], "int64": [1, 2], "pt": [[1.0]]})
    with pytest.raises(mlaas.ArgumentError, match="single value"):
        recipe.fill({"float32": 1.0, "int64": 2, "pt": [1.0]})
    with pytest.raises(mlaas.ArgumentError, match="no table"):
        recipe.fill(17)
    with pytest.raises(mlaas.ArgumentError):
        recipe.fill(table, 5, 3)


def test_a_broken_recipe_says_where():
    for text in ("", "{", "{}", '{"format": "mlaas-recipe", "version": 1, "table": "t", "inputs": 3}'):
        with pytest.raises(mlaas.FormatError):
            mlaas.Recipe(text)
    with pytest.raises(mlaas.UnsupportedError):
        mlaas.Recipe('{"format": "mlaas-recipe", "version": 99, "table": "t", "inputs": []}')


def test_params_from_a_file_and_from_numpy(tmp_path):
    path = tmp_path / "params.json"
    path.write_text('{"nevents": 7}')
    assert mlaas.params_check(path)["nevts"] == mlaas.params_check({"nevts": np.int64(7)})["nevts"] == 7
    with pytest.raises(mlaas.ArgumentError, match="cannot be read"):
        mlaas.params_check(tmp_path / "none.json")
    with pytest.raises(mlaas.ArgumentError, match="JSON"):
        mlaas.params_check({"nevts": object()})
