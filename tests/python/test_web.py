"""The page of `mlaas serve` as people see it: in a headless Chromium, against the real server below a base path."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import browser
import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("MLAAS_BUILD", ROOT / "build"))
MODELS = ROOT.parent / "shared/data/models"
ROWS = "[...document.querySelectorAll('#answer tbody tr')]"
SCORES = "[...document.querySelectorAll('#answer tbody td.number')].map((cell) => Number(cell.innerText))"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not browser.PROGRAM, reason="chromium is not installed (apt-get install chromium)"),
]


def write_bundle(folder):
    """A model that gives its inputs back, with a recipe: what it answers is what the recipe made."""
    folder.mkdir()
    columns = [
        {"branch": "met", "type": "f", "scaler": "standard", "mean": 50.0, "sd": 20.0},
        {"branch": "nJets", "type": "i", "scaler": "minmax", "min": 0.0, "max": 10.0},
        {"branch": "jetPt", "type": "f", "width": 2, "scaler": "none"},
    ]
    model = {
        "format": "mlaas-model", "version": 1, "name": "events", "back_end": "echo", "file": "echo.json",
        "inputs": [{"name": "x", "recipe_input": "x", "dtype": "float32", "shape": [-1, 4], "mask": "none"}],
        "outputs": [{"name": "y", "dtype": "float32", "shape": [-1, 4]}],
        "labels": ["a", "b", "c", "d"], "metrics": {"task": "classification", "auc": 0.9375},
    }  # fmt: skip
    recipe = {
        "format": "mlaas-recipe", "version": 1, "table": "events", "arithmetic": "double", "pad": 0.0, "clip": None,
        "missing": [], "inputs": [{"name": "x", "kind": "flat", "columns": columns}], "collections": [],
        "split": {"method": "xxh3-64", "seed": 0, "shares": [0.64, 0.16, 0.2], "split_by": [], "files": []},
    }  # fmt: skip
    params = {"name": "events", "model": "echo.json", "labels": "labels.txt", "description": "gives back <b>inputs</b>"}
    (folder / "model.json").write_text(json.dumps(model))
    (folder / "recipe.json").write_text(json.dumps(recipe))
    (folder / "params.json").write_text(json.dumps(params))
    (folder / "labels.txt").write_text("a\nb\nc\nd\n")
    (folder / "echo.json").write_text('{"inputs": 4, "outputs": 4}')
    (folder / "report.html").write_text(
        "<!doctype html><title>quiet</title><style>h1 { color: rgb(1, 2, 3) }</style><h1>Report</h1>"
        "<script>document.title = 'loud'</script>"
    )


@contextlib.contextmanager
def serving(*options):
    """The address of a server that runs meanwhile."""
    process = subprocess.Popen(
        [BUILD / "src/cli/mlaas", "serve", "--port", "0", *options],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    lines = []
    for line in process.stdout:
        lines.append(line)
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            break
    else:
        pytest.fail(f"the server did not start: {''.join(lines)}")
    threading.Thread(target=lambda: lines.extend(process.stdout), daemon=True).start()
    try:
        yield found[0]
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0, "".join(lines)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a running server with some models."""
    folder = tmp_path_factory.mktemp("models")
    write_bundle(folder / "events")
    (folder / "plain").mkdir()
    (folder / "plain" / "echo.json").write_text('{"inputs": 3, "outputs": 3}')
    for version in (1, 2):
        (folder / "grown" / str(version)).mkdir(parents=True)
        (folder / "grown" / str(version) / "echo.json").write_text(f'{{"inputs": {version}, "outputs": {version}}}')
    (folder / "broken").mkdir()
    (folder / "broken" / "model.onnx").write_bytes(b"this is no model")
    for name in ("class3_onnx", "class3_tf1", "image3_tf1"):
        if (MODELS / name).is_dir():
            shutil.copytree(MODELS / name, folder / name)
    with serving("--models", folder, "--base", "/tf") as address:
        yield address + "/tf/"


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    window = browser.Browser(tmp_path_factory.mktemp("chromium"))
    yield window
    window.close()


