"""Dataset, Loader and Batch: what is promised to Python, on small files made by uproot."""

from __future__ import annotations

import gc
import json
import os
import pickle
import subprocess
import sys
import textwrap
import threading
import time

import mlaas
import numpy as np
import pytest
import uproot

PARAMS = {"identifier": ["run", "event"], "batch_size": 100, "selected_branches": ["a", "b", "jet_pt"], "seed": 3}


@pytest.fixture
def dataset(sample):
    return mlaas.Dataset(*sample, PARAMS)


def rows_of(loader):
    """{(file, entry): (x, y)} of one epoch; each row once."""
    seen = {}
    for batch in loader:
        for i in range(batch.rows):
            key = int(batch.file[i]), int(batch.entry[i])
            assert key not in seen
            seen[key] = batch.x[i].copy(), float(batch.y[i])
    return seen


def order_of(loader):
    return [(int(f), int(e)) for batch in loader for f, e in zip(batch.file, batch.entry)]


# ---- what may be given ----


def test_files_in_every_form(sample, tmp_path):
    files, labels = sample
    listing = tmp_path / "files.txt"
    listing.write_text("# two files\n" + "\n".join(f"  {name}  \r" for name in files) + "\n\n")
    for form in (files, listing, str(listing), ",".join(files), [os.fsencode(name) for name in files]):
        assert [row["url"] for row in mlaas.Dataset(form, labels).files] == files
    assert len(mlaas.Dataset(files[0], 1).files) == 1


def test_labels_in_every_form(sample, tmp_path):
    files, _ = sample
    listing = tmp_path / "labels.txt"
    listing.write_text("1\n# background\n0.5\n")
    for form in ([1, 0.5], (1, 0.5), np.array([1, 0.5]), "1, 0.5", listing, str(listing)):
        assert [row["label"] for row in mlaas.Dataset(files, form).files] == [1, 0.5]
    by_branch = mlaas.Dataset(files, "run", {**PARAMS, "identifier": ["event"]})
    assert by_branch.classes == [1, 2]
    assert set(np.concatenate([batch.y for batch in by_branch.loader("all")])) == {1.0, 2.0}


def test_labels_that_do_not_fit(sample, tmp_path):
    files, _ = sample
    with pytest.raises(mlaas.ArgumentError, match="label"):
        mlaas.Dataset(files, [1])
    listing = tmp_path / "labels.txt"
    listing.write_text("signal\nbackground\n")
    with pytest.raises(mlaas.ArgumentError, match="numbers"):
        mlaas.Dataset(files, listing)
    with pytest.raises(mlaas.NotFoundError):
        mlaas.Dataset(files, "nolabel").scan()


def test_params_in_every_form(sample, tmp_path):
    path = tmp_path / "params.json"
    path.write_text(json.dumps(PARAMS))
    for form in (PARAMS, path, str(path), json.dumps(PARAMS)):
        assert mlaas.Dataset(*sample, form).params["seed"] == 3
    with pytest.raises(mlaas.ArgumentError, match="batch_size"):
        mlaas.Dataset(*sample, {"bach_size": 3})
    with pytest.raises(mlaas.NotFoundError, match="nothing.root"):
        mlaas.Dataset([*sample[0], "nothing.root"], [1, 0, 0])


def test_either_files_or_a_data_set(sample, dataset):
    assert len(mlaas.Loader(*sample, PARAMS)) == len(dataset.loader())
    for wrong in ({}, {"files": sample[0], "dataset": dataset}):
        with pytest.raises(mlaas.ArgumentError, match="either"):
            mlaas.Loader(**wrong)


# ---- data set ----


