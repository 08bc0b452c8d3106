"""Friends of trees: by entry, by index, with rows that are missing; and the files of a chain.

friends-main.root and friends-index.root are written by tests/data/make_friends.py with values that are known here.
"""

import json
import os
import pickle
import shutil
from pathlib import Path

import awkward as ak
import mlaas
import numpy as np
import pytest
from tables import DATA
from test_cli import ROOT

SHARED = Path(os.environ.get("MLAAS_SHARED", ROOT.parent / "shared"))
MADE = SHARED / "corpus/made"
needs_made = pytest.mark.skipif(not MADE.is_dir(), reason="needs ../shared/corpus/made")

MAIN = os.path.join(DATA, "friends-main.root")
ROWS = range(50)
THERE = [n % 7 != 3 for n in ROWS]


def joined(**limits):
    return mlaas.open(MAIN, **limits)["m"].with_friends()


def expected(make):
    return [make(n) if n % 7 != 3 else None for n in ROWS]


def test_friends_are_listed_as_they_were_written():
    friends = mlaas.open(MAIN)["m"].friends
    assert [(f["alias"], f["table"], f["file"]) for f in friends] == [
        ("i", "i", "friends-index.root"),
        ("near", "short", "friends-main.root"),
        ("e", "e", "friends-index.root"),
        ("r", "r", "friends-index.root"),
        ("same", "short", ""),
        ("full", "w", ""),
    ]
    assert mlaas.open(MAIN)["short"].friends == []


