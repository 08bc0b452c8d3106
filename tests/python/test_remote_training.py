"""The command on files of servers gives what it gives on local ones, bit by bit, also where a server dies meanwhile;
what has no replica is left out where that was allowed, and said."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import mlaas
import pytest
from remote_runs import write_jagged_sample

pytestmark = pytest.mark.slow
BUILD = Path(os.environ.get("MLAAS_BUILD", Path(__file__).resolve().parents[2] / "build"))
# Says when it has seen its first batch, and goes on when it is told so.
MODEL = """
import os, time
from mlaas import report
from sklearn.linear_model import SGDClassifier

learn = SGDClassifier.partial_fit

def partial_fit(self, *words, **more):
    if os.path.exists("wait"):
        os.rename("wait", "waiting")
        while os.path.exists("waiting"):
            time.sleep(0.01)
    return learn(self, *words, **more)

SGDClassifier.partial_fit = partial_fit
report.render = lambda content: "<!doctype html>\\n"  # drawing takes longer than training

def model():
    return SGDClassifier(loss="log_loss", random_state=0)
"""
PARAMS = {"identifier": ["event"], "epochs": 2, "width": 5, "batch_size": 500, "shuffle_buffer": 1000}
LITTLE = ["--remote-cache", "1000000"]
ONCE_MORE = ["--retries", "1"]  # a server that is dead refuses: that takes no time
ROWS = 7500  # of each of two files


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return write_jagged_sample(tmp_path_factory.mktemp("sample"), clusters=5, rows=ROWS // 5)


@pytest.fixture(scope="module")
def begin(tmp_path_factory):
    """begin(command, files, ...): the process, and the folder that it runs in."""

    def start(command, files, *more, environment=None, folder=None):
        folder = folder or tmp_path_factory.mktemp("run")
        (folder / "model.py").write_text(MODEL)
        (folder / "params.json").write_text(json.dumps(PARAMS))
        words = [BUILD / "src/cli/mlaas", command, "--files", ",".join(map(str, files)), "--params", "params.json"]
        if command == "train":
            words += ["--labels", "1,0", "--model", "model.py", "--out", "out"]
        variables = {
            **{
                **os.environ,
                **(environment or {}),
                "PYTHONPATH": str(BUILD / "python"),
                "MLAAS_PYTHON": sys.executable,
            },
            **{"MPLBACKEND": "Agg", "HOME": str(folder)},
        }
        process = subprocess.Popen(
            [str(word) for word in (*words, *more)],
            **{"env": variables, "cwd": folder, "text": True},
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE},
        )
        return process, folder

    return start


def end(process, code=0):
    "Standard output and error."
    told = process.communicate(timeout=600)
    assert process.returncode == code, told
    return told


def train_while(begin, files, happen, *more):
    """Trains; `happen` is called when the first batch was trained on. The process and its folder."""
    process, folder = begin("train", files, *LITTLE, *more)
    (folder / "wait").touch()  # long before the model is loaded
    limit = time.monotonic() + 600
    while not (folder / "waiting").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < limit
        time.sleep(0.01)
    happen()
    (folder / "waiting").unlink()
    return process, folder


def trained(folder):
    """What must not depend on where the files were: recipe, metrics, history and the model's own coefficients."""
    import joblib

    out = folder / "out"
    about = json.loads((out / "model.json").read_text())
    model = joblib.load(out / "model.joblib")
    metrics = json.loads((out / "metrics.json").read_text())
    for row in metrics["history"]:
        del row["seconds"]
    return {
        "recipe": (out / "recipe.json").read_bytes(),
        "metrics": metrics,
        "lost": about["training"]["lost"],
        "coefficients": model.coef_.tobytes(),
    }


@pytest.fixture(scope="module")
def local(begin, sample):
    process, folder = begin("train", sample)
    end(process)
    return trained(folder)


