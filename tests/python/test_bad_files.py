"""on_bad_file: files that are missing, damaged, cut, or that break in mid-epoch; what is told, and what remains."""

import json
import os
import shutil

import mlaas
import numpy as np
import pytest
import uproot
from make_sample import write_events
from test_cli import run

PARAMS = {"identifier": ["run", "event"], "selected_branches": ["a", "b"], "batch_size": 64, "seed": 3}
ROWS = (600, 900, 300, 700)
LABELS = [1, 1, 0, 0]


@pytest.fixture
def files(tmp_path):
    """Four files; their rows and labels are above."""
    names = [tmp_path / f"f{i}.root" for i in range(4)]
    return [write_events(name, rows, i < 2, i + 1) for i, (name, rows) in enumerate(zip(names, ROWS))]


def cut(name, share=0.5):
    with open(name, "r+b") as file:
        file.truncate(int(os.path.getsize(name) * share))


def spoil(name, branch="a"):
    """The first basket of a branch is noise, the metadata is sound."""
    with uproot.open(name) as file:
        place = int(file["events"][branch].member("fBasketSeek")[0])
    with open(name, "r+b") as file:
        file.seek(place)
        file.write(b"\xa5" * 200)


def pairs(batches):
    found = [(int(f), int(e)) for batch in batches for f, e in zip(batch.file, batch.entry)]
    assert len(set(found)) == len(found)
    return found


def quotas(dataset):
    return [row["quota"] for row in dataset.files]


@pytest.mark.parametrize("break_it", [os.unlink, cut, lambda name: cut(name, 0)])
def test_a_file_that_cannot_be_opened(files, break_it):
    break_it(files[1])
    with pytest.raises(mlaas.Error, match="f1.root"):
        mlaas.Dataset(files, LABELS, PARAMS).scan()
    dataset = mlaas.Dataset(files, LABELS, {**PARAMS, "on_bad_file": "skip"})
    (lost,) = dataset.lost
    assert (lost["url"], lost["stage"], lost["entries"], lost["index"]) == (files[1], "opening", None, 1)
    assert quotas(dataset) == [600, 0, 300, 700]
    assert any("f1.root is left out" in text for text in dataset.warnings)
    assert {file for file, _ in pairs(dataset.loader("all"))} == {0, 2, 3}


def test_a_file_that_breaks_in_the_scan(files):
    spoil(files[2])
    with pytest.raises(mlaas.Error, match="f2.root"):
        mlaas.Dataset(files, LABELS, PARAMS).scan()
    dataset = mlaas.Dataset(files, LABELS, {**PARAMS, "on_bad_file": "skip"}).scan()
    (lost,) = dataset.lost
    assert (lost["stage"], lost["entries"]) == ("scan", 300)
    assert quotas(dataset) == [600, 900, 0, 700]
    without = mlaas.Dataset([files[i] for i in (0, 1, 3)], [1, 1, 0], PARAMS)
    assert json.loads(dataset.specs.to_json())["columns"] == json.loads(without.specs.to_json())["columns"]


def test_shares_are_made_anew_or_kept(files):
    os.unlink(files[2])
    skip = mlaas.Dataset(files, LABELS, {**PARAMS, "on_bad_file": "skip", "nevts": 1100})
    assert quotas(skip) == [300, 450, 0, 350]  # in proportion to what is there
    quota = mlaas.Dataset(files, LABELS, {**PARAMS, "on_bad_file": "quota", "nevts": 1100})
    # the lost one counts as its label's others on average, 700 of 2900, and f3 gives its share too
    assert sum(quotas(quota)) == 1100 and quotas(quota)[2] == 0
    assert quotas(quota)[3] == pytest.approx(2 * 1100 * 700 / 2900, abs=2)
    spoil(files[0])
    known = mlaas.Dataset(files[:2] + files[3:], [1, 1, 0], {**PARAMS, "on_bad_file": "quota", "nevts": 1100}).scan()
    assert quotas(known) == [0, 750, 350]  # as 300, 450, 350 would have been
    few = mlaas.Dataset(files[:2] + files[3:], [1, 1, 0], {**PARAMS, "on_bad_file": "quota", "nevts": 2100}).scan()
    assert quotas(few)[:2] == [0, 900]  # as far as it has entries


