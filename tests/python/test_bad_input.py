"""Bad input: each gets its status and a message that says what, where and what to do; never a crash or a traceback."""

import json
import os
import signal
import subprocess
import sys
import time

import awkward as ak
import numpy as np
import pytest

pytest.importorskip("sklearn")
import mlaas
import tables
import uproot
from sklearn.linear_model import LogisticRegression
from test_cli import COMMAND

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGE = os.path.dirname(os.path.dirname(mlaas.__file__))
ROWS = 200


def write(path, **columns):
    with uproot.recreate(path) as file:
        types = [values.type if isinstance(values, ak.Array) else values.dtype for values in columns.values()]
        tree = file.mktree("dir/events", dict(zip(columns, types)))
        if len(next(iter(columns.values()))):
            tree.extend(columns)
    return str(path)


def normal(seed, shift=0.0, rows=ROWS):
    return np.random.default_rng(seed).normal(shift, 1, rows).astype(np.float32)


@pytest.fixture
def pair(tmp_path):
    "Two good files."
    return [write(tmp_path / f"{name}.root", alpha=normal(k, k), beta=normal(9 + k)) for k, name in enumerate("xy")]


@pytest.fixture
def refused(tmp_path):
    "refused(kind, files, ...) trains, expects that error, and gives its text; no bundle is there afterwards."

    def check(kind, files, labels=(1, 0), model=None, memory=None, **params):
        labels = labels if isinstance(labels, str) else list(labels)
        with pytest.raises(kind) as caught:
            mlaas.train(
                files,
                labels,
                model or LogisticRegression(),
                {"identifier": [], **params},
                out=tmp_path / "bundle",
                progress=False,
                memory=memory,
            )
        assert type(caught.value) is kind
        assert not (tmp_path / "bundle").exists()
        return str(caught.value)

    return check


# ---- files --------------------------------------------------------------------------------------------------------


def test_missing_and_unreadable_files(pair, refused, tmp_path):
    assert "none.root: cannot open" in refused(mlaas.NotFoundError, [pair[0], str(tmp_path / "none.root")])
    (tmp_path / "folder.root").mkdir()
    assert "is a directory, not a file" in refused(mlaas.IOError, [pair[0], str(tmp_path / "folder.root")])
    if os.geteuid() == 0:
        return  # who may read everything cannot be refused
    os.chmod(pair[1], 0)
    assert "Permission denied" in refused(mlaas.IOError, pair)


def test_not_a_root_file(pair, refused, tmp_path):
    (tmp_path / "page.root").write_text("<!doctype html>\n" * 50)
    text = refused(mlaas.FormatError, [pair[0], str(tmp_path / "page.root")])
    assert "page.root: this is not a ROOT file: it does not begin with 'root'" in text


