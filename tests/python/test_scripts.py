"""scripts/workflow.py and scripts/reader.py, started as users of the original start them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import mlaas
import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = os.path.dirname(os.path.dirname(mlaas.__file__))
TTH = ROOT / "examples" / "tth"


def run(script, *arguments, package=PACKAGE):
    environment = {**os.environ, "PYTHONPATH": package, "MPLBACKEND": "Agg"}
    words = [sys.executable, str(ROOT / "scripts" / script), *map(str, arguments)]
    return subprocess.run(words, env=environment, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize(
    "script,options",
    [("workflow.py", ["--files", "--labels", "--model", "--params", "--fout"]), ("reader.py", ["--fin", "--branch"])],
)
def test_help_and_rights(script, options):
    assert os.access(ROOT / "scripts" / script, os.X_OK)
    done = run(script, "--help")
    assert done.returncode == 0 and done.stderr == ""
    for option in options:
        assert option in done.stdout


@pytest.mark.parametrize("script", ["workflow.py", "reader.py"])
def test_without_the_package_they_say_how_to_install_it(script, tmp_path):
    done = run(script, "--help", package=str(tmp_path))
    assert done.returncode == 1 and "pip install ." in done.stderr and "Traceback" not in done.stderr


def test_reader_reads_the_example():
    done = run("reader.py", "--fin", TTH / "flatTree_TT_13TeV.root", "--branch", "boosted/events", "--nevts", "20")
    assert done.returncode == 0, done.stderr
    assert "Read 20 evts" in done.stdout


@pytest.mark.parametrize("name", ["workflow", "reader"])
def test_an_interrupt_is_no_traceback(name, monkeypatch, capsys):
    import MLaaS4HEP.reader
    import MLaaS4HEP.workflow

    def interrupted(options):
        raise KeyboardInterrupt

    module = getattr(MLaaS4HEP, name)
    monkeypatch.setattr(module, "_run", interrupted)
    assert module.main([]) == 130
    assert capsys.readouterr().err == f"\n{name}: interrupted\n"


@pytest.mark.slow
def test_workflow_trains_the_example(tmp_path):
    pytest.importorskip("keras")
    params = {**json.load(open(TTH / "params.json")), "nevents": 500, "epochs": 1}
    (tmp_path / "params.json").write_text(json.dumps(params))
    files = ["--files", TTH / "files.txt", "--labels", TTH / "labels.txt", "--model", TTH / "model.py"]
    done = run("workflow.py", *files, "--params", tmp_path / "params.json", "--fout", tmp_path / "bundle")
    assert done.returncode == 0, done.stderr
    assert "parameters: " in done.stdout and max(map(len, done.stdout.split("parameters: ")[1].split("\n")[:3])) <= 100
    info = json.load(open(tmp_path / "bundle" / "model.json"))
    assert info["training"]["params"]["nevts"] == 500 and info["metrics"]["auc"] > 0.5
