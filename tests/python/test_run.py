"""`python -m mlaas.run`: options, exit codes, interrupts. Each test starts a process as the command line does."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("sklearn")
import mlaas

MODEL = "from sklearn.linear_model import LogisticRegression\ndef model(): return LogisticRegression()\n"
SLOW = "from sklearn.linear_model import SGDClassifier\ndef model(): return SGDClassifier(loss='log_loss')\n"


def start(command, options):
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(mlaas.__file__)), "MPLBACKEND": "Agg"}
    return subprocess.Popen(
        [sys.executable, "-m", "mlaas.run", command, json.dumps(options)],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(command, options):
    process = start(command, options)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


@pytest.fixture
def options(sample, tmp_path):
    files, labels = sample
    (tmp_path / "files.txt").write_text("# signal first\n" + "\n".join(files) + "\n\n")
    (tmp_path / "labels.txt").write_text("\n".join(map(str, labels)) + "\n")
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "params.json").write_text(
        json.dumps(
            {
                "identifier": ["run", "event"],
                "exclude_branches": "genw,njet",
                "selected_branches": "",
                "hist": "pdfs",
                "nevents": -1,
            }
        )
    )
    return {
        **{
            key: str(tmp_path / f"{key}.{'json' if key == 'params' else 'py' if key == 'model' else 'txt'}")
            for key in ("files", "labels", "model", "params")
        },
        "out": str(tmp_path / "bundle"),
    }


def test_usage_and_options():
    assert run("dance", {})[0] == 2
    code, _, err = run("train", {"colour": 1})
    assert code == 2 and "train: unknown option 'colour'" in err


def test_a_missing_file_has_its_exit_code(tmp_path):
    code, out, err = run("predict", {"bundle": str(tmp_path / "none"), "files": ["a.root"]})
    assert code == 3 and "mlaas predict: " in err and "no such bundle" in err and "Traceback" not in err


@pytest.mark.slow
def test_train_and_predict(options, tmp_path):
    code, out, err = run("train", {**options, "set": ["seed=3", "class_norm=none"]})
    assert code == 0, err
    assert "test: " in out and "auc" in out and "report.html" in out
    params = json.load(open(tmp_path / "bundle" / "model.json"))["training"]["params"]
    assert params["seed"] == 3 and params["exclude_branches"] == ["genw", "njet"]
    code, out, err = run(
        "predict", {"bundle": options["out"], "files": [options["files"]], "out": str(tmp_path / "scores")}
    )
    assert code == 0, err
    assert sorted(os.listdir(tmp_path / "scores")) == ["background.scores.root", "signal.scores.root"]


@pytest.mark.slow
def test_quiet_says_nothing(options):
    assert run("train", {**options, "quiet": True})[:2] == (0, "")


@pytest.mark.slow
def test_an_unknown_parameter_is_refused_with_a_suggestion(options):
    code, _, err = run("train", {**options, "set": ["epoch=3"]})
    assert code == 2 and "epochs" in err and "Traceback" not in err


@pytest.mark.slow
def test_a_label_count_that_does_not_fit(options, tmp_path):
    (tmp_path / "labels.txt").write_text("1\n")
    code, _, err = run("train", options)
    assert code == 2 and "label" in err and "Traceback" not in err


@pytest.mark.slow
@pytest.mark.parametrize("number,expected", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_leaves_nothing_half_written_and_can_be_resumed(options, tmp_path, number, expected):
    (tmp_path / "model.py").write_text(SLOW)
    process = start("train", {**options, "set": ["epochs=100000", "batch_size=10"]})
    state = tmp_path / "bundle.checkpoint" / "last" / "state.json"
    deadline = time.monotonic() + 120
    while not state.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate(timeout=300)
    assert process.returncode == expected, err
    assert "Traceback" not in err
    assert not (tmp_path / "bundle").exists()
    epoch = json.load(open(state))["epoch"]
    assert epoch >= 0
    code, out, err = run("train", {**options, "set": [f"epochs={epoch + 3}", "batch_size=10"], "resume": True})
    assert code == 0, err
    assert f"resumed after epoch {epoch + 1}" in out and (tmp_path / "bundle" / "model.json").exists()