@pytest.mark.parametrize("threads, memory", [(1, None), (3, "3 MB")])
def test_rows_are_found_by_index_and_missing_ones_are_null(threads, memory):
    table = joined(threads=threads, memory=memory)
    rows = ak.concatenate([ak.from_arrow(batch) for batch in table.batches(7)])
    assert rows["x"].to_list() == list(ROWS)
    assert rows["i.run"].to_list() == expected(lambda n: n // 10)
    assert rows["i.event"].to_list() == expected(lambda n: 1000 + n)
    assert rows["i.y"].to_list() == expected(lambda n: n * 0.25)
    assert rows["i.even"].to_list() == expected(lambda n: n % 2 == 0)
    assert rows["i.v"].to_list() == expected(lambda n: [n * 1.5] * (n % 5))
    assert rows["i.s"].to_list() == expected(lambda n: chr(97 + n % 26) * (n % 4))
    assert rows["i.w"].to_list() == expected(lambda n: [[n] * (n % 4)] * (n % 3))
    assert rows["i.a"].to_list() == expected(lambda n: [[n * 10 + 3 * p + q for q in range(3)] for p in range(2)])


def test_an_index_of_one_column_has_a_number_for_the_other():
    assert joined().arrays(["r.q"])["r.q"].tolist() == [(n // 10) ** 2 for n in ROWS]


def test_without_an_index_row_i_is_entry_i():
    rows = ak.Array(joined().arrays(["near.z", "near.u", "same.z"], library="ak"))
    assert rows["near.z"].to_list() == [n if n < 30 else None for n in ROWS]
    assert rows["near.u"].to_list() == [[n] * (n % 3) if n < 30 else None for n in ROWS]
    assert rows["same.z"].to_list() == rows["near.z"].to_list()
    masked = joined().arrays(["near.z"], start=20)["near.z"]
    assert np.ma.count_masked(masked) == 20 and masked[:10].tolist() == list(range(20, 30))
    assert joined().arrays(["near.z"], start=35)["near.z"].tolist() == [None] * 15


def test_columns_say_whose_they_are():
    table = joined()
    assert table.columns[:4] == ["run", "event", "x", "i.run"]
    assert table.column_info("i.y")["type"] == "Double_t"
    assert table.schema.field("i.y").nullable and not table.schema.field("x").nullable
    assert table.schema.field("near.z").nullable and not table.schema.field("full.weight").nullable
    assert set(table.unsupported) == {"e.q", "e.run"}
    assert "run*2" in table.unsupported["e.q"]
    with pytest.raises(mlaas.UnsupportedError, match="not computed"):
        table.arrays(["e.q"])
    with pytest.raises(mlaas.NotFoundError, match="did you mean i.y"):
        table.select(["i.yy"])


def test_views_pickles_and_tables_without_friends():
    part = joined().select(["x", "i.y"], 10, 20)
    again = pickle.loads(pickle.dumps(part))
    assert again.columns == ["x", "i.y"] and again.arrays()["i.y"].tolist() == part.arrays()["i.y"].tolist()
    alone = mlaas.open(MAIN)["short"].with_friends()
    assert alone.columns == ["z", "u"] and len(alone.arrays()["z"]) == 30
    view = mlaas.open(MAIN)["m"].select(start=5, stop=9).with_friends()
    assert view.arrays(["i.y"])["i.y"].tolist() == expected(lambda n: n * 0.25)[5:9]


def test_a_friend_that_is_gone_is_named():
    with pytest.raises(mlaas.NotFoundError, match="friend g.*gone.root"):
        mlaas.open(MAIN)["lost"].with_friends()
    assert mlaas.open(MAIN)["lost"].columns == ["x"]


def test_a_friend_may_have_moved_with_its_file(tmp_path):
    for name in ("friends-main.root", "friends-index.root"):
        shutil.copy(os.path.join(DATA, name), tmp_path)
    table = mlaas.open(tmp_path / "friends-main.root")["m"].with_friends()
    assert table.arrays(["i.y"])["i.y"].tolist() == expected(lambda n: n * 0.25)


def test_data_sets_take_branches_of_friends():
    params = {
        "branch": "m",
        "friends": True,
        "selected_branches": ["x", "full.weight", "full.c"],
        "scaler": "none",
        "split": [1, 0, 0],
        "pad": -1,
        "width": 2,
    }
    dataset = mlaas.Dataset([MAIN, MAIN], [0, 1], params)
    rows = np.concatenate([np.asarray(batch.x) for batch in dataset.loader("all", shuffle=False, batch_size=20)])
    assert rows.shape == (100, 4)
    columns = {tuple(column) for column in rows[:50].T.tolist()}
    assert columns == {
        tuple(map(float, ROWS)),
        tuple(1 + n * 0.5 for n in ROWS),
        *(tuple(float(n) if n % 3 > slot else -1.0 for n in ROWS) for slot in range(2)),
    }
    with pytest.raises(mlaas.NotFoundError, match="full.weight"):
        mlaas.Dataset([MAIN], [0], {**params, "friends": False})
    with pytest.raises(mlaas.NotFoundError, match="values of it are missing"):
        mlaas.Dataset([MAIN], [0], {**params, "selected_branches": ["i.y"]})


@needs_made
def test_the_made_friends_join_by_value():
    facts = json.loads((MADE / "FACTS.json").read_text())
    table = mlaas.open(MADE / "friend-a.root")["a"].with_friends()
    rows = table.arrays()
    assert rows["b.event"].tolist() == rows["also.event"].tolist() == rows["event"].tolist()
    own = mlaas.open(MADE / "friend-b.root")["b"].arrays()
    order = facts["friend-b.root"]["index"]["sorted_entries"]
    assert rows["b.y"].tolist() == own["y"][order].tolist()
    if (MADE / "friend-same-file.root").exists():
        same = mlaas.open(MADE / "friend-same-file.root")
        assert any(same[name].friends for name in same.tables)


@needs_made
def test_clusters_of_ranges_are_read_exactly():
    facts = json.loads((MADE / "FACTS.json").read_text())["clusters-merged.root"]
    assert mlaas.open(MADE / "clusters-merged.root")["t"].clusters == facts["cluster_starts"]


@needs_made
def test_a_chain_that_was_written_lists_its_files():
    fact = json.loads((MADE / "FACTS.json").read_text())["chain.root"]["chain"]
    parts = mlaas.open(MADE / "chain.root")[fact["object"]].chain
    assert [part["file"] for part in parts] == fact["files"]
    assert {part["table"] for part in parts} == {fact["tree"]}