def test_where_none_is_left_it_fails(files):
    for name in files:
        os.unlink(name)
    with pytest.raises(mlaas.IOError, match="no file is left: 4 of 4 are bad, the first: .*f0.root"):
        mlaas.Dataset(files, LABELS, {**PARAMS, "on_bad_file": "skip"})


def test_mistakes_are_no_bad_files(files):
    with pytest.raises(mlaas.ArgumentError):
        mlaas.Dataset(files, [1, 1, 0], {**PARAMS, "on_bad_file": "skip"})
    with pytest.raises(mlaas.UnsupportedError):
        mlaas.Dataset([files[0], "gopher://h/x.root"], None, {**PARAMS, "on_bad_file": "skip"})


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_file_that_breaks_in_mid_epoch(files, shuffle):
    params = {**PARAMS, "on_bad_file": "skip", "shuffle_buffer": 64}
    dataset = mlaas.Dataset(files, LABELS, params).scan()
    whole = {(f, e): x for b in dataset.loader("all", shuffle) for f, e, x in zip(b.file, b.entry, np.array(b.x))}
    order = [pair for pair in whole if pair[0] != 1]
    kept = files[1] + ".kept"
    shutil.copy(files[1], kept)
    os.unlink(files[1])
    loader = dataset.loader("all", shuffle)
    seen = [(int(f), int(e), x) for b in loader for f, e, x in zip(b.file, b.entry, np.array(b.x))]
    assert [(f, e) for f, e, _ in seen] == order
    assert all(np.array_equal(whole[f, e], x) for f, e, x in seen)
    (lost,) = loader.stats["lost"]
    assert (lost["url"], lost["rows"]) == (files[1], 900)
    assert dataset.lost[0]["stage"] == "epochs of all"
    os.rename(kept, files[1])  # the next epoch tries again
    assert len(pairs(loader)) == sum(ROWS)
    failing = mlaas.Dataset(files, LABELS, {**params, "on_bad_file": "fail"}).scan()
    os.unlink(files[1])
    with pytest.raises(mlaas.NotFoundError):
        list(failing.loader("all", shuffle))


@pytest.mark.parametrize("stop", [1, 7, 20])
def test_a_run_that_was_cut_sees_every_event_once(files, stop):
    params = {**PARAMS, "shuffle_buffer": 256}
    first = mlaas.Dataset(files, LABELS, params).loader("all", shuffle=True)
    before = []
    for batch in first:
        before.append(batch.numpy())
        if len(before) == stop:
            break
    state = json.loads(json.dumps(first.state_dict()))
    again = mlaas.Dataset(files, LABELS, params).loader("all", shuffle=True)
    again.load_state_dict(state)
    assert sorted(pairs(before + [batch.numpy() for batch in again])) == [
        (f, e) for f, rows in enumerate(ROWS) for e in range(rows)
    ]


def test_the_command_says_it_by_its_exit_code(files, tmp_path):
    cut(files[1])
    params = tmp_path / "params.json"
    params.write_text(json.dumps(PARAMS))
    how = ("specs", "--files", ",".join(files), "--params", params, "--json")
    assert run(*how).returncode == 5
    done = run(*how, "--on-bad-file", "skip")
    assert done.returncode == 14
    assert f"{files[1]} was left out" in done.stderr
    assert len(json.loads(done.stdout)["files"]) == 3


def test_a_file_that_breaks_where_labels_are_read(files):
    """With specs made before, only the pass over labels and identifiers: split and classes are those of the others."""
    params = {**PARAMS, "on_bad_file": "skip"}
    specs = mlaas.specs(files, params)
    spoil(files[2], "run")
    with pytest.raises(mlaas.Error, match="f2.root"):
        mlaas.Dataset(files, "run", {**params, "on_bad_file": "fail"}, specs=specs).scan()
    dataset = mlaas.Dataset(files, "run", params, specs=specs)
    (lost,) = dataset.lost
    assert (lost["stage"], lost["entries"], lost["index"]) == ("survey", 300, 2)
    assert quotas(dataset) == [600, 900, 0, 700]
    without = mlaas.Dataset([files[i] for i in (0, 1, 3)], "run", params).scan()
    split = [json.loads(one.recipe.to_json())["split"] for one in (dataset, without)]
    assert split[0] == split[1]
    assert dataset.classes == without.classes
    assert len(pairs(dataset.loader("all"))) == 2200