def test_what_a_data_set_tells(dataset, sample):
    assert "not scanned" in repr(dataset)
    calls = []
    assert dataset.scan(lambda done, total: calls.append((done, total))) is dataset
    assert calls[-1] == (3000, 3000) and [done for done, _ in calls] == sorted(done for done, _ in calls)
    assert [(row["url"], row["entries"], row["quota"], row["label"]) for row in dataset.files] == [
        (name, 1500, 1500, label) for name, label in zip(*sample)
    ]
    assert dataset.files[0]["id"] == mlaas.open(sample[0][0]).info["id"]
    assert dataset.classes == [0, 1] and isinstance(dataset.warnings, list) and isinstance(dataset.dropped, list)
    assert {row["label"] for row in dataset.weights} == {0, 1}
    assert dataset.memory["held"] <= dataset.memory["peak"] <= dataset.memory["ceiling"]
    assert dataset.recipe.branches == ["a", "b", "jet_pt"]
    assert sample[0][0] in dataset._repr_html_() and ", scanned" in repr(dataset)


def test_specs_are_written_read_and_used_again(dataset, sample, tmp_path):
    specs = dataset.specs
    values = np.concatenate([uproot.open(name)["events"]["a"].array(library="np") for name in sample[0]])
    assert specs.columns["a"]["count"] == 3000
    assert specs.columns["a"]["mean"] == pytest.approx(values.mean(dtype=np.float64), rel=1e-9)
    path = tmp_path / "specs.json"
    specs.write(path)
    assert mlaas.Specs.read(path) == specs == pickle.loads(pickle.dumps(specs))
    again = mlaas.Dataset(*sample, PARAMS, specs=path)
    assert "not scanned" not in repr(again) and again.recipe == dataset.recipe
    specs.write_global(tmp_path / "global-specs.json")
    assert {"jdim", "minv", "maxv", "fkeys", "jkeys"} <= set(json.load(open(tmp_path / "global-specs.json")))
    with pytest.raises(mlaas.StaleError):
        mlaas.Dataset(sample[0][:1], sample[1][:1], PARAMS, specs=specs)
    with pytest.raises(mlaas.ArgumentError, match="exclude each other"):
        mlaas.Dataset(*sample, PARAMS, specs=specs, recipe=dataset.recipe)


def test_specs_merge(sample):
    parts = [mlaas.specs([name], PARAMS) for name in sample[0]]
    whole, merged = mlaas.specs(sample[0], PARAMS), parts[0].merge(parts[1])
    assert merged.columns["jet_pt"]["count"] == whole.columns["jet_pt"]["count"]
    assert merged.columns["a"]["mean"] == pytest.approx(whole.columns["a"]["mean"], rel=1e-12)
    with pytest.raises(mlaas.ArgumentError):
        merged.merge(parts[0])


def test_a_recipe_is_applied_to_other_names(dataset, sample, tmp_path):
    path = str(tmp_path / "renamed.root")
    arrays = uproot.open(sample[0][0])["events"].arrays(["a", "b", "jet_pt", "run", "event"])
    with uproot.recreate(path) as file:
        file.mktree(
            "events", {"a2": arrays["a"].type.content.primitive, "b": "f4", "jet": arrays["jet_pt"].type}
        ).extend({"a2": arrays["a"], "b": arrays["b"], "jet": arrays["jet_pt"]})
    renamed = mlaas.Dataset([path], recipe=dataset.recipe, rename={"a": "a2", "jet_pt": "jet"})
    loader = renamed.loader("all", shuffle=False)
    x = np.concatenate([batch.x for batch in loader])
    wanted = dataset.recipe.fill(mlaas.open(sample[0][0])["events"])["x"][0]
    np.testing.assert_array_equal(x, wanted)
    assert renamed.specs is None and loader.num_rows == 1500
    with pytest.raises(mlaas.NotFoundError, match="a"):
        mlaas.Dataset([path], recipe=dataset.recipe).loader("all")


def test_an_exception_in_progress_stops_the_scan(dataset):
    def stop(done, total):
        raise ZeroDivisionError("enough")

    with pytest.raises(ZeroDivisionError, match="enough"):
        dataset.scan(stop)
    assert dataset.specs is not None  # and it may be scanned again


# ---- batches ----


