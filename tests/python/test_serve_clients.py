"""All clients against the real server with a model that was just trained: the same scores as `mlaas predict`, whichever
way the events go.
"""

import contextlib
import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

xgboost = pytest.importorskip("xgboost")
uproot = pytest.importorskip("uproot")
import mlaas  # noqa: E402
from mlaas.client import Client, ConnectError, NotFoundError, RefusedError  # noqa: E402

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("MLAAS_BUILD", ROOT / "build"))
COMMAND = BUILD / "src/cli/mlaas"
LOOP = BUILD / "examples/cpp/event_loop"
PARAMS = {"identifier": ["run", "event"], "exclude_branches": ["genw", "njet"], "batch_size": 200}


@pytest.fixture(scope="module")
def bundle(sample, tmp_path_factory):
    def trees():
        return xgboost.XGBClassifier(n_estimators=20, max_depth=3, learning_rate=0.3, n_jobs=1)

    return mlaas.train(*sample, trees, PARAMS, out=tmp_path_factory.mktemp("clients") / "b", progress=False)


@contextlib.contextmanager
def serving(models, *options):
    "A server on any free port; gives its address."
    models.mkdir()
    environment = {**os.environ, "MLAAS_BACKENDS": str(BUILD / "backends")}
    server = subprocess.Popen(
        [COMMAND, "serve", "--models", models, "--port", "0", "--log-format", "none", *options],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    found = None
    for line in server.stdout:
        found = re.search(r"https?://[0-9.]+:\d+", line)
        if found:
            break
    assert found, "the server did not start"
    try:
        yield found[0]
    finally:
        server.terminate()
        status = server.wait(120)
        server.stdout.close()
    assert status == 0


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("served") / "models") as address:
        yield address


@pytest.fixture(scope="module")
def served(url, bundle):
    "The bundle on the server, put there by the command."
    done = command(url, "models", "upload", bundle.path, "--name", "small")
    assert done == "uploaded small\n"
    return url


def command(url, *words, input=None, code=0):
    environment = {**os.environ, "MLAAS_URL": url}
    done = subprocess.run([COMMAND, *map(str, words)], capture_output=True, text=True, input=input, env=environment)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


@pytest.fixture(scope="module")
def events(sample, bundle):
    "The raw events of the first file, and their scores by the library in this process."
    tree = uproot.open(sample[0][0])["events"]
    branches = ["a", "b", "c", "jet_pt", "jet_eta"]
    columns = tree.arrays(branches, library="np")
    rows = [{name: columns[name][i] for name in branches} for i in range(tree.num_entries)]
    return rows, bundle.predict(sample[0][0])


