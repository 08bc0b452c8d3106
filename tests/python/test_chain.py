"""Chains: many files as one stream of rows, with the same values as one by one."""

import json
import os
import pickle
import shutil
from pathlib import Path

import awkward as ak
import mlaas
import numpy as np
import pyarrow
import pytest
import uproot
from test_cli import ROOT

SHARED = Path(os.environ.get("MLAAS_SHARED", ROOT.parent / "shared"))
MADE = SHARED / "corpus/made"


def write(path, first, rows, **types):
    with uproot.recreate(path) as file:
        values = {
            "x": np.arange(first, first + rows, dtype="float32"),
            "v": ak.Array([[i] * (i % 3) for i in range(rows)]),
        }
        values = {
            key: ak.values_astype(v, types.get(key, "int32" if key == "v" else "float32")) for key, v in values.items()
        }
        file["dir/t"] = values


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / f"part{i}.root" for i in range(3)]
    for i, path in enumerate(paths):
        write(path, 100 * i, 7 + i)
    return paths


def test_rows_come_file_by_file(files):
    chain = mlaas.chain(files, "dir/t")
    assert {"x", "v"} <= set(chain.columns) and len(chain) == 24
    expected = ak.concatenate([mlaas.open(path)["dir/t"].arrays(library="ak") for path in files])
    assert ak.array_equal(chain.arrays(library="ak"), expected)
    assert [len(batch) for batch in chain.batches(5)] == [5, 2, 5, 3, 5, 4]
    assert pyarrow.table(chain)["x"].to_pylist() == expected["x"].to_list()
    view = chain.select(["v"])
    assert view.columns == ["v"] and list(view.arrays()) == ["v"]
    assert chain.files == [(str(path), "dir/t") for path in files]
    again = pickle.loads(pickle.dumps(view))
    assert len(again) == 24 and again.columns == ["v"]
    assert "3 files" in repr(chain)


def test_names_may_have_stars(files, tmp_path):
    chain = mlaas.chain(tmp_path / "part*.root")
    assert [path for path, _ in chain.files] == [str(path) for path in files]
    assert chain.arrays(["x"])["x"][:3].tolist() == [0, 1, 2]
    with pytest.raises(mlaas.NotFoundError, match="no file"):
        mlaas.chain(tmp_path / "none*.root")


def test_a_file_of_another_kind_is_named(files, tmp_path):
    other = tmp_path / "other.root"
    write(other, 0, 4, x="float64")
    chain = mlaas.chain([files[0], other], "dir/t")
    with pytest.raises(mlaas.SchemaError, match=r"other.root.*column x is of type .*ouble.*first file"):
        chain.arrays()
    assert chain.arrays(["v"])["v"].offsets[-1] > 0
    with uproot.recreate(other) as file:
        file["dir/t"] = {"x": np.zeros(3, "float32")}
    with pytest.raises(mlaas.SchemaError, match=r"other.root.*column v .*is missing"):
        chain.arrays(["v"])
    with pytest.raises(pyarrow.ArrowInvalid, match="is missing"):
        pyarrow.table(chain)


def test_what_cannot_be_opened(files, tmp_path):
    with pytest.raises(mlaas.NotFoundError):
        mlaas.chain([tmp_path / "none.root"])
    late = mlaas.chain([files[0], tmp_path / "none.root"], "dir/t")
    with pytest.raises(mlaas.NotFoundError, match="none.root"):
        late.arrays()
    with pytest.raises(mlaas.NotFoundError, match="did you mean x"):
        mlaas.chain(files).select(["xx"])
    with pytest.raises(mlaas.ArgumentError):
        mlaas.chain([])
    with pytest.raises(mlaas.ArgumentError, match="names"):
        mlaas.chain(files).select("x")
    with pytest.raises(mlaas.ArgumentError, match="0 chains"):
        mlaas.chain(mlaas.open(files[0]))
    with pytest.raises(mlaas.ArgumentError, match="not a TChain"):
        mlaas.chain(mlaas.open(files[0]), "dir/t")


@pytest.mark.skipif(not MADE.is_dir(), reason="needs ../shared/corpus/made")
def test_a_chain_that_root_wrote(tmp_path):
    fact = json.loads((MADE / "FACTS.json").read_text())["chain.root"]["chain"]
    chain = mlaas.chain(mlaas.open(MADE / "chain.root"))
    assert [os.path.basename(path) for path, _ in chain.files] == fact["files"]
    assert len(chain) == fact["entries"]
    assert chain.arrays(["i"])["i"].sum() == fact["i_sum"]
    shutil.copy(MADE / "chain.root", tmp_path)
    with pytest.raises(mlaas.NotFoundError, match="chain-1.root"):
        mlaas.chain(mlaas.open(tmp_path / "chain.root"))