def test_training_is_the_same(begin, sample, local, xrootd, nginx, s3):
    """All at a time; root:// comes below."""
    runs = {}
    for kind, name_at, environment in (
        ("xrdhttp", xrootd.http, None),
        ("nginx", nginx.http, None),
        ("s3", s3.s3, s3.environment),
    ):
        server = {"xrdhttp": xrootd, "nginx": nginx, "s3": s3}[kind]
        urls = [name_at(server.add(path)) for path in sample]
        runs[kind] = begin("train", urls, environment=environment)
    for process, _ in runs.values():
        end(process)
    for kind, (_, folder) in runs.items():
        assert trained(folder) == local, kind


@pytest.fixture
def mortal(sample):
    """The sample on an XRootD server and on an nginx that may be killed: servers and URLs."""
    import remote_servers

    try:
        servers = [remote_servers.Xrootd(), remote_servers.Nginx()]
    except remote_servers.MissingServerError as missing:
        pytest.skip(str(missing))
    with servers[0] as xrootd, servers[1] as nginx:
        urls = [[xrootd.root(xrootd.add(path)) for path in sample], [nginx.http(nginx.add(path)) for path in sample]]
        yield servers, urls


def test_killed_server_with_a_replica_of_another_protocol(mortal, begin, local):
    servers, (roots, https) = mortal
    replicas = [f"{one}|{other}" for one, other in zip(roots, https)]
    process, folder = train_while(begin, replicas, servers[0].kill)
    end(process)
    assert trained(folder) == local
    [cost] = [row for row in log_of(folder / "out/train.log.jsonl") if row["event"] == "source"]
    assert cost["failovers"] >= 1


def log_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_killed_server_without_replica_stops_the_run_which_can_be_resumed(mortal, begin, local):
    servers, (roots, https) = mortal
    process, folder = train_while(begin, [roots[0], https[1]], servers[0].kill)
    _, told = process.communicate(timeout=600)
    assert process.returncode in (mlaas.IOError.exit_code, mlaas.TimeoutError.exit_code), told
    assert "signal.root" in told and not (folder / "out").exists()
    servers[0].run()
    process, _ = begin("train", [roots[0], https[1]], *LITTLE, "--resume", folder=folder)
    end(process)
    assert trained(folder) == local


def test_killed_server_without_replica_is_left_out_where_that_is_allowed(mortal, begin, sample, local):
    servers, (roots, https) = mortal
    process, folder = train_while(begin, [roots[0], https[1]], servers[0].kill, "--on-bad-file", "skip", *ONCE_MORE)
    told, _ = end(process, code=14)
    lost = trained(folder)["lost"]
    assert {row["url"] for row in lost} == {roots[0]}
    for row in lost:
        assert row["rows"] > 0 and row["reason"]
        assert f"{roots[0]} was left out ({row['stage']}, {row['rows']} rows)" in told
    rows = {part: rows_of_signal(sample, part) for part in ("train", "validation", "test")}
    amount = {row["stage"]: row["rows"] for row in lost}
    assert amount["epochs of validation"] == 2 * rows["validation"] and amount["epochs of test"] == rows["test"]
    # The rest of the first epoch, the second one, and the sample that is scored at the end.
    assert 2 * rows["train"] <= amount["epochs of train"] < 3 * rows["train"]
    assert trained(folder)["metrics"]["test"]["rows_per_class"] == [local["metrics"]["test"]["rows_per_class"][0], 0]


def rows_of_signal(sample, part):
    with mlaas.Loader([str(path) for path in sample], [1, 0], PARAMS, part) as loader:
        return sum(int((batch.file == 0).sum()) for batch in loader)


def test_specs_leave_a_killed_server_out(mortal, begin):
    servers, (roots, https) = mortal
    servers[0].kill()
    files = [roots[0], https[1]]
    processes = [begin("specs", files, "--quiet", *ONCE_MORE, *more)[0] for more in ([], ["--on-bad-file", "skip"])]
    out, told = end(processes[0], code=mlaas.IOError.exit_code)
    assert out == "" and "signal.root" in told
    _, told = end(processes[1], code=14)
    assert f"{roots[0]} was left out (opening): " in told
