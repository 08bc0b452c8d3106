"""The command `mlaas`, run as users run it: what it prints, where, and the exit code."""

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("MLAAS_BUILD", ROOT / "build"))
COMMAND = BUILD / "src/cli/mlaas"

ARGUMENT, NOT_FOUND, FORMAT = 2, 3, 5


def run(*arguments, env=None, cwd=None):
    "Runs the command; the finished process with its texts."
    environment = {**os.environ, **(env or {})}
    return subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, text=True, env=environment, cwd=cwd)


def refused(done, code, *parts):
    "Asserts an exit code, nothing on standard output, and one line of complaint with these parts."
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    for part in parts:
        assert part in done.stderr


def test_without_a_command_the_help_is_shown_as_a_mistake():
    done = run()
    assert done.returncode == ARGUMENT
    assert done.stdout == ""
    assert "Usage: mlaas COMMAND" in done.stderr


@pytest.mark.parametrize("spelling", [["help"], ["--help"], ["-h"]])
def test_help_lists_every_command(spelling):
    done = run(*spelling)
    assert done.returncode == 0
    for command in ("inspect", "specs", "train", "predict", "help", "completion", "version"):
        assert f"\n  {command} " in done.stdout


@pytest.mark.parametrize("command", ["inspect", "specs", "train", "predict", "help", "completion", "version"])
def test_help_of_a_command_is_the_same_by_word_and_by_option(command):
    by_word, by_option = run("help", command), run(command, "--help")
    assert by_word.returncode == by_option.returncode == 0
    assert by_word.stdout == by_option.stdout
    assert by_word.stdout.startswith(f"mlaas {command}: ")
    assert "--help" in by_word.stdout
    assert max(map(len, by_word.stdout.split("\n"))) <= 100


def test_help_wraps_to_the_terminal():
    lines = run("help", "train", env={"COLUMNS": "60"}).stdout.split("Examples:")[0].split("\n")
    assert max(map(len, lines)) <= 60
    assert "reads" not in lines[0]


def test_help_params_comes_from_the_table():
    done = run("help", "params")
    assert done.returncode == 0
    assert "\nbatch_size: int, default 256\n" in done.stdout


def test_version_by_word_and_by_option():
    assert run("version").stdout == run("--version").stdout
    assert run("version").stdout.startswith("mlaas 0.")


def test_unknown_commands_and_options_get_a_suggestion():
    refused(run("trian"), ARGUMENT, "did you mean 'train'?")
    refused(run("xyzzy"), ARGUMENT, "'mlaas help' lists them")
    refused(run("help", "inspekt"), ARGUMENT, "did you mean 'inspect'?")
    refused(run("train", "--fils=x"), ARGUMENT, "mlaas train: ", "did you mean --files?")
    refused(run("predict", "--xyzzy"), ARGUMENT, "'mlaas help predict' lists them")


def test_what_is_missing_is_said():
    refused(run("train", "--files=a.root"), ARGUMENT, "--model is missing")
    refused(run("predict", "bundle"), ARGUMENT, "BUNDLE FILE... is missing")
    refused(run("completion"), ARGUMENT, "bash|zsh is missing")
    refused(run("completion", "tcsh"), ARGUMENT, "only for bash and zsh")
    refused(run("inspect"), ARGUMENT, "FILE... is missing")


def test_train_checks_before_it_starts_python(tmp_path):
    model, files = tmp_path / "model.py", tmp_path / "files.txt"
    model.write_text("")
    files.write_text("# no names\n")
    python = {"MLAAS_PYTHON": "/nonexistent/python3"}
    refused(run("train", f"--files={files}", f"--model={model}", env=python), ARGUMENT, "names no files")
    refused(run("train", "--files=no.txt", f"--model={model}", env=python), NOT_FOUND, "--files", "no.txt")
    refused(run("train", "--files=a.root", "--model=no.py", env=python), NOT_FOUND, "the model file no.py")
    bad = run("train", "--files=a.root", f"--model={model}", "--params=no.json", env=python)
    refused(bad, NOT_FOUND, "the parameter file no.json")
    refused(run("train", "--files=a.root", f"--model={model}", "--memory=x", env=python), ARGUMENT, "300MB")
    refused(run("train", "--files=a.root", f"--model={model}", env=python), NOT_FOUND, "MLAAS_PYTHON")


def test_train_checks_the_parameters(tmp_path):
    model, params = tmp_path / "model.py", tmp_path / "params.json"
    model.write_text("")
    words = ["train", "--files=a.root", f"--model={model}"]
    python = {"MLAAS_PYTHON": "/nonexistent/python3"}
    params.write_text('{"epoch": 3}')
    refused(run(*words, f"--params={params}", env=python), ARGUMENT, "epoch", "epochs")
    params.write_text('{"epochs": ')
    done = run(*words, f"--params={params}", env=python)
    assert done.returncode in (ARGUMENT, FORMAT)
    assert str(params) in done.stderr
    refused(run(*words, "--set", "batchsize=3", env=python), ARGUMENT, "batch_size")
    refused(run(*words, "--set", "epochs", env=python), ARGUMENT, "KEY=VALUE")


