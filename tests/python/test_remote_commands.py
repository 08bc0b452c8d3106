"""The command on remote files: the same statistics, models and scores as from local ones, and what it says and with
which exit code it ends when a server is gone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import mlaas
import numpy as np
import pytest
from remote_runs import write_jagged_sample
from remote_servers import free_port

pytestmark = pytest.mark.slow
BUILD = Path(os.environ.get("MLAAS_BUILD", Path(__file__).resolve().parents[2] / "build"))
COMMAND = BUILD / "src/cli/mlaas"
MODEL = (
    "from sklearn.linear_model import SGDClassifier\n"
    "def model(): return SGDClassifier(loss='log_loss', random_state=0)\n"
)
SETTINGS = ["--set", "identifier=event", "--set", "epochs=2", "--set", "width=5"]
ONCE_MORE = ["--retries", "1"]


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return write_jagged_sample(tmp_path_factory.mktemp("sample"), clusters=2, rows=1000)


@pytest.fixture
def run(tmp_path):
    def run(*words):
        environment = {
            **{**os.environ, "PYTHONPATH": str(BUILD / "python"), "MLAAS_PYTHON": sys.executable},
            **{"MPLBACKEND": "Agg", "HOME": str(tmp_path)},
        }
        words = [str(word) for word in (COMMAND, *words)]
        return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=600, cwd=tmp_path)

    (tmp_path / "model.py").write_text(MODEL)
    return run


@pytest.fixture(params=["root", "http"])
def urls(request, sample):
    server = request.getfixturevalue("xrootd" if request.param == "root" else "nginx")
    return [getattr(server, request.param)(server.add(path)) for path in sample]


def specs(run, names, *more, code=0):
    done = run("specs", "--files", ",".join(map(str, names)), "--json", "--quiet", *more)
    assert done.returncode == code, done.stderr
    return done


def without_names(document):
    found = json.loads(document)
    for file in found.get("files", []):
        for key in ("url", "name", "path"):
            file.pop(key, None)
    return found


def test_specs_are_the_same(run, sample, urls):
    assert without_names(specs(run, urls).stdout) == without_names(specs(run, sample).stdout)


def test_names_come_from_patterns_lists_and_the_redirector(run, sample, urls, tmp_path):
    expected = without_names(specs(run, sample[:1]).stdout)
    pattern = urls[0].replace("signal", "sig*")
    assert without_names(specs(run, [pattern]).stdout) == expected
    (tmp_path / "list.txt").write_text(urls[0] + "\n")
    assert without_names(specs(run, [tmp_path / "list.txt"]).stdout) == expected
    if urls[0].startswith("root:"):
        redirector, name = urls[0].rsplit("//", 1)
        for spelling in (redirector, redirector + "/", redirector + "//"):
            assert without_names(specs(run, [name], "--redirector", spelling).stdout) == expected


def test_models_and_scores_are_the_same(run, sample, xrootd, nginx, tmp_path):
    """Trained on local files and on files of XRootD; applied to local ones and to those of nginx."""
    places = {"local": sample, "remote": [xrootd.root(xrootd.add(path)) for path in sample]}
    scores = []
    for out, applied in (("local", sample[0]), ("remote", nginx.http(nginx.add(sample[0])))):
        files = ["--files", ",".join(map(str, places[out])), "--labels", "1,0"]
        done = run("train", *files, "--model", "model.py", "--out", out, "--quiet", *SETTINGS)
        assert done.returncode == 0, done.stderr
        done = run("predict", out, applied, "--out", f"{out}-scores", "--format", "npz", "--quiet")
        assert done.returncode == 0, done.stderr
        [file] = (tmp_path / f"{out}-scores").iterdir()
        scores.append(dict(np.load(file)))
    assert scores[0].keys() == scores[1].keys() and len(scores[0]["score"]) == 2000
    for name, values in scores[0].items():
        np.testing.assert_array_equal(values, scores[1][name])
    bundles = [json.loads((tmp_path / out / "model.json").read_text()) for out in places]
    assert bundles[0]["metrics"] == bundles[1]["metrics"]


def test_training_goes_on_without_a_file_and_with_a_token(run, sample, nginx, tmp_path):
    """Whatever opens a file in a training does so with its options: nothing but the token's bearer may read these."""
    token = tmp_path / "token"
    token.write_text("token-of-the-test")
    token.chmod(0o600)
    urls = [nginx.http("token/" + nginx.add(path)) for path in sample]
    files = ["--files", ",".join([urls[0], nginx.http("token/gone.root"), urls[1]]), "--labels", "1,1,0"]
    how = [*files, "--model", "model.py", "--out", "bundle", "--token-file", token, "--insecure", *SETTINGS]
    assert run("train", *how).returncode == mlaas.NotFoundError.exit_code
    done = run("train", *how, "--on-bad-file", "skip", "--quiet", "--verbose")
    assert done.returncode == 14, done.stderr
    told = done.stderr.splitlines()  # --quiet hides neither what was lost nor what was asked for
    assert done.stdout == "" and [line for line in told if "gone.root was left out" in line]
    assert [line for line in told if line.startswith("all files: ") and " requests for " in line], told
    [lost] = json.loads((tmp_path / "bundle/model.json").read_text())["training"]["lost"]
    assert "gone.root" in lost["url"]
    applied = [nginx.http("token/gone.root"), urls[0], "--token-file", token, "--insecure", "--on-bad-file", "skip"]
    done = run("predict", "bundle", *applied, "--out", "scores")
    assert done.returncode == 14 and done.stdout.splitlines()[-1] == "scores/signal.scores.root", done.stderr
    assert "gone.scores" not in done.stdout
    done = run("predict", "bundle", *applied, "--out", "model.py")
    assert done.returncode == mlaas.IOError.exit_code and "left out" not in done.stdout + done.stderr


def test_files_of_the_folder_stand_for_no_packages(run, sample, tmp_path):
    for name in ("numpy", "signal", "runpy"):
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('{name} of the folder')\n")
    (tmp_path / "helper.py").write_text("SEED = 3\n")
    (tmp_path / "sklearn.py").write_text("import helper\n" + MODEL.replace("=0", "=helper.SEED"))
    files = ["--files", ",".join(map(str, sample)), "--labels", "1,0"]
    done = run("train", *files, "--model", "sklearn.py", "--out", "bundle", "--quiet", *SETTINGS)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", ["root", "http"])
def test_server_that_is_not_there_is_said_once(run, kind):
    url = f"{kind}://localhost:{free_port()}//gone.root"
    done = specs(run, [url], *ONCE_MORE, code=mlaas.IOError.exit_code)
    assert done.stdout == "" and len(done.stderr.strip().splitlines()) == 1
    assert "localhost" in done.stderr and "gone.root" in done.stderr


@pytest.mark.parametrize("kind", ["root", "http"])
def test_file_that_is_not_there_is_not_tried_again(run, kind, request):
    server = request.getfixturevalue("xrootd" if kind == "root" else "nginx")
    done = specs(run, [getattr(server, kind)("gone.root")], code=mlaas.NotFoundError.exit_code)
    assert "gone.root" in done.stderr