def test_each_row_once_and_the_parts_make_the_whole(dataset, sample):
    parts = {split: rows_of(dataset.loader(split)) for split in ("train", "validation", "test")}
    whole = rows_of(dataset.loader("all"))
    assert set(whole) == {(f, e) for f in range(2) for e in range(1500)}
    assert sum(len(part) for part in parts.values()) == 3000
    assert set().union(*parts.values()) == set(whole)
    for split, rows in parts.items():
        assert len(rows) == dataset.loader(split).num_rows
    filled = [dataset.recipe.fill(mlaas.open(name)["events"])["x"][0] for name in sample[0]]
    for (file, entry), (x, y) in whole.items():
        np.testing.assert_array_equal(x, filled[file][entry])
        assert y == sample[1][file]


def test_what_a_batch_is(dataset):
    loader = dataset.loader()
    sizes = []
    for index, batch in enumerate(loader):
        sizes.append(batch.rows)
        assert batch.index == index and len(batch) == batch.rows
        assert batch.x.shape == batch.mask.shape == (batch.rows, len(loader.features))
        kinds = {
            "x": "f4",
            "mask": "u1",
            "y": "f4",
            "w": "f4",
            "raw_w": "f4",
            "file": "i4",
            "entry": "i8",
            "part": "i1",
        }
        for name, kind in kinds.items():
            array = getattr(batch, name)
            assert array.dtype == np.dtype(kind) and array.flags.writeable and array.flags.c_contiguous
            assert array.ctypes.data % 64 == 0, name
        assert (batch.part == 0).all() and (batch.w == 1).all()
        assert batch.inputs["x"][0] is batch.x
        np.testing.assert_array_equal(np.from_dlpack(batch.x), batch.x)
        assert np.from_dlpack(batch.x).ctypes.data == batch.x.ctypes.data
    assert len(sizes) == len(loader) and set(sizes[:-1]) == {100} and sum(sizes) == loader.num_rows
    assert dataset.recipe.inputs[0]["name"] == "x" and "x (" in repr(batch)


def test_memory_goes_home_with_the_last_view(dataset):
    loader = dataset.loader()
    batches = iter(loader)
    batch = next(batches)
    slice_of = batch.x[3:5, 1]
    value = slice_of.copy()
    del batch
    gc.collect()
    lent = loader.stats["batches_lent"]
    loader.close()
    np.testing.assert_array_equal(slice_of, value)  # still there after close
    assert lent == 1
    loader = dataset.loader()
    for batch in loader:  # noqa: B007
        pass
    del batch
    gc.collect()
    assert loader.stats["batches_lent"] == 0


def test_memory_is_given_back_by_another_thread(dataset):
    loader = dataset.loader()
    held = [batch.x for _, batch in zip(range(3), loader)]
    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join()
    gc.collect()
    assert loader.stats["batches_lent"] == 0


def test_copies_are_ones_own(dataset):
    batch = next(iter(dataset.loader()))
    twins = [batch.numpy(), pickle.loads(pickle.dumps(batch))]
    x, y = batch.x.copy(), batch.y.copy()
    batch.x[:] = -1
    batch.y[:] = -1
    for twin in twins:
        np.testing.assert_array_equal(twin.x, x)
        np.testing.assert_array_equal(twin.y, y)
        assert twin.rows == batch.rows and twin.index == 0


def test_padded_inputs(sample):
    inputs = [
        {"name": "jets", "kind": "padded", "branches": ["jet_pt", "jet_eta"]},
        {"name": "event", "kind": "flat", "branches": ["a", "b"]},
    ]
    dataset = mlaas.Dataset(*sample, {"inputs": inputs, "identifier": ["run", "event"]})
    loader = dataset.loader()
    batch = next(iter(loader))
    jets, mask = batch.inputs["jets"]
    assert jets.ndim == 3 and jets.shape[2] == 2 and mask.shape == jets.shape
    assert batch.inputs["event"][0].shape == (batch.rows, 2)
    assert batch.x is jets and loader.features == dataset.recipe.features("jets")
    lengths = [uproot.open(name)["events"]["njet"].array(library="np") for name in sample[0]]
    for i in range(batch.rows):
        n = min(lengths[batch.file[i]][batch.entry[i]], jets.shape[1])
        assert (mask[i, :n] == 0).all() and (mask[i, n:] == 1).all()