FAKE = """#!/bin/sh
printf '%s\\n' "$4" >"$FAKE_OUT"
echo "$3"
"""


@pytest.fixture
def fake_python(tmp_path):
    "An interpreter that writes down what it was asked to do."
    path, out = tmp_path / "python3", tmp_path / "asked.json"
    path.write_text(FAKE)
    path.chmod(0o755)
    return {"MLAAS_PYTHON": str(path), "FAKE_OUT": str(out)}, out


def test_train_hands_over_what_was_typed(tmp_path, fake_python):
    env, out = fake_python
    model, params = tmp_path / "model.py", tmp_path / "params.json"
    model.write_text("")
    params.write_text('{"nevents": 30, "epochs": 5}')
    done = run(
        "train", "--files=a.root,b.root", "--labels=1,0", f"--model={model}", f"--params={params}", "--out", "b",
        "--memory=300MB", "--seed=7", "--set", "nevts=40", "--set=scaler=minmax", "--quiet", env=env,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "train\n")
    asked = json.loads(out.read_text())
    assert asked["files"] == "a.root,b.root"
    assert asked["labels"] == "1,0"
    assert asked["model"] == str(model)
    assert asked["out"] == "b"
    assert asked["quiet"] is True
    assert asked["params"] == str(params)
    assert asked["set"] == ["nevts=40", "scaler=minmax"]
    assert (asked["seed"], asked["memory"]) == (7, 300000000)


def test_predict_hands_over_what_was_typed(tmp_path, fake_python):
    env, out = fake_python
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    refused(run("predict", bundle, "a.root", env=env), ARGUMENT, "is no bundle")
    refused(run("predict", tmp_path / "none", "a.root", env=env), NOT_FOUND, "there is no bundle")
    (bundle / "model.json").write_text("{}")
    refused(run("predict", bundle, "a.root", "--rename=x", env=env), ARGUMENT, "OLD=NEW")
    refused(run("predict", bundle, "a.root", "--format=xml", env=env), ARGUMENT, "root|parquet|csv|npz")
    refused(run("predict", bundle, "a.root", "--tag=a/b", env=env), ARGUMENT, "--tag")
    files = tmp_path / "files.txt"
    files.write_text("# some\nb.root\n\nc.root\n")
    done = run(
        "predict",
        bundle,
        "a.root",
        files,
        "--out=scores",
        "--rename",
        "pt=pt_up",
        "--rename=m=m_up",
        "--tag=up",
        env=env,
    )
    assert (done.returncode, done.stdout) == (0, "predict\n")
    asked = json.loads(out.read_text())
    assert asked == {
        "bundle": str(bundle),
        "files": ["a.root", "b.root", "c.root"],
        "out": "scores",
        "rename": {"pt": "pt_up", "m": "m_up"},
        "tag": "up",
    }


def test_a_python_without_the_package_is_told_how_to_get_it(tmp_path):
    model = tmp_path / "model.py"
    model.write_text("")
    env = {"MLAAS_PYTHON": "/usr/bin/python3", "PYTHONPATH": str(tmp_path)}
    done = run("train", "--files=a.root", f"--model={model}", env=env, cwd=tmp_path)
    refused(done, NOT_FOUND, "does not have the package mlaas", "pip install", "MLAAS_PYTHON")


def test_bash_completion_offers_commands_options_and_choices(tmp_path):
    script = tmp_path / "mlaas.bash"
    script.write_text(run("completion", "bash").stdout)

    def complete(*words):
        line = f"COMP_WORDS=({' '.join(words)} ''); COMP_CWORD={len(words)}"
        ask = f"source {script}; {line}; _mlaas; echo ${{COMPREPLY[@]}}"
        return subprocess.run(["bash", "-c", ask], capture_output=True, text=True, cwd=tmp_path).stdout.split()

    assert "train" in complete("mlaas")
    assert complete("mlaas", "predict", "--format") == ["root", "parquet", "csv", "npz"]
    ask = f"source {script}; COMP_WORDS=(mlaas train --me); COMP_CWORD=2; _mlaas; echo ${{COMPREPLY[@]}}"
    assert subprocess.run(["bash", "-c", ask], capture_output=True, text=True).stdout.split() == ["--memory"]


def test_zsh_completion_names_every_option():
    text = run("completion", "zsh").stdout
    assert text.startswith("#compdef mlaas\n")
    for option in ("--files", "--model", "--format", "--json"):
        assert option in text


def test_man_pages_are_clean_roff():
    for command in ([], ["train"], ["predict"], ["inspect"]):
        page = run("--page", "man", *command).stdout
        assert page.startswith(".TH MLAAS")
        assert ".SH NAME" in page and ".SH EXIT STATUS" in page
        assert not [line for line in page.split("\n") if line.startswith("'")]
    refused(run("--page", "latex"), ARGUMENT, "--page markdown")


def test_a_full_disk_is_an_error():
    with open("/dev/full", "w") as full:
        done = subprocess.run([COMMAND, "version"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 4
    assert "standard output could not be written" in done.stderr