def mutants(path, scratch, kind, count):
    "Reads damaged copies in a process that may have two minutes and 2 GB; what it counted."
    import resource

    done = subprocess.run(
        [sys.executable, os.path.join(HERE, "mutants.py"), path, str(scratch), kind, "1", str(count)],
        env={**os.environ, "PYTHONPATH": PACKAGE, "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30)),
    )
    assert done.returncode == 0, done.stderr[-2000:]
    counts = json.loads(done.stdout)
    assert counts["wrong"] == [] and counts["read"] + counts["refused"] == count
    return counts


@pytest.mark.parametrize("path", [tables.NESTED, tables.STRINGS], ids=os.path.basename)
def test_flipped_bits_are_noticed_or_harmless(path, tmp_path):
    counts = mutants(path, tmp_path / "mutant.root", "flip", 300)
    assert counts["read"] > 0 and counts["refused"] > 100 and counts["different"] == 0


@pytest.mark.parametrize("path", [tables.NESTED, tables.LEAF_LISTS], ids=os.path.basename)
def test_truncated_files_are_noticed(path, tmp_path):
    counts = mutants(path, tmp_path / "mutant.root", "truncate", 400)
    assert counts["refused"] > 350 and counts["different"] == 0


def test_a_flip_in_the_values_says_checksum_or_codec(tmp_path):
    path = write(tmp_path / "one.root", alpha=normal(1, rows=5000))
    with uproot.open(path) as file:
        seek = file["dir/events"]["alpha"].basket_key(0).data_cursor.index
    data = bytearray(open(path, "rb").read())
    data[seek + 2000] ^= 4
    open(path, "wb").write(data)
    with pytest.raises((mlaas.ChecksumError, mlaas.FormatError)) as caught:
        mlaas.open(path)["dir/events"].arrays(["alpha"])
    assert "one.root" in str(caught.value) and "alpha: basket 0" in str(caught.value)


# ---- trees, branches, values --------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", ["dir/evens", "events", "other/events", "DIR/EVENTS"])
def test_a_missing_tree_names_the_nearest(pair, refused, asked):
    text = refused(mlaas.NotFoundError, pair, branch=asked)
    assert "x.root" in text and f"there is no table {asked}; did you mean dir/events;1?" in text


def test_a_missing_branch_names_the_nearest(pair, refused):
    for key, near in (("selected_branches", "alhpa"), ("weight", "alpa")):
        assert f"{key} names branch {near}, which no file has; did you mean alpha?" in refused(
            mlaas.NotFoundError, pair, **{key: near}
        )
    assert "labels names branch bet, which no file has; did you mean beta?" in refused(
        mlaas.NotFoundError, pair, labels="bet"
    )
    with pytest.raises(mlaas.NotFoundError, match="has no column alpa; did you mean alpha?"):
        mlaas.open(pair[0])["dir/events"].select(["alpa"])


def test_a_type_that_differs_names_branch_and_file(pair, refused, tmp_path):
    lists = ak.unflatten(normal(3), np.full(ROWS // 2, 2))
    pair[1] = write(tmp_path / "lists.root", alpha=lists, beta=normal(4, rows=ROWS // 2))
    text = refused(mlaas.SchemaError, pair)
    assert "branch alpha is" in text and "lists.root" in text and "in the files before it" in text
    assert "add it to exclude_branches" in text


def test_files_without_entries(pair, refused, tmp_path):
    empty = [write(tmp_path / f"empty{k}.root", alpha=normal(k, rows=0), beta=normal(k, rows=0)) for k in (0, 1)]
    assert refused(mlaas.ArgumentError, empty) == "none of the 2 files has entries"
    text = refused(mlaas.ArgumentError, [pair[0], empty[0]])
    assert "every file has label 1; a classifier needs two classes" in text


def test_values_that_are_all_nan(refused, tmp_path):
    files = [write(tmp_path / f"{k}.root", alpha=normal(k) * np.nan) for k in (0, 1)]
    assert "none of the branches has a single finite value" in refused(mlaas.ArgumentError, files)


def test_labels_that_do_not_fit(pair, refused):
    for labels in ([1], [1, 0, 1]):
        text = refused(mlaas.ArgumentError, pair, labels)
        assert f"2 files but {len(labels)} labels; one label per file is wanted, or a branch" in text
    assert "every file has label 1; a classifier needs two classes" in refused(mlaas.ArgumentError, pair, [1, 1])


def test_unknown_parameters(pair, refused):
    assert 'there is no parameter "epcohs"; did you mean "epochs"?' in refused(mlaas.ArgumentError, pair, epcohs=3)


@pytest.mark.parametrize("memory", [10_000, 100_000])
def test_a_ceiling_too_low_names_what_is_needed(pair, refused, memory):
    text = refused(mlaas.LimitError, pair, memory=memory)
    assert int(text.rsplit("needs a memory ceiling of at least ", 1)[1].split()[0]) > memory


# ---- models -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text,words",
    [
        ("def model(:\n", "model.py, line 1 (def model(:): syntax error"),
        ("def modell(): pass\n", "no function `model`; define model(idim)"),
        ("def model(idim): return 1 / 0\n", "model.py, line 1 (def model(idim): return 1 / 0): the model could not be"),
        ("def model(idim): return None\n", "model() returned nothing; it must return a Keras model"),
    ],
)
def test_model_files(pair, refused, tmp_path, text, words):
    (tmp_path / "model.py").write_text(text)
    assert words in refused(mlaas.ArgumentError, pair, model=str(tmp_path / "model.py"))


# ---- full disk and interrupts: the command, in a process of its own --------------------------------------------------

MODEL = "from sklearn.linear_model import LogisticRegression\ndef model(): return LogisticRegression()\n"
# Ctrl-C while a callback of the garbage collector runs: Python prints such an exception and forgets it.
LOST = """
import os, signal, time, weakref
from sklearn.linear_model import LogisticRegression
class Thing: pass
class Slow(LogisticRegression):
    def fit(self, *a, **k):
        thing = Thing()
        watch = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))
        del thing
        time.sleep(600)
def model(): return Slow()
"""


@pytest.fixture
def command(pair, tmp_path):
    "command(name, model text, limit in KiB) starts `mlaas train` or `mlaas predict` as a shell does."

    def start(what="train", model=MODEL, file_limit=None):
        (tmp_path / "out").mkdir(exist_ok=True)
        (tmp_path / "model.py").write_text(model)
        words = [str(COMMAND), what, f"--out={tmp_path / 'out' / 'new'}"]
        if what == "predict":
            words += [str(tmp_path / "reference"), *pair]
        else:
            words += ["--files=" + ",".join(pair), "--labels=1,0", f"--model={tmp_path / 'model.py'}"]
        if file_limit:
            words = ["sh", "-c", f'ulimit -f {file_limit}; exec "$@"', "sh", *words]
        environment = {**os.environ, "PYTHONPATH": PACKAGE, "MLAAS_PYTHON": sys.executable, "MPLBACKEND": "Agg"}
        return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return start


def one_line(text, *parts):
    assert "Traceback" not in text and "ignored" not in text
    assert len(text.strip().splitlines()) == 1, text
    for part in parts:
        assert part in text


@pytest.mark.slow
@pytest.mark.parametrize("what", ["export", "log"])
def test_a_full_disk(command, tmp_path, what):
    "A limit on the size of files fails as a full disk does: first the bundle's files, then even the log."
    process = command(file_limit=8 if what == "export" else 1)
    _, err = process.communicate(timeout=300)
    assert process.returncode == mlaas.IOError.exit_code, err
    one_line(err, "mlaas train: ", str(tmp_path / "out" / "new"), "cannot be written", "File too large")
    assert os.listdir(tmp_path / "out") == ["new.checkpoint"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("what", ["train", "predict"])
def test_an_interrupt_at_any_moment(command, pair, tmp_path, what, number):
    if what == "predict":
        mlaas.train(pair, [1, 0], LogisticRegression(), {"identifier": []}, out=tmp_path / "reference", progress=False)
    stopped = 0
    for delay in (0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.3, 1.6, 2.0):
        process = command(what)
        time.sleep(delay)
        process.send_signal(number)
        _, err = process.communicate(timeout=300)
        if process.returncode == 0:
            break  # it was faster
        stopped += 1
        if process.returncode == -number:  # before anything had begun; a shell says 128 + number of this too
            assert err == ""
            continue
        assert process.returncode == 128 + number, err
        one_line(err, f"mlaas {what}: ", "interrupted" if "interrupted" in err else "terminated; ")
        names = {name for _, _, files in os.walk(tmp_path / "out") for name in files}
        assert names <= {"train.log.jsonl", "x.scores.root", "y.scores.root", "state.json"}, names
        for name in names & {"x.scores.root", "y.scores.root"}:
            assert uproot.open(tmp_path / "out" / "new" / name)["mlaas"].num_entries == ROWS
    assert stopped >= 3


@pytest.mark.slow
def test_an_interrupt_that_python_forgets_is_raised_again(command, tmp_path):
    process = command(model=LOST)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 130, err
    one_line(err, "mlaas train: interrupted; the same command with --resume goes on from the last checkpoint")


def test_an_interrupt_that_a_module_turns_into_an_error_stays_one(tmp_path):
    "As modules do that are interrupted while they load."
    code = """
import os, signal, sys, mlaas, mlaas.run
def command(options):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
    except KeyboardInterrupt:
        raise mlaas.UnsupportedError("initialization failed") from None
mlaas.run.COMMANDS["predict"] = command
sys.exit(mlaas.run.main(["predict", "{}"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": PACKAGE}, capture_output=True, text=True
    )
    assert done.returncode == 143, done.stderr
    one_line(done.stderr, "mlaas predict: terminated; the score files that are there are complete")


def test_an_interrupt_waits_for_an_import(tmp_path):
    (tmp_path / "slow.py").write_text(
        "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(0.3)\nprint('imported', flush=True)\n"
    )
    code = """
import sys, mlaas, mlaas.run
def command(options):
    import slow
    import time; time.sleep(600)
mlaas.run.COMMANDS["predict"] = command
sys.exit(mlaas.run.main(["predict", "{}"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": f"{PACKAGE}{os.pathsep}{tmp_path}"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stdout) == (130, "imported\n"), done.stderr
    one_line(done.stderr, "mlaas predict: interrupted")


def test_an_interrupt_between_the_renames_of_a_bundle_keeps_the_old_one(tmp_path, monkeypatch):
    from mlaas.train import _checkpoint

    for name, text in (("new", "2"), ("bundle", "1")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "value").write_text(text)
    real = os.rename

    def interrupted(source, target):
        if str(source).endswith("new"):
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr(_checkpoint.os, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _checkpoint.swap_in(str(tmp_path / "new"), str(tmp_path / "bundle"))
    assert (tmp_path / "bundle" / "value").read_text() == "1" and sorted(os.listdir(tmp_path)) == ["bundle", "new"]