def test_weights(sample):
    dataset = mlaas.Dataset(*sample, {**PARAMS, "weight": "genw"})
    loader = dataset.loader("all", shuffle=False)
    assert loader.weighted and not mlaas.Dataset(*sample, PARAMS).loader().weighted
    raw = np.concatenate([batch.raw_w for batch in loader])
    wanted = np.concatenate([uproot.open(name)["events"]["genw"].array(library="np") for name in sample[0]])
    np.testing.assert_allclose(raw, wanted, rtol=1e-6)
    assert "genw" not in loader.features


# ---- epochs, states, shards ----


def test_epochs_advance_and_are_reproducible(dataset):
    loader = dataset.loader()
    assert loader.epoch == 0
    first, second = order_of(loader), order_of(loader)
    assert loader.epoch == 2 and first != second and sorted(first) == sorted(second)
    loader.set_epoch(0)
    assert order_of(loader) == first and loader.epoch == 1
    one_thread = mlaas.Dataset(dataset._files, [1, 0], PARAMS, threads=1).loader()
    assert order_of(one_thread) == first
    still = dataset.loader(shuffle=False)
    assert order_of(still) == order_of(still)


def test_a_loop_left_early_is_not_continued(dataset):
    loader, other = dataset.loader(), dataset.loader()
    for _ in loader:
        break
    other.set_epoch(1)
    assert order_of(loader) == order_of(other) and loader.epoch == 2
    batches = iter(loader)
    next(batches)
    list(loader)
    with pytest.raises(mlaas.StateError, match="another loop"):
        next(batches)


def test_a_loop_that_counts_batches(dataset):
    """Keras takes len(loader) batches and never asks for the end."""
    loader, other = dataset.loader(), dataset.loader()
    for epoch in range(3):
        batches = iter(loader)
        got = [(int(f), int(e)) for _ in range(len(loader)) for b in [next(batches)] for f, e in zip(b.file, b.entry)]
        other.set_epoch(epoch)
        assert got == order_of(other)


def test_states_continue(dataset, sample):
    loader = dataset.loader()
    list(loader)
    batches = iter(loader)
    for _ in range(4):
        next(batches)
    state = json.loads(json.dumps(loader.state_dict()))
    rest = [batch.entry.tolist() for batch in batches]
    fresh = mlaas.Dataset(*sample, PARAMS).loader()
    fresh.load_state_dict(state)
    assert fresh.epoch == 1
    assert [batch.entry.tolist() for batch in fresh] == rest
    assert fresh.epoch == 2 and order_of(fresh) == order_of(loader)
    for wrong in ({**PARAMS, "seed": 4}, {**PARAMS, "batch_size": 50}):
        with pytest.raises(mlaas.StaleError):
            mlaas.Dataset(*sample, wrong).loader().load_state_dict(state)
    with pytest.raises(mlaas.Error):
        fresh.load_state_dict({"epoch": 1})


