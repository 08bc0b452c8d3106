"""A server that is gone, silent or dies, and no replica: on_bad_file goes on without its files, in the right
proportion, says what was lost, and loses nothing else."""

import json
import time

import fault_modes as faults
import mlaas
import pytest
from fault_places import PATIENT, Place
from remote_runs import rows_of, within, write_jagged

pytestmark = pytest.mark.slow

# One file of two of label 1 is on a server that fails; the cache holds little of it.
ROWS, LABELS, LOST = (6000, 9000, 4500), [1, 1, 0], 1
PARAMS = {"identifier": ["event"], "batch_size": 500, "width": 5, "shuffle_buffer": 1000, "seed": 3, "remote": PATIENT}
DEATHS = {"refused": lambda: faults.Refuse(3600), "silent": lambda: faults.Stall(after=0, times=None)}
# A silent server is given up after some seconds; a good one on a slow machine has as many, three times.
SHORT = {**PATIENT, "connect_timeout": 2, "timeout": 2, "retries": 2}


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    return [write_jagged(folder / f"f{i}.root", rows // 1500, 1500, i) for i, rows in enumerate(ROWS)]


@pytest.fixture(params=["root", "http"])
def place(request, sample, tmp_path):
    """The file that will be lost, behind a proxy that can end its server."""
    server = request.getfixturevalue("xrootd" if request.param == "root" else "nginx")
    made = Place(request.param, server, [sample[LOST]], tmp_path)
    with made.proxy:
        yield made


@pytest.fixture
def files(place, sample):
    """All files, two of them where nothing fails."""
    urls = [getattr(place.server, place.kind)(place.server.add(path)) for path in sample]
    return [place.urls[0] if i == LOST else url for i, url in enumerate(urls)]


def shares(dataset):
    return [row["quota"] for row in dataset.files]


def opened(files, **params):
    return mlaas.Dataset(files, LABELS, {**PARAMS, **params})


def epoch(loader, after=None):
    """The rows of an epoch; `after` is called when the first batch has come."""
    rows = []
    for batch in loader:
        rows += rows_of(batch)
        if after:
            after()
            after = None
    assert len(rows) == len(set(rows))
    return rows


@pytest.mark.parametrize("death", DEATHS)
def test_server_that_is_gone_from_the_start(place, files, death):
    place.proxy.mode = DEATHS[death]()
    remote = SHORT if death == "silent" else PATIENT
    start = time.monotonic()
    with pytest.raises((mlaas.IOError, mlaas.TimeoutError), match="f1.root"):  # the default
        opened(files, remote=remote).scan()
    assert time.monotonic() - start < 60  # its deadline is ten minutes
    how, expected = {
        "refused": ("skip", [6500 * 6000 / 10500, 0, 6500 * 4500 / 10500]),  # in proportion to what is left
        # As if it had as many as the other one of its label, which gives them.
        "silent": ("quota", [2 * 6500 * 6000 / 16500, 0, 6500 * 4500 / 16500]),
    }[death]
    dataset = opened(files, on_bad_file=how, nevts=6500, remote=remote)
    [lost] = dataset.lost
    assert (lost["url"], lost["stage"], lost["entries"], lost["index"]) == (files[LOST], "opening", None, LOST)
    assert lost["status"] in ("IO", "TIMEOUT") and lost["reason"]
    assert any("f1.root is left out" in text for text in dataset.warnings)
    found = shares(dataset)
    assert found == pytest.approx(expected, abs=1) and sum(found) == 6500
    rows = epoch(dataset.loader("all", shuffle=True))
    assert {i: sum(file == i for file, _ in rows) for i in (0, 2)} == {0: found[0], 2: found[2]}


@pytest.mark.parametrize("how, expected", [("skip", [3714, 0, 2786]), ("quota", [5000, 0, 1500])])
def test_server_that_dies_in_the_scan(place, files, sample, how, expected):
    """Its entries are known by then, and nothing of it is left in the statistics."""
    dataset = opened(files, on_bad_file=how, nevts=6500)
    assert dataset.lost == []
    place.proxy.mode = faults.Refuse(3600)
    within(120, dataset.scan)
    [lost] = dataset.lost
    assert (lost["url"], lost["stage"], lost["entries"]) == (files[LOST], "scan", ROWS[LOST])
    assert shares(dataset) == expected
    without = mlaas.Dataset([str(sample[i]) for i in (0, 2)], [1, 0], {**PARAMS, "nevts": 6500}).scan()
    columns = [json.loads(made.specs.to_json())["columns"] for made in (dataset, without)]
    assert columns[0] == columns[1]


def test_server_that_dies_in_mid_epoch(place, files):
    dataset = opened(files, on_bad_file="skip").scan()
    whole = epoch(dataset.loader("all", shuffle=True))
    assert sorted(whole) == [(i, entry) for i, rows in enumerate(ROWS) for entry in range(rows)]

    def die():
        place.proxy.mode = faults.Refuse(3600)

    loader = dataset.loader("all", shuffle=True)
    rows = within(300, lambda: epoch(loader, die))
    seen = sum(file == LOST for file, _ in rows)
    assert 0 < seen < ROWS[LOST]
    found = set(rows)  # each once: `epoch` has seen to that
    assert found >= {row for row in whole if row[0] != LOST}
    assert rows == [row for row in whole if row in found]  # in the same order
    [lost] = loader.stats["lost"]
    assert (lost["url"], lost["rows"]) == (files[LOST], ROWS[LOST] - seen)
    assert dataset.lost[0]["stage"] == "epochs of all"
    place.proxy.mode = None
    place.proxy.come_back()
    assert sorted(epoch(loader)) == sorted(whole)  # the next one tries again
    assert loader.stats["lost"] == [lost]
    failing = opened(files).scan()
    error = within(300, lambda: epoch(failing.loader("all", shuffle=True), die))
    assert isinstance(error, (mlaas.IOError, mlaas.TimeoutError)) and "f1.root" in str(error)


def test_silent_server_is_waited_for_once(place, files):
    """Each later epoch, and each other loader, has the same rows at once: nobody asks the server again."""
    patience = {**PATIENT, "deadline": 10, "timeout": 2, "connect_timeout": 2, "retries": 9}
    dataset = opened(files, on_bad_file="skip", remote=patience).scan()
    place.proxy.mode = DEATHS["silent"]()
    loader = dataset.loader("all", shuffle=True)
    rows = [set(within(300, lambda: epoch(loader)))]
    [lost] = loader.stats["lost"]
    assert (lost["url"], lost["rows"]) == (files[LOST], sum(ROWS) - len(rows[0])) and lost["rows"] > 0
    place.proxy.mode = None  # it is there again, which only who asks would know
    rows += [set(epoch(loader)), set(epoch(loader))]
    assert rows[1] == rows[2] == {row for row in rows[0] if row[0] != LOST}
    validation = dataset.loader("validation")
    assert all(file != LOST for file, _ in epoch(validation))
    [left_out] = validation.stats["lost"]
    assert left_out["reason"] == lost["reason"] and left_out["rows"] > 0
    assert len(epoch(opened(files, on_bad_file="skip", remote=patience).loader("all"))) == sum(ROWS)  # who comes anew
