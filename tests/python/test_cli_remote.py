"""`mlaas models` and `mlaas score` against a small server: what arrives there, what is printed, exit codes."""

import csv
import io
import json
import os
import subprocess
from pathlib import Path

import fault_modes as faults
import mlaas
import numpy as np
import pytest
from fake_server import FakeServer
from fault_proxy import FaultProxy
from remote_nginx import TOKEN

ROOT = Path(__file__).resolve().parents[2]
COMMAND = Path(os.environ.get("MLAAS_BUILD", ROOT / "build")) / "src/cli/mlaas"


@pytest.fixture
def server(tmp_path):
    made = FakeServer(tmp_path / "models")
    yield made
    made.close()


@pytest.fixture
def run(server, tmp_path):
    def run(*words, input=None, env=None, code=0):
        environment = {**os.environ, "MLAAS_URL": server.url, **(env or {})}
        done = subprocess.run(
            [COMMAND, *map(str, words)], capture_output=True, text=True, input=input, env=environment, cwd=tmp_path
        )
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr

    return run


@pytest.fixture
def model_folder(tmp_path):
    folder = tmp_path / "mine"
    (folder / ("deep" * 20) / ("er" * 30)).mkdir(parents=True)  # a path for the prefix of a tar header
    (folder / "model.onnx").write_bytes(bytes(range(256)) * 300)
    (folder / ("deep" * 20) / ("er" * 30) / "data & more%.bin").write_bytes(b"x" * 512)
    (folder / "empty").mkdir()
    (folder / "none").write_bytes(b"")
    (folder / ".hidden").write_text("no")
    os.symlink("model.onnx", folder / "link.onnx")
    return folder


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# ---- models ----


def test_models_go_there_and_back(server, run, model_folder, tmp_path):
    assert run("models", "upload", "mine", "--name", "my-model") == "uploaded my-model\n"
    assert run("models", "upload", "mine/") == "uploaded mine\n"
    lines = run("models", "list").splitlines()
    assert [line.split()[0] for line in lines] == ["model", "mine", "my-model"]
    assert [entry["name"] for entry in json.loads(run("models", "list", "--json"))] == ["mine", "my-model"]
    shown = run("models", "show", "mine")
    assert "state        ready" in shown
    assert "model.onnx" in shown
    assert json.loads(run("models", "show", "mine", "--json"))["version"] == 1
    server.describes = False  # as TFaaS
    assert json.loads(run("models", "show", "mine", "--json"))["description"] == "d"
    assert run("models", "download", "my-model", "--out", "copy") == "downloaded my-model to copy\n"
    expected = tree(model_folder)
    del expected[".hidden"]
    assert tree(tmp_path / "copy") == expected
    assert (tmp_path / "copy" / "empty").is_dir()
    assert "copy exists already" in run("models", "download", "my-model", "--out", "copy", code=4)
    assert run("models", "delete", "mine") == "deleted mine\n"
    assert "there is no model mine" in run("models", "delete", "mine", code=3)
    assert "no model mine" in run("models", "show", "mine", code=3)


def test_mistakes_with_models_are_said(server, run, model_folder, tmp_path):
    assert "did you mean 'list'" in run("models", "lsit", code=2)
    assert "show needs a NAME" in run("models", "show", code=2)
    assert "takes no further word" in run("models", "list", "x", code=2)
    assert "no folder nothere" in run("models", "upload", "nothere", code=3)
    assert "is no folder" in run("models", "upload", "mine/model.onnx", code=2)
    assert "no name of a model" in run("models", "upload", "mine", "--name", "../x", code=2)
    assert "no address of a server" in run("models", "list", "--url", "localhost", code=2)
    assert "cannot be reached" in run("models", "list", "--url", "http://127.0.0.1:1", code=4)
    server.script = [lambda handler: handler.reply(200, b"<html>")]
    assert "no JSON array" in run("models", "list", code=5)
    assert run("models", "list") == ""