@pytest.fixture
def page(server, window):
    """The page, freshly opened; at the end nobody but the server was asked, and no script had failed."""
    window.errors.clear()
    window.requests.clear()
    window.open("about:blank")
    window.open(server)
    window.wait("document.querySelectorAll('#models a').length")
    yield window
    origin = server.removesuffix("/tf/")
    assert [url for url in window.requests if not url.startswith((origin, "about:", "blob:", "data:"))] == []
    assert [error for error in window.errors if "Failed to load resource" not in error] == []


def choose(page, name):
    page.run(f"location.hash = {json.dumps(name)}")
    page.wait(
        f"document.querySelector('#model .badge') && document.querySelector('h1').innerText === {json.dumps(name)}"
    )


def predict(page):
    page.run("document.querySelector('#model form').requestSubmit()")
    page.wait("!document.querySelector('#answer').hidden || document.querySelector('#model .trouble:not([hidden])')")


def read(url, **headers):
    """(status, headers, body) of a GET that does not follow redirections."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *given):
            return None

    try:
        with urllib.request.build_opener(Stay).open(urllib.request.Request(url, headers=headers), timeout=120) as reply:
            return reply.status, reply.headers, reply.read()
    except urllib.error.HTTPError as reply:
        return reply.code, reply.headers, reply.read()


def test_models_are_listed_and_broken_ones_say_why(page):
    names = page.run("[...document.querySelectorAll('#models a')].map((a) => a.lastChild.textContent)")
    assert {"events", "plain", "broken"} <= set(names)
    choose(page, "broken")
    page.wait("document.querySelector('.badge.failed')")
    assert "onnx" in page.text("#model .trouble").lower()
    assert page.run("document.querySelector('#model form')") is None
    page.run("filter.value = 'PLA'; filter.dispatchEvent(new Event('input'))")
    assert page.run("[...document.querySelectorAll('#models a')].map((a) => a.hash)") == ["#plain"]


def test_a_model_is_described(page):
    choose(page, "events")
    text = page.text("#model")
    for part in ("gives back <b>inputs</b>", "0.9375", "any × 4", "Labels (4)", "recipe.json", "bundle", "ready"):
        assert part in text
    assert page.run("document.querySelectorAll('#model b').length") == 0


def test_raw_features_go_through_the_recipe(page):
    choose(page, "events")
    for name, value in (("met", "70"), ("nJets", "4"), ("jetPt", "[31.5]")):
        page.run(f"document.querySelector('input[name={name}]').value = {json.dumps(value)}")
    predict(page)
    rows = page.run(f"{ROWS}.map((row) => [...row.cells].slice(0, 2).map((cell) => cell.innerText))")
    assert [label for label, _ in rows] == ["a", "b", "c", "d"]
    # features are in order of kind, then of name: met, nJets, jetPt_0, jetPt_1 (padding)
    assert [float(score) for _, score in rows] == pytest.approx([1.0, 0.4, 31.5, 0.0])
    assert "raw" in page.text("#answer")
    page.wait("/predictions\\s+[1-9]/.test(document.querySelector('#use').innerText)")


def test_mistakes_are_shown_where_they_were_made(page):
    choose(page, "events")
    page.run("document.querySelector('input[name=met]').value = 'many'")
    predict(page)
    assert "met: many is not a number" in page.text("#model .trouble:not([hidden])")
    choose(page, "plain")
    page.run("document.querySelector('#model textarea').value = '1, 2'")
    predict(page)
    assert re.search(r"\[4(00|22)\]", page.text("#model .trouble:not([hidden])"))
    page.run("document.querySelector('#model textarea').value = '1, 2.5, -3'")
    predict(page)
    assert page.run(SCORES) == [1, 2.5, -3]
    assert page.text("#model .trouble:not([hidden])") is None


def test_versions_are_chosen(page):
    choose(page, "grown")
    assert "any × 2" in page.text("#model")
    page.run("location.hash = 'grown/1'")
    page.wait("document.querySelector('#model').innerText.includes('any × 1')")
    assert page.run("document.querySelector('#model select').value") == "1"
    page.run("document.querySelector('#model textarea').value = '7'")
    predict(page)
    assert page.text("#answer .score") == "7"


def test_scores_are_those_of_the_framework(page):
    if not (MODELS / "class3_onnx").is_dir():
        pytest.skip("../shared/data/models is absent")
    reference = json.loads((MODELS / "class3_onnx/reference.json").read_text())
    choose(page, "class3_onnx")
    page.run(f"document.querySelector('#model textarea').value = '{' '.join(map(str, reference['inputs']['x'][0]))}'")
    predict(page)
    scores = page.run(SCORES)
    assert scores == pytest.approx(reference["outputs"]["y"][0], rel=1e-6)


def test_pictures_are_sent_as_files(page):
    if not (MODELS / "image3_tf1").is_dir():
        pytest.skip("../shared/data/models is absent")
    choose(page, "image3_tf1")
    page.choose_files("#model input[type=file]", MODELS / "images/color.png")
    predict(page)
    assert len(page.run(f"{ROWS}.map((row) => row.innerText)")) >= 3


def test_models_are_uploaded_and_deleted(page, tmp_path):
    (tmp_path / "echo.json").write_text('{"inputs": 2, "outputs": 2}')
    page.click("#upload")
    page.click("input[value=files]")
    page.choose_files("dialog input[accept='.onnx,.pb,.ubj,.json']", tmp_path / "echo.json")
    page.run("document.querySelector('dialog input[pattern]').value = 'fresh'")
    page.run("document.querySelector('dialog form').requestSubmit()")
    page.wait("!dialog.open && document.querySelector('#models a[href=\"#fresh\"]')")
    choose(page, "fresh")
    page.click("#delete")
    assert "Delete fresh?" in page.text("dialog")
    page.run("document.querySelector('dialog form').requestSubmit()")
    page.wait("!dialog.open && !document.querySelector('#models a[href=\"#fresh\"]')")
    page.click("#upload")
    page.click("input[value=files]")
    (tmp_path / "bad.onnx").write_bytes(b"no model at all")
    page.choose_files("dialog input[accept='.onnx,.pb,.ubj,.json']", tmp_path / "bad.onnx")
    page.run("document.querySelector('dialog form').requestSubmit()")
    page.wait("document.querySelector('dialog .trouble:not([hidden])')")
    page.run("dialog.close()")


def test_folders_are_uploaded_as_archives_made_by_the_page(page, tmp_path):
    (tmp_path / "boxed").mkdir()
    (tmp_path / "boxed" / "echo.json").write_text('{"inputs": 2, "outputs": 2}')
    page.click("#upload")
    page.choose_files("dialog input[webkitdirectory]", tmp_path / "boxed")
    page.wait("document.querySelector('dialog input[webkitdirectory]').files.length")
    page.run("document.querySelector('dialog form').requestSubmit()")
    page.wait("!dialog.open && document.querySelector('#models a[href=\"#boxed\"]')")
    choose(page, "boxed")
    assert "echo.json" in page.text("#model")


@pytest.mark.parametrize("name", ["class3_onnx", "class3_tf1"])
def test_graphs_are_drawn(page, name):
    pytest.importorskip("netron")
    if not (MODELS / name).is_dir():
        pytest.skip("../shared/data/models is absent")
    choose(page, name)
    page.open(page.run("document.querySelector('#graph').href"))
    page.wait("document.body.classList.contains('default') && document.querySelectorAll('svg g.node').length >= 5")
    labels = page.run("[...document.querySelectorAll('svg g.node')].map((node) => node.textContent).join(' ')")
    assert re.search("Gemm|MatMul", labels)


def test_what_the_page_is_made_of(server):
    root = server.removesuffix("/tf/")
    status, headers, body = read(server)
    assert status == 200 and headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    status, _, again = read(server, **{"If-None-Match": headers["ETag"]})
    assert (status, again) == (304, b"")
    for name, kind in (
        ("css/main.css", "text/css"), ("js/kube.js", "text/javascript"), ("images/tfaas_logo.png", "image/png"),
        ("favicon.ico", "image/png"), ("images/icon.svg", "image/svg+xml"), ("netron/base.js", "text/javascript"),
        ("netron/onnx-metadata.json", "application/json"), ("netron/icon.png", "image/png"),
    ):  # fmt: skip
        status, headers, body = read(server + name)
        assert (status, headers["Content-Type"].split(";")[0]) == (200, kind), name
        assert len(body) == int(headers["Content-Length"]) > 100
    for name in (
        "css/",
        "css/none.css",
        "js/../index.html",
        "netron/server.py",
        "netron/__init__.py",
        "netron/none.js",
    ):
        assert read(server + name)[0] in (301, 404), name
    for name in ("tf", "tf/netron", "tf/netron?url=/tf/download/x/model.onnx"):
        status, headers, _ = read(f"{root}/{name}")
        path, _, query = name.partition("?")
        assert status == 301
        assert headers["Location"] == f"/{path}/" + (f"?{query}" if query else "")
    assert read(server + "models/none")[0] == 404
    assert read(server + "models/events?version=7")[0] == 404
    assert read(server + "models/events?version=x")[0] == 400
    described = json.loads(read(server + "models/events?load=1")[2])
    assert described["state"] == "ready" and described["graph"] == "echo.json"
    assert [file["name"] for file in sorted(described["files"], key=lambda file: file["name"])] == [
        "echo.json", "labels.txt", "model.json", "params.json", "recipe.json", "report.html",
    ]  # fmt: skip


def test_reports_are_shown_without_scripts(page):
    choose(page, "events")
    page.open(page.run("document.querySelector('#report').href"))
    assert page.run("getComputedStyle(document.querySelector('h1')).color") == "rgb(1, 2, 3)"
    assert page.run("document.title") == "quiet"
    page.errors.clear()  # the blocked script


def test_pages_of_other_sites_change_nothing(server):
    host = server.split("/")[2]
    for way, path in (("POST", "upload"), ("POST", "bundle"), ("POST", "params"), ("DELETE", "delete/none")):
        for name, value, refused in (
            ("Sec-Fetch-Site", "cross-site", True), ("Sec-Fetch-Site", "same-site", True), ("Origin", "null", True),
            ("Origin", "http://elsewhere.example", True), ("Origin", f"http://{host}.example", True),
            ("Sec-Fetch-Site", "same-origin", False), ("Sec-Fetch-Site", "none", False),
            ("Origin", f"http://{host}", False), ("User-Agent", "a program", False),
        ):  # fmt: skip
            request = urllib.request.Request(server + path, b"{", {name: value}, method=way)
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(request, timeout=120)
            assert (caught.value.code == 403) == refused, (path, name, value, caught.value.code)


def test_files_of_a_site_replace_ours(tmp_path):
    for folder in ("models", "static/css"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "secret.css").write_text("secret")
    (tmp_path / "static/index.html").write_text("<!doctype html>ours")
    (tmp_path / "static/css/site.css").write_text("h1 { color: red }")
    (tmp_path / "static/css/link.css").symlink_to(tmp_path / "secret.css")
    with serving("--models", tmp_path / "models", "--static-dir", tmp_path / "static") as address:
        assert read(f"{address}/")[2] == b"<!doctype html>ours"
        status, headers, body = read(f"{address}/css/site.css")
        assert (status, body) == (200, b"h1 { color: red }")
        assert read(f"{address}/css/site.css", **{"If-None-Match": headers["ETag"]})[0] == 304
        assert b"--ground" in read(f"{address}/css/mlaas.css")[2]
        for name in (
            "css/link.css",
            "css/..%2f..%2fsecret.css",
            "css/%2e%2e/%2e%2e/secret.css",
            "css/",
            "css/none.css",
        ):
            status, _, body = read(f"{address}/{name}")
            assert status in (301, 404) and b"secret" not in body.replace(b"secret.css", b""), name


def test_the_example_configuration_is_understood(tmp_path):
    with serving("--config", ROOT / "deploy/serve.json", "--models", tmp_path) as address:
        assert read(f"{address}/healthz")[0] == 200
