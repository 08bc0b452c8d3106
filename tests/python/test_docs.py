"""The documents: their examples run as they stand, their links lead somewhere, and what they name is there."""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import awkward as ak
import mlaas
import numpy as np
import pyarrow
import pytest
import uproot

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("MLAAS_BUILD", ROOT / "build"))
COMMAND = BUILD / "src/cli/mlaas"
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/*.md", "examples/*/*.md", "bench/*.md", "deploy/**/*.md")
    for page in ROOT.glob(pattern)
)
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name, language=""):
    """The fenced blocks of a page in that language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text_of(name), re.S | re.M)


def anchors(text):
    heads = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name):
    for link in re.findall(r"\]\(([^)\s]+)\)", text_of(name)):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), link


def test_every_page_is_in_the_index():
    listed = set(re.findall(r"\]\((\w+\.md)\)", text_of("docs/index.md")))
    assert listed | {"index.md"} == {page.name for page in (ROOT / "docs").glob("*.md")}


# ---- the command line ----


@pytest.fixture(scope="module")
def options():
    """{command: its options}, as its help has them."""
    run = lambda *words: subprocess.run([COMMAND, *words], capture_output=True, text=True, check=True).stdout  # noqa: E731
    commands = re.findall(r"^  ([a-z-]+) ", run("help").partition("Commands:")[2].partition("'mlaas help")[0], re.M)
    assert len(commands) > 8
    return {command: set(re.findall(r"^  (--?[\w-]+)", run("help", command), re.M)) for command in commands}


def commands_of(block):
    """The lines of a block that run mlaas, as words."""
    for line in block.replace("\\\n", " ").splitlines():
        line = re.sub(r"^\$ ", "", line.strip())
        if line.startswith(("mlaas ", "/opt/mlaas/bin/mlaas ")):
            words = shlex.split(line.replace("<(", " "), comments=True)
            yield words[1 : words.index("&") if "&" in words else None]


@pytest.mark.parametrize("name", NAMES)
def test_commands_have_these_options(name, options):
    for block in blocks(name):
        for words in commands_of(block):
            if words[0] in ("COMMAND", "help"):
                continue
            assert words[0] in options, words
            for word in words[1:]:
                option = word.partition("=")[0]
                if option.startswith("-") and len(option) > 1:
                    assert option in options[words[0]] or "-" + option in options[words[0]], words


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("bench/")])  # programs of its own
def test_options_in_the_text_are_some_command_s(name, options):
    known = set().union(*options.values())
    for code in re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text_of(name), flags=re.S | re.M)):
        for option in re.findall(r"(?:^|[ (])(--[a-z][\w-]*)", code):
            assert option in known, code


@pytest.mark.parametrize("name", NAMES)
def test_targets_of_make_are_there(name):
    targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.M))
    for target in re.findall(r"^make ([a-z-]+)", "\n".join(blocks(name)), re.M) + re.findall(
        r"`make ([a-z-]+)", text_of(name)
    ):
        assert target in targets, target


def test_the_packages_to_install_are_those_of_the_build():
    """What install.md says for `pip install .` is what tools/setup.sh installs for building."""
    wanted = re.search(r'packages_build="(.*?)"', text_of("tools/setup.sh"), re.S)[1].split()
    said = re.search(r"^apt-get install (.*?)^python3", text_of("docs/install.md"), re.S | re.M)[1]
    assert set(wanted) - {"libc6-dev", "python3-venv"} == set(said.replace("\\", " ").split())


def test_inspect_prints_what_the_readme_shows():
    block = next(block for block in blocks("README.md") if "$ mlaas inspect" in block)
    words = next(commands_of(block))
    shown = block.partition("\n")[2].partition("\n\n$ ")[0]
    done = subprocess.run([COMMAND, *words], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.rstrip("\n") == shown, done.stderr


# ---- C ----


@pytest.mark.parametrize("name", NAMES)
def test_functions_of_c_are_declared(name):
    headers = [*(ROOT / "include/mlaas").glob("*.h"), ROOT / "clients/c/mlaas_client.h"]
    if name in ("ARCHITECTURE.md", "CONTRIBUTING.md"):  # they speak of the inside, too
        headers += [*ROOT.glob("src/**/*.h"), *ROOT.glob("backends/*.h")]
    declared = set(re.findall(r"\bmlaas_\w+", "\n".join(path.read_text() for path in headers)))
    for word in re.findall(r"(?<![/\w-])mlaas_\w+\b(?!_seconds|\.h)", text_of(name)):
        assert word in declared or word in MADE_UP or word.startswith(("mlaas_http_", "mlaas_model_")), word


#: Names that stand for others: the pattern of all names; the package for C++ and pkg-config.
MADE_UP = {"mlaas_noun_verb", "mlaas_", "mlaas_client"}


#: What looks like a path and is none.
VERBS = {"open/close", "new/free", "init/reset", "get/put", "parse/format", "decode/encode"}


@pytest.mark.parametrize("name", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_files_of_the_source_are_there(name):
    """`base/pool`, `rootio/value/node.h`, `tests/remote/drive.c`: with or without src/ in front and an end behind."""
    for code in re.findall(r"`((?:[a-z]+/)+[\w.]+)`", text_of(name)):
        if code.startswith(("lib/", "mlaas/")) or code in VERBS or "/FOLDER/" in code:
            continue
        places = [code, "src/" + code, "src/rootio/" + code]
        found = [place for place in places for _ in (*ROOT.glob(place), *ROOT.glob(place + ".*"))]
        assert found, code


# ---- Python ----


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the files that the examples name."""
    monkeypatch.chdir(tmp_path)
    lists = ak.Array([[50.0, 30.0], [], [70.0]])
    with uproot.recreate("events.root") as file:
        file.mkrntuple("Events", {"nJet": np.arange(3), "Jet_pt": lists, "jets": ak.zip({"pt": lists})})
        file["cutflow"] = np.histogram([1.0, 2.0], bins=4, range=(0, 4))
    (tmp_path / "data").mkdir()
    for name in ("a", "b"):
        shutil.copy("events.root", f"data/{name}.root")
    return tmp_path