@pytest.mark.parametrize("link", ["../secret", "/etc/passwd", "..%2fsecret", "a%5cb", "%2e%2e/", "http://o/x", "a%00b"])
def test_a_listing_cannot_lead_outside(server, run, tmp_path, link):
    server.script = [lambda handler: handler.reply(200, f'<a href="{link}">x</a>'.encode())]
    run("models", "download", "evil", code=5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models"]


def test_a_download_that_fails_leaves_nothing(server, run, tmp_path):
    server.script = [
        lambda handler: handler.reply(200, b'<a href="a">a</a><a href="b">b</a>'),
        lambda handler: handler.reply(200, b"content"),
        lambda handler: handler.reply(500, {"error": "disk"}),
    ]
    assert "500: disk" in run("models", "download", "m", code=4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models"]


def test_the_token_is_sent(server, run, tmp_path):
    (tmp_path / "token").write_text("  secret\n")
    run("models", "list", "--token-file", "token")
    assert server.requests[-1][2]["Authorization"] == "Bearer secret"
    run("models", "list", env={"MLAAS_TOKEN": "other"})
    assert server.requests[-1][2]["Authorization"] == "Bearer other"
    (tmp_path / "token").write_text("\n")
    assert "has no token" in run("models", "list", "--token-file", "token", code=2)


# ---- score ----


@pytest.fixture
def scorer(server, run, model_folder):
    "A model on the server; a function that scores and gives the rows."
    run("models", "upload", "mine")

    def score(*words, **how):
        return list(csv.DictReader(io.StringIO(run("score", "--model", "mine", "--quiet", *words, **how))))

    return score


def test_json_lines_are_scored_in_their_order(server, scorer, run, tmp_path):
    lines = "".join(json.dumps({"x": i, "list": [0.5] * (i % 3)}) + "\n" + "\n" * (i % 2) for i in range(1037))
    rows = scorer("-", "--batch", 50, "--connections", 3, input=lines)
    assert [int(row["entry"]) for row in rows] == list(range(1037))
    assert [float(row["score_0"]) for row in rows] == [i + 0.5 * (i % 3) for i in range(1037)]
    assert list(rows[0]) == ["entry", "score_0", "score_1", "second"]
    (tmp_path / "rows.jsonl").write_text("[1, 2, 3]\n[4, 5, 6]")
    out = run("score", "--model", "mine", "rows.jsonl", "--format", "json", "--quiet")
    assert [json.loads(line) for line in out.splitlines()] == [
        {"entry": 0, "score_0": 6, "score_1": 3, "second": 3},
        {"entry": 1, "score_0": 15, "score_1": 3, "second": 7.5},
    ]
    events = [{"x": [i, i]} for i in range(7)]  # a list of events, and a value over several lines
    lines = json.dumps(events, indent=2) + "\n\n" + json.dumps({"x": 50}, indent=1) + "[[1], [2]]\n"
    with pytest.raises(AssertionError, match="no JSON"):
        scorer("-", "--batch", 3, input=lines)
    rows = scorer("-", "--batch", 3, input=lines.replace("[[1], [2]]", '\n[{"y": 1}, {"y": 2}]'))
    assert [float(row["score_0"]) for row in rows] == [2 * i for i in range(7)] + [50, 1, 2]
    line = json.dumps({"keys": ["a", "b"], "values": [1, 2.5], "model": "mine"})  # what TFaaS is sent
    assert scorer("-", input=line)[0]["score_0"] == "3.5"
    assert server.body()["events"] == [{"a": 1, "b": 2.5}]


def test_csv_is_scored(server, scorer, tmp_path):
    (tmp_path / "a.csv").write_text('\ufeffnJets,"jet""Pt_0",big\r\n3,1.5e1,9007199254740993\r\n-2, ,nan\r\n')
    rows = scorer("a.csv")
    assert server.body()["events"] == [
        {"nJets": 3, 'jet"Pt_0': 15, "big": 9007199254740993},
        {"nJets": -2, "big": None},
    ]
    assert float(rows[1]["score_0"]) == -2


def test_several_files_are_told_apart(scorer, run, tmp_path):
    (tmp_path / "a.csv").write_text("x\n1\n")
    (tmp_path / "b, c.jsonl").write_text('{"x": 2}\n')
    rows = scorer("a.csv", "b, c.jsonl")
    assert [(row["file"], row["entry"], row["score_0"]) for row in rows] == [
        ("a.csv", "0", "1"),
        ("b, c.jsonl", "0", "2"),
    ]
    run("score", "--model", "mine", "a.csv", "--out", "scores.csv", "--quiet")
    assert (tmp_path / "scores.csv").read_text().splitlines() == ["entry,score_0,score_1,second", "0,1,1,0.5"]


def test_text_comes_from_servers(scorer, run, tmp_path, nginx, xrootd):
    lines = [f"{i},{i % 7}.{'0' * 500}" for i in range(6000)]  # more than one piece of reading
    (tmp_path / "many.csv").write_text("\n".join(["x,y", *lines, ""]))
    local = scorer("many.csv", "--batch", 5000)
    for url in (nginx.http(nginx.add(tmp_path / "many.csv")), xrootd.root(xrootd.add(tmp_path / "many.csv"))):
        assert scorer(url, "--batch", 5000) == local
    assert len(local) == 6000
    gone = run("score", "--model", "mine", nginx.http("gone.csv"), "--out", "scores.csv", code=3)
    assert "gone.csv" in gone and not (tmp_path / "scores.csv").exists()
    with FaultProxy(nginx.port, mode=faults.ChangedTag(skip=2)) as proxy:
        url = proxy.http(nginx.add(tmp_path / "many.csv"))
        changed = run("score", "--model", "mine", url, "--out", "scores.csv", code=mlaas.StaleError.exit_code)
    assert "many.csv" in changed and "changed" in changed and not (tmp_path / "scores.csv").exists()


@pytest.mark.parametrize(
    ("name", "text", "code", "words"),
    [
        ("a.csv", "", 5, "no first line"),
        ("a.csv", "1,2\n", 5, "line 1 must name the columns"),
        ("a.csv", "x,y\n1\n", 5, "line 2 has fewer cells"),
        ("a.csv", "x\n1,2\n", 5, "line 2 has more cells"),
        ("a.csv", "x\nabc\n", 5, "'abc' for x"),
        ("a.csv", "x\ninf\n", 2, "infinite"),
        ("a.jsonl", '{"x": 1}\n{"x":\n', 5, "line 2 is no JSON"),
        ("a.jsonl", "12", 5, "no JSON"),
        ("a.jsonl", '[{"x": 1}, 2]', 5, "neither an object"),
        ("a.jsonl", '{"x": 1, "x": 2}\n', 5, "line 1 is no JSON: duplicate"),
    ],
)
def test_bad_events_are_said(scorer, run, tmp_path, name, text, code, words):
    (tmp_path / name).write_text(text)
    assert words in run("score", "--model", "mine", name, "--out", "scores.csv", code=code)
    assert not (tmp_path / "scores.csv").exists()


def test_root_files_need_a_recipe(scorer, run):
    assert "no recipe on the server" in run("score", "--model", "mine", "any.root", code=2)


def test_what_the_server_refuses_is_said_with_the_events(server, scorer, run, tmp_path):
    lines = "".join('{"x": 1}\n' for _ in range(30))
    server.script = [
        None,
        None,
        lambda handler: handler.reply(400, {"error": "unknown feature x"}),
    ]
    error = run("score", "--model", "mine", "-", "--batch", 10, "--connections", 1, input=lines, code=2)
    assert "-, events 10 to 19: " in error
    assert "unknown feature x" in error
    assert "no model nothere" in run("score", "--model", "nothere", "-", input="", code=3)
    assert "--batch must be" in run("score", "--model", "mine", "-", "--batch", 0, code=2)


def test_root_files_are_sent_by_the_recipe(server, scorer, run, make_dataset, sample, tmp_path):
    ak, uproot = pytest.importorskip("awkward"), pytest.importorskip("uproot")
    recipe = make_dataset().recipe
    (Path(server.folder) / "mine" / "recipe.json").write_text(recipe.to_json())
    files = [Path(name).resolve() for name in sample[0]][:2]
    rows = scorer(*files, "--batch", 333)
    at = 0
    for file in files:
        tree = next(value for value in uproot.open(file).values() if hasattr(value, "num_entries"))
        branches = sorted(
            {feature.rsplit("_", 1)[0] if feature not in tree else feature for feature in recipe.features()}
        )
        expected = np.zeros(tree.num_entries)
        for branch in branches:
            values = tree[branch].array()
            expected += ak.to_numpy(ak.sum(values, axis=1) if values.ndim > 1 else values)
        part = rows[at : at + tree.num_entries]
        assert [int(row["entry"]) for row in part] == list(range(tree.num_entries))
        np.testing.assert_allclose([float(row["score_0"]) for row in part], expected, rtol=1e-5)
        at += tree.num_entries
    assert at == len(rows)
    assert set(server.body()["events"][0]) == set(branches)


def test_files_on_servers_have_settings_of_their_own(server, scorer, run, make_dataset, sample, nginx, tmp_path):
    """The token of files is not that of the model server, which has options of the same names."""
    (Path(server.folder) / "mine" / "recipe.json").write_text(make_dataset().recipe.to_json())
    file = Path(sample[0][0]).resolve()
    url = nginx.http("token/" + nginx.add(file))
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o600)
    (tmp_path / "server-token").write_text("for-the-models")
    how = ["--token-file", "server-token"]
    refused = run("score", "--model", "mine", url, *how, code=4)
    assert "401" in refused
    remote = {"token_file": str(tmp_path / "token"), "insecure": True}
    (tmp_path / "params.json").write_text(json.dumps({"remote": remote}))
    expected = scorer(file)
    assert scorer(url, *how, "--params", "params.json") == expected
    assert scorer(url, *how, "--set", f"remote={json.dumps(remote)}") == expected
    assert scorer(nginx.http(nginx.add(file)).replace(".root", ".ro*"), *how) == expected
    assert {headers["Authorization"] for _, _, headers, *_ in server.requests[-3:]} == {"Bearer for-the-models"}
    base, name = url.split("/token/")
    assert scorer(f"token/{name}", *how, "--params", "params.json", "--set", f"redirector={base}") == expected
    assert "--max-columns" in run("score", "--model", "mine", file, "--max-columns", 1, code=10)