def test_the_command_scores_root_files_as_predict_does(served, sample, bundle, tmp_path):
    command(served, "score", "--model", "small", *sample[0], "--out", tmp_path / "scores.csv", "--quiet", "--batch", 77)
    with open(tmp_path / "scores.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for file in sample[0]:
        scores = [float(row["score"]) for row in rows if row["file"] == file]
        np.testing.assert_allclose(scores, bundle.predict(file), rtol=0, atol=1e-6)
    assert [int(row["entry"]) for row in rows] == 2 * list(range(1500))


def test_the_command_scores_json_and_csv(served, events):
    rows, expected = events
    lines = "".join(json.dumps({name: np.asarray(v).tolist() for name, v in row.items()}) + "\n" for row in rows[:50])
    done = command(served, "score", "--model", "small", "-", "--quiet", input=lines)
    scores = [float(row["score"]) for row in csv.DictReader(io.StringIO(done))]
    np.testing.assert_allclose(scores, expected[:50], rtol=0, atol=1e-6)
    names = ["a", "b", "c", "jet_pt_0", "jet_eta_0"]
    single = [row for row in zip(rows, expected) if len(row[0]["jet_pt"]) == 1][:20]
    text = ",".join(names) + "\n"
    for row, _ in single:
        text += f"{row['a']!s},{row['b']!s},{row['c']!s},{row['jet_pt'][0]!s},{row['jet_eta'][0]!s}\n"
    done = command(served, "score", "--model", "small", "--from", "csv", "-", "--quiet", input=text)
    scores = [float(row["score"]) for row in csv.DictReader(io.StringIO(done))]
    np.testing.assert_allclose(scores, [score for _, score in single], rtol=0, atol=1e-6)
    assert "jet_qt" in command(served, "score", "--model", "small", "-", input='{"jet_qt": [1]}', code=2)


def test_python_scores_events_in_every_way(served, events, bundle, sample):
    rows, expected = events
    with Client(served) as client:
        np.testing.assert_allclose(client.predict("small", rows)[:, 0], expected, rtol=0, atol=1e-6)
        np.testing.assert_allclose(client.predict("small", rows[7])[0], expected[7], rtol=0, atol=1e-6)
        many = [score[0] for score in client.predict_many("small", rows, batch=64)]
        np.testing.assert_allclose(many, expected, rtol=0, atol=1e-6)
        table = mlaas.open(sample[0][0])["events"]
        ((x, mask),) = bundle.recipe.fill(table, 0, 40).values()
        ready = np.where(mask == 0, x, np.nan)
        scores = client.predict("small", ready, input="normalised")[:, 0]
        np.testing.assert_allclose(scores, expected[:40], rtol=0, atol=1e-6)
        for proto in (False, True):
            score = client.predict_row("small", x[0], proto=proto)
            np.testing.assert_allclose(score[-1], client.predict("small", x[:1], input="normalised")[0], atol=1e-6)


def test_python_manages_models(served, bundle, tmp_path):
    with Client(served) as client:
        assert client.ready()
        client.upload("other", bundle.path)
        assert {"small", "other"} <= {entry["name"] for entry in client.models()}
        about = client.model("other")
        assert about["name"] == "other"
        assert about["back_end"] == "xgboost"
        assert client.fetch("other", "recipe.json") == Path(bundle.path, "recipe.json").read_bytes()
        client.download("other", tmp_path / "copy")
        written = {str(path.relative_to(bundle.path)): path.read_bytes() for path in files_of(bundle.path)}
        assert {
            str(path.relative_to(tmp_path / "copy")): path.read_bytes() for path in files_of(tmp_path / "copy")
        } == (written)
        client.delete("other")
        with pytest.raises(NotFoundError):
            client.predict("other", {"a": 1})
        with pytest.raises(RefusedError):
            client.predict("small", {"a": [[1]]})


def files_of(folder):
    return [path for path in Path(folder).rglob("*") if path.is_file()]


def test_the_command_manages_models(served, bundle, tmp_path):
    command(served, "models", "upload", bundle.path, "--name", "third")
    assert "third" in command(served, "models", "list")
    assert "xgboost" in command(served, "models", "show", "third")
    command(served, "models", "download", "third", "--out", tmp_path / "copy")
    assert mlaas.load(tmp_path / "copy").recipe.features() == bundle.recipe.features()
    assert command(served, "models", "delete", "third") == "deleted third\n"
    assert "third" not in command(served, "models", "list")


@pytest.mark.skipif(not LOOP.exists(), reason="no C++ compiler was there when the project was built")
def test_an_event_loop_in_cpp_scores_alike_in_three_ways(served, sample, bundle, tmp_path):
    done = subprocess.run(
        [LOOP, served, "small", sample[0][0], "400", tmp_path / "scores.csv"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()[1:4]] == ["single", "batched", "asynchronous"]
    scores = np.loadtxt(tmp_path / "scores.csv", delimiter=",", skiprows=1)[:, 1]
    np.testing.assert_allclose(scores, bundle.predict(sample[0][0])[:400], rtol=0, atol=1e-6)
    done = subprocess.run([LOOP, served, "nothere", sample[0][0]], capture_output=True, text=True)
    assert done.returncode == 1
    assert "404" in done.stderr


# ---- scripts of users of TFaaS ----


@pytest.fixture
def tfaas(served, tmp_path):
    def run(*words, code=0):
        done = subprocess.run(
            [sys.executable, ROOT / "scripts/tfaas_client.py", f"--url={served}", *map(str, words)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout

    return run


def test_the_script_of_tfaas_goes_on_working(tfaas, served, bundle, events, tmp_path):
    rows, expected = events
    params = json.loads(Path(bundle.path, "params.json").read_text())
    (tmp_path / "params.json").write_text(json.dumps({**params, "name": "formed"}))
    names = {"model": f"{bundle.path}/model.ubj", "labels": f"{bundle.path}/labels.txt", "params": "params.json"}
    (tmp_path / "upload.json").write_text(json.dumps({**names, "name": "formed"}))
    assert tfaas("--upload=upload.json") == ""
    assert "formed" in [entry["name"] for entry in json.loads(tfaas("--models"))]
    full = next(i for i, row in enumerate(rows) if 0 < len(row["jet_pt"]) < 3)
    keys, values = [], []
    for name, value in rows[full].items():
        for slot, item in enumerate(np.atleast_1d(value)):
            keys.append(f"{name}_{slot}" if np.ndim(value) else name)
            values.append(float(item))
    (tmp_path / "input.json").write_text(json.dumps({"keys": keys, "values": values, "model": "small"}))
    assert json.loads(tfaas("--predict=input.json"))[-1] == pytest.approx(expected[full], abs=1e-6)
    assert "error" in json.loads(tfaas("--predict=input.json", "--model=nothere", code=1))
    assert tfaas("--delete=formed") == ""
    assert "formed" not in [entry["name"] for entry in json.loads(tfaas("--models"))]
    assert tfaas("--predict=nothere.json", code=1) == "nothere.json: No such file or directory\n"
    assert "refused" in tfaas("--url=http://127.0.0.1:1", "--models", code=1)


def test_the_script_of_tfaas_sends_archives(tfaas, bundle, tmp_path):
    shutil.copytree(bundle.path, tmp_path / "pack" / "packed")
    shutil.make_archive(tmp_path / "packed", "gztar", tmp_path / "pack")
    assert tfaas(f"--bundle={tmp_path}/packed.tar.gz") == ""
    assert "packed" in tfaas("--models")
    assert tfaas("--delete=packed") == ""


# ---- TLS ----


def openssl(folder, *words):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    "ca.pem, and server.pem and user.pem that it signed, each with its key in the same file."
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("certificates")
    new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    openssl(folder, *new, "-subj", "/CN=test CA", "-keyout", "ca.key", "-out", "ca.pem")
    for name in ("server", "user"):
        signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-addext", "subjectAltName=IP:127.0.0.1", "-subj", f"/CN={name}"]
        signed += ["-addext", "basicConstraints=critical,CA:FALSE"]
        openssl(folder, *new, *signed, "-keyout", f"{name}.key", "-out", f"{name}.crt")
        (folder / f"{name}.pem").write_text((folder / f"{name}.crt").read_text() + (folder / f"{name}.key").read_text())
    return folder


def test_certificates_are_checked_both_ways(certificates, tmp_path):
    ca, user = certificates / "ca.pem", certificates / "user.pem"
    own = ["--tls-cert", certificates / "server.crt", "--tls-key", certificates / "server.key"]
    with serving(tmp_path / "models", *own, "--client-ca", ca, "--client-required") as address:
        assert address.startswith("https://")
        command(address, "models", "list", "--ca", ca, "--cert", user)
        command(address, "models", "list", "--ca", ca, "--cert", user, "--key", certificates / "user.key")
        assert "certificate" in command(address, "models", "list", "--cert", user, code=4)
        command(address, "models", "list", "--ca", ca, code=4)
        with Client(address, ca_file=str(ca), cert_file=str(user)) as client:
            assert client.models() == []
        with pytest.raises(ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            Client(address, cert_file=str(user), retries=0).models()
        with pytest.raises(ConnectError):
            Client(address, ca_file=str(ca), retries=0).models()
        script = [sys.executable, ROOT / "scripts/tfaas_client.py", f"--url={address}", "--models", f"--cafile={ca}"]
        done = subprocess.run([*script, f"--cert={user}", f"--key={user}"], capture_output=True, text=True)
        assert done.stdout.strip() == "[]", done.stdout + done.stderr
