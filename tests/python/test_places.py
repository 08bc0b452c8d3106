"""Names of files in every form, wherever they are taken: patterns, lists, replicas, the redirector, what is hidden."""

import json
import os
import pickle
import shutil

import mlaas
import pytest
from golden_cases import place_files
from mlaas._places import expand
from mlaas.compat import CompatLoader
from mlaas.run import _params
from MLaaS4HEP import reader
from MLaaS4HEP.reader import RootDataReader
from test_cli import refused, run

SPELLINGS = ("redirector", "root_directory", "root_redirector")
PARAMS = {"identifier": ["run", "event"], "selected_branches": ["a", "b"]}


@pytest.fixture
def folder(sample, tmp_path, monkeypatch):
    """The sample as store/s0.root and store/s1.root, seen from another folder."""
    store = tmp_path / "store"
    store.mkdir()
    for i, name in enumerate(sample[0]):
        shutil.copy(name, store / f"s{i}.root")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def entries(name):
    return sum(row["entries"] for row in mlaas.Dataset(name, None, PARAMS).files)


# ---- forms ----


def test_files_in_every_form_give_the_same_data_set(folder):
    first, second = (str(folder / "store" / f"s{i}.root") for i in (0, 1))
    listing = folder / "files.txt"
    listing.write_text(f"# both\n{folder}/store/*.root\n")
    forms = (f"{folder}/store/s?.root", f"{folder}/**/s*.root", [first, second], f"{first},{second}", listing)
    for form in (*forms, [f"{folder}/store/[s]*.root"], [f"file://{first}", second]):
        files = mlaas.Dataset(form, None, PARAMS).files
        assert [row["url"].removeprefix("file://") for row in files] == [first, second]
        assert len(mlaas.chain(form)) == sum(row["entries"] for row in files)


def test_one_label_is_enough_for_a_pattern(folder):
    shutil.copy(folder / "store" / "s0.root", folder / "store" / "t0.root")
    names = [f"{folder}/store/s*.root", f"{folder}/store/t0.root"]
    dataset = mlaas.Dataset(names, [1, 0], {**PARAMS, "weight": [2, 3]})
    assert [row["label"] for row in dataset.files] == [1, 1, 0]
    assert {tuple(set(batch.raw_w[batch.y == 1])) for batch in dataset.loader("all")} <= {(2.0,), ()}
    again = pickle.loads(pickle.dumps(dataset))
    assert [(row["url"], row["label"]) for row in again.files] == [(row["url"], row["label"]) for row in dataset.files]
    with pytest.raises(mlaas.ArgumentError, match="3 files but 4 labels|3 files of 2 names"):
        mlaas.Dataset(names, [1, 0, 1, 0], PARAMS)


def test_a_pattern_without_a_file_is_said(folder):
    for take in (mlaas.open, mlaas.chain, lambda name: mlaas.Dataset(name, None, PARAMS), mlaas.verify):
        with pytest.raises(mlaas.NotFoundError, match="no file has such a name"):
            take(f"{folder}/store/*.parquet")


def test_open_takes_a_pattern_of_one(folder):
    assert mlaas.open(f"{folder}/store/*0.root").tables == ["events;1"]
    assert mlaas.verify(f"{folder}/store/*0.root").ok
    with pytest.raises(mlaas.ArgumentError, match=r"means 2 files; mlaas.chain reads many"):
        mlaas.open(f"{folder}/store/*.root")


def test_lists_in_lists_are_replicas():
    names = expand([["root://a//x.root", "https://b/x.root"], "root://c//y.root"]).names
    assert names == ["root://a//x.root|https://b/x.root", "root://c//y.root"]
    assert expand([["root://a//x.root", "y.root"]]).names == ["root://a//x.root|file://" + os.path.abspath("y.root")]
    with pytest.raises(mlaas.ArgumentError, match="%7C"):
        expand([["root://a//x|y.root", "root://b//x"]])
    with pytest.raises(mlaas.ArgumentError, match="empty"):
        expand([[]])


# ---- the redirector ----