def test_shards(dataset):
    whole = rows_of(dataset.loader())
    shards = [dataset.loader(rank=rank, world=3) for rank in range(3)]
    rows = [rows_of(shard) for shard in shards]
    assert [len(own) for own in rows] == 3 * [len(whole) // 3]  # equal, so that no rank waits for another
    assert len(set().union(*rows)) == len(whole) // 3 * 3 and set().union(*rows) <= set(whole)
    for shard, own in zip(shards, rows):
        assert shard.num_rows == len(own) and shard.world == 3
    halves = [shards[1].shard(part, 2) for part in range(2)]
    assert (halves[1].rank, halves[1].world) == (3, 6)
    with pytest.raises(mlaas.ArgumentError):
        dataset.loader(rank=3, world=3)


def test_pickles_go_on_where_they_were(dataset):
    loader = dataset.loader()
    batches = iter(loader)
    next(batches)
    twin = pickle.loads(pickle.dumps(loader))
    assert twin.epoch == 0 and len(twin) == len(loader)
    wanted = [batch.entry.tolist() for batch in batches]
    assert [batch.entry.tolist() for batch in twin] == wanted
    assert ", scanned" in repr(pickle.loads(pickle.dumps(dataset)))


def test_a_forked_child_goes_on_by_itself(dataset):
    loader = dataset.loader()
    batches = iter(loader)
    held = next(batches)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            mine = [batch.entry.tolist() for batch in loader]
            del held
            gc.collect()
            text = json.dumps(mine)
        except BaseException as error:  # the parent shall see it
            text = json.dumps(repr(error))
        with os.fdopen(write, "w") as out:
            out.write(text)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        got = json.loads(pipe.read())
    os.waitpid(child, 0)
    other = dataset.loader()
    other.set_epoch(1)
    assert got == [batch.entry.tolist() for batch in other]  # the child began a loop of its own
    assert held.rows == 100 and sum(batch.rows for batch in batches) == loader.num_rows - 100


# ---- stopping ----


def test_cancel_from_another_thread(sample):
    loader = mlaas.Dataset(*sample, PARAMS).loader()
    batches = iter(loader)
    next(batches)
    loader.cancel()
    with pytest.raises(mlaas.CancelledError):
        for _ in range(len(loader) + 1):
            next(batches)
    assert sum(batch.rows for batch in loader) == loader.num_rows  # a new loop starts anew


def test_closed_loaders(dataset):
    with dataset.loader() as loader:
        batch = next(iter(loader))
    assert batch.x.shape[0] == 100 and "closed" in repr(loader)
    with pytest.raises(mlaas.StateError, match="closed"):
        len(loader)
    loader.close()


def test_a_ceiling_too_low_names_the_least_that_would_do(sample):
    params = {**PARAMS, "batch_size": 1500}
    with pytest.raises(mlaas.LimitError) as caught:
        list(mlaas.Dataset(*sample, params, memory=200_000).loader())
    assert any(word.isdigit() for word in str(caught.value).replace(",", "").split())


INTERRUPTED = """
    import os, signal, sys, threading, time
    import mlaas
    files, mode = sys.argv[1:3], sys.argv[3]
    dataset = mlaas.Dataset(files, [1, 0], {"identifier": ["run", "event"], "batch_size": 50})

    def interrupt():
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGINT)

    if mode == "scan":
        def progress(done, total):
            os.kill(os.getpid(), signal.SIGINT)
        try:
            dataset.scan(progress)
        except KeyboardInterrupt:
            print("interrupted", len(dataset.loader()) > 0)
    else:
        loader = dataset.loader()
        try:
            threading.Thread(target=interrupt, daemon=True).start()
            while True:
                for batch in loader:
                    pass
        except KeyboardInterrupt:
            print("interrupted", sum(batch.rows for batch in loader) == loader.num_rows)
"""


@pytest.mark.parametrize("mode", ["scan", "next"])
def test_ctrl_c(sample, mode):
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(INTERRUPTED), *sample[0], mode],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": os.path.dirname(mlaas.__path__[0])},
    )
    assert run.stdout.split() == ["interrupted", "True"], run.stderr


def test_one_thread_at_a_time(dataset):
    loader, failures, rows = dataset.loader(), [], []
    batches = loader._open()

    def read():
        while True:
            try:
                got = batches.next()
            except mlaas.StateError as error:
                failures.append(str(error))
                time.sleep(0.001)
                continue
            if got is None:
                return
            rows.append(got.rows)
            if len(rows) >= len(loader):
                return

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert all("one thread at a time" in text for text in failures) and len(rows) >= len(loader)


def test_reprs(dataset):
    assert "1 of 2" in repr(dataset.loader(rank=1, world=2)) and "epoch 0" in repr(dataset.loader())