def run(block, **names):
    names = {"mlaas": mlaas, "pyarrow": pyarrow, **names}
    exec(compile(block, "example", "exec"), names)
    return names


def test_reading(here):
    first, second = blocks("docs/reading.md", "python")
    names = run(second, **run(first))
    assert names["c"].arrays(["nJet"])["nJet"].tolist() == [0, 1, 2, 0, 1, 2]
    assert names["part"].num_rows == 3


def test_objects(here):
    shutil.copy(ROOT / "tests/data/objects.root", "events.root")
    names: dict = {}
    for block in blocks("docs/objects.md", "python"):
        if "mplhep" not in block:
            names = run(block.replace("dir/h;2", "dir/below;1").replace('"sumw"', '"weighted"'), **names)
    assert names["cutflow"].axis().labels[0] == "all" and names["weight"] > 0


def test_the_recipe():
    [block] = blocks("docs/recipe.md", "json")
    assert mlaas.Recipe.from_json(block).branches == ["jetEta", "jetPt", "nJets"]


def test_the_split(make_dataset):
    dataset = make_dataset()
    dataset.scan()
    [block] = blocks("docs/split.md", "python")
    loader = dataset.loader(split="all", shuffle=False)
    for number, file in enumerate(dataset.files):
        entries = np.arange(file["entries"])
        names = run(block, file_id=file["id"], seed=0, entries=entries, shares=[0.64, 0.16, 0.2])
        found = np.concatenate([batch.part[batch.file == number] for batch in loader])
        assert (found == names["part"]).all()


def test_clients_have_these_functions():
    from mlaas.client import Client

    [block] = blocks("docs/clients.md", "python")
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "client":
            assert hasattr(Client, node.attr), node.attr


@pytest.mark.slow
def test_the_readme(here, sample):
    files, labels = sample
    Path("files.txt").write_text("".join(f"{path}\n" for path in files))
    Path("labels.txt").write_text("".join(f"{label}\n" for label in labels))
    Path("params.json").write_text('{"identifier": ["run", "event"], "exclude_branches": ["genw", "njet"]}')
    Path("model.py").write_text(
        "from sklearn.linear_model import SGDClassifier\ndef model(): return SGDClassifier(loss='log_loss')\n"
    )
    shutil.copy(files[0], "data.root")
    train, read = blocks("README.md", "python")
    assert len(run(train)["scores"]) > 0
    run(read)