@pytest.mark.parametrize("end", ["", "/", "//"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_names_that_are_not_here_are_redirected(folder, spelling, end):
    params = {**PARAMS, spelling: f"{folder}/store{end}"}
    files = [f"{folder}/store/s0.root", "s1.root", "/s1.root"]
    urls = [row["url"] for row in mlaas.Dataset(files, None, params).files]
    assert [os.path.realpath(url) for url in urls] == [f"{folder}/store/{name}.root" for name in ("s0", "s1", "s1")]
    shutil.copy(folder / "store" / "s0.root", "s1.root")  # now it is here
    assert mlaas.Dataset(["s1.root"], None, params).files[0]["url"] == "s1.root"


@pytest.mark.parametrize("end", ["", "/", "//"])
@pytest.mark.parametrize("name", ["store/x.root", "/store/x.root", "//store/x.root", "h.org//store/x.root"])
def test_one_double_slash_stands_behind_the_host(name, end):
    assert expand([name], f"root://h.org{end}").names == ["root://h.org//store/x.root"]
    assert expand([f"root://h.org//{name}", f"https://h/{name}"], f"root://h.org{end}").names == [
        f"root://h.org//{name}",
        f"https://h/{name}",
    ]


def test_a_redirector_that_is_none_is_refused():
    with pytest.raises(mlaas.ArgumentError, match="write root://cms-xrd-global.cern.ch"):
        mlaas.Dataset(["x.root"], None, {"redirector": "cms-xrd-global.cern.ch"})


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_original_ways_take_it_too(folder, monkeypatch, spelling):
    place_files(["special_a.root", "special_b.root"], folder / "store")
    params = {"branch": "boosted/events", "nevts": 20, "chunk_size": 10}
    with pytest.raises(mlaas.NotFoundError, match="redirector"):
        CompatLoader(["special_a.root"], [1], params, folder=None)
    loader = CompatLoader(["special_a.root"], [1], {**params, spelling: f"{folder}/store/"}, folder=None)
    assert loader.files == ["special_a.root"]
    assert len(next(iter(loader))) == 10
    scan = RootDataReader("special_a.root", "boosted/events", redirector=f"{folder}/store")
    assert scan.nrows == loader.total
    how = ["--branch", "boosted/events", "--redirector", f"{folder}/store", "--fout", "specs.json"]
    assert reader.main(["--fin", "special_a.root", *how]) == 0
    assert json.loads(open("specs.json").read())["jkeys"]


# ---- what is hidden ----


def test_secrets_in_urls_are_not_shown(folder, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    url = "https://me:geheim@127.0.0.1:1/x.root?authz=Bearer%20geheim"
    remote = {"retries": 0, "timeout": 1, "connect_timeout": 1, "deadline": 2}
    for take in (
        lambda: mlaas.open(url, remote=remote),
        lambda: mlaas.Dataset([url], None, PARAMS, remote=remote),
        lambda: mlaas.chain([url], remote=remote),
        lambda: mlaas.open(url.replace("x.root", "*.root"), remote=remote),
    ):
        with pytest.raises(mlaas.Error) as caught:
            take()
        assert "geheim" not in str(caught.value)


# ---- options ----


def test_options_for_servers_are_checked(folder):
    name = f"{folder}/store/s0.root"
    assert mlaas.open(name, remote={"timeout": 3, "cache": "5 MB"}).tables == ["events;1"]
    with pytest.raises(mlaas.ArgumentError, match='did you mean "timeout"'):
        mlaas.open(name, remote={"timeouts": 3})
    for take in (
        lambda: mlaas.Dataset(name, None, PARAMS, remote={"retries": -1}),
        lambda: mlaas.specs(name, {"remote": 3}),
    ):
        with pytest.raises(mlaas.ArgumentError, match="remote"):
            take()
    dataset = mlaas.Dataset(name, None, {**PARAMS, "remote": {"timeout": 3, "retries": 1}}, remote={"timeout": 5})
    assert dataset.params["remote"] == {"timeout": 5, "retries": 1}
    assert pickle.loads(pickle.dumps(dataset)).params == dataset.params


def test_the_command_has_them_too(folder):
    params = folder / "params.json"
    params.write_text(json.dumps({**PARAMS, "root_directory": "/nowhere", "remote": {"retries": 1}}))
    done = run(
        "specs", "--files", "s*.root", "--params", params, "--redirector", folder / "store", "--timeout", 3, "--json"
    )
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["files"]) == 2
    refused(run("specs", "--files", "s0.root", "--redirector", "host"), 2, "neither a URL nor a folder")
    times = ["--timeout", "0.5", "--deadline", "1500ms", "--connect-timeout"]
    assert run("specs", "--files", folder / "store/s0.root", *times, "23h").returncode == 0
    refused(run("specs", "--files", "s0.root", *times, "25h"), 2, "connect_timeout has to be seconds between 0.001")
    refused(run("specs", "--files", "s0.root", *times, "soon"), 2, "must be a time such as 15, 0.5, 500ms or 2min")
    refused(run("specs", "--files", "s0.root", "--timeout", "0"), 2, "timeout has to be seconds")
    refused(run("specs", "--files", "s0.root", "--s3-endpoint", "host"), 2, "s3_endpoint")
    refused(run("train", "--files", "s*.root", "--model", params, "--params", params), 3, "no file has such a name")
    help_page = run("help", "specs").stdout
    assert help_page.index("Files on servers:") < help_page.index("--redirector") < help_page.index("--max-metadata")


def test_inspect_takes_patterns_and_the_redirector(folder):
    done = run("inspect", "--json", "--brief", "s*.root", "--redirector", folder / "store")
    assert [file["url"] for file in json.loads(done.stdout)["files"]] == [f"{folder}/store/s{i}.root" for i in (0, 1)]
    assert run("inspect", "--verify", f"{folder}/store/*.root").returncode == 0
    refused(run("inspect", f"{folder}/*.root"), 3, "no file has such a name")


def test_options_win_over_the_file_under_any_name(folder):
    params = folder / "params.json"
    params.write_text(json.dumps({"root_directory": "root://a", "nevents": 3}))
    given = {"params": str(params), "set": ["nevt=4"], "redirector": "root://b", "on_bad_file": "skip"}
    assert _params(given) == {"redirector": "root://b", "nevts": 4, "on_bad_file": "skip"}
    assert _params({}) == {}


# ---- servers ----


@pytest.mark.parametrize("kind", ["nginx", "xrootd"])
def test_servers_are_asked_for_their_folders(sample, request, kind):
    server = request.getfixturevalue(kind)
    for i, name in enumerate(sample[0]):
        server.add(name, f"places/p{i}.root")
    base = server.http("places/") if kind == "nginx" else server.root("places/")
    server.put("places/list.txt", f"# two\n{base}p[01].root\n".encode())
    both = [f"{base}p0.root", f"{base}p1.root"]
    for form in (
        [f"{base}p*.root"],
        [f"{base.removesuffix('places/')}**/p?.root".replace("?", "[0-9]")],
        f"{base}list.txt",
    ):
        assert expand(form).names == both
    assert [
        row["url"] for row in mlaas.Dataset(["p0.root", "/p1.root"], None, {**PARAMS, "redirector": base}).files
    ] == both
    assert len(mlaas.chain([f"{base}p*.root"])) == len(mlaas.chain(sample[0]))
    with pytest.raises(mlaas.NotFoundError, match="no file has such a name"):
        expand([f"{base}q*.root"])


@pytest.mark.parametrize("kind", ["nginx", "xrootd"])
def test_a_run_over_the_network_that_was_cut_sees_every_event_once(sample, request, kind):
    server = request.getfixturevalue(kind)
    for i, name in enumerate(sample[0]):
        server.add(name, f"cut/c{i}.root")
    base = server.http("cut/") if kind == "nginx" else server.root("cut/")
    params = {**PARAMS, "shuffle_buffer": 256, "batch_size": 100}

    def pairs(batches):
        return [(int(f), int(e)) for batch in batches for f, e in zip(batch.file, batch.entry)]

    local = pairs(mlaas.Dataset(sample[0], [1, 0], params).loader("all", shuffle=True))
    first = mlaas.Dataset([f"{base}c0.root", f"{base}c1.root"], [1, 0], params).loader("all", shuffle=True)
    before = [pairs([batch]) for _, batch in zip(range(7), first)]
    again = mlaas.Dataset(sample[0], [1, 0], params).loader("all", shuffle=True)
    again.load_state_dict(first.state_dict())  # the rest from another place: files are known by what they are
    assert sum(before, []) + pairs(again) == local
