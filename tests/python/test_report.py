"""The report: self-contained, with all its plots, for every kind of task."""

import re
import xml.etree.ElementTree as xml

import numpy as np
import pytest

pytest.importorskip("matplotlib")
from mlaas import report
from mlaas.leak import Finding, Sample
from mlaas.train._base import Task
from mlaas.train._fit import Scores


def content(classes, rows=600, weighted=False, name="higgs <b>", **params):
    rng = np.random.default_rng(0)
    task = Task(classes)
    index = rng.integers(0, max(len(classes), 1), rows) if classes else rng.normal(size=rows)
    if len(classes) > 2:
        score = rng.dirichlet(np.ones(len(classes)), rows).astype(np.float32)
    else:
        score = np.clip(rng.normal(0.3 + 0.3 * index, 0.2), 0, 1).astype(np.float32)
    raw = rng.choice([1.0, -0.5], rows) if weighted else np.ones(rows)
    scores = Scores(score, index, np.ones(rows), raw)
    about = {
        "framework": "keras",
        "versions": {"python": "3"},
        "epochs_run": 2,
        "seconds": 1.0,
        "notes": ["a note"],
        "history": [
            {"epoch": 0, "loss": 1.0, "val_loss": 1.1, "val_auc": 0.6},
            {"epoch": 1, "loss": 0.9, "val_loss": None},
        ],
        "model_source": "def model(idim): ...",
        "files": [{"url": "a.root", "entries": 5, "label": 1}],
        "dropped": [],
        "warnings": [],
        "classes": classes,
    }
    lengths = rng.integers(0, 4, rows)
    raw_sample = Sample(
        {
            "pt": rng.exponential(50, rows),
            "n": lengths,
            "nan": np.full(rows, np.nan),
            "jet": (np.r_[0, np.cumsum(lengths)], rng.normal(size=lengths.sum())),
        },
        np.zeros(rows, int),
        np.array([classes[int(i)] if classes else i for i in index], dtype=float),
        ["a.root"],
    )
    normalised = report.Normalised(
        ["pt", "n", "nan", "jet_0", "jet_1"],
        rng.normal(size=(rows, 5)).astype(np.float32),
        np.zeros((rows, 5), np.uint8),
        raw_sample.y,
    )
    result = {"test": scores.metrics(task), "train_sample": scores.metrics(task)}
    return report.Content(
        name,
        task,
        params,
        about,
        result,
        scores,
        scores,
        raw_sample,
        [Finding("genW", ["its name has the word 'gen'"], False)],
        normalised,
    )


def svgs(page):
    return re.findall(r"<svg.*?</svg>", page, re.S)


@pytest.fixture(scope="module")
def page():
    return report.render(content([0.0, 1.0], weighted=True))


def test_the_page_is_self_contained(page):
    assert not re.search(r'(src|href)="(?!#)', page) and "@import" not in page and "<script" not in page
    assert "higgs &lt;b&gt;" in page and "<b>higgs" not in page


def test_all_plots_are_there_and_well_formed(page):
    for key in ("roc", "score1", "cuts", "history"):
        assert f'<div class="plot" id="{key}">' in page
    assert len(svgs(page)) == 4 + 4
    for svg in svgs(page):
        xml.fromstring(svg.replace("xlink:href", "href"))


def test_ids_do_not_clash(page):
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(ids)


def test_what_it_says(page):
    for words in (
        "test AUC, weighted",
        "leave them out",
        "genW",
        "a note",
        "a.root",
        "def model(idim)",
        "Confusion",
        "as the model sees it",
        "purity, weighted",
    ):
        assert words in page


@pytest.mark.parametrize("classes,plots", [([0.0, 1.0, 2.0], 1 + 3 + 1), ([], 1 + 1)])
def test_other_tasks(classes, plots):
    page = report.render(content(classes))
    assert len(svgs(page)) == plots + 4
    assert ("One class against the rest" in page) == (len(classes) > 2)


def test_hist_names_the_section(page):
    assert "<h2>pdfs</h2>" in report.render(content([0.0, 1.0], hist="pdfs"))
    assert "<h2>Features</h2>" in page


def test_an_empty_test_part():
    made = content([0.0, 1.0], rows=600)
    empty = Scores(np.zeros(0, np.float32), np.zeros(0, int), np.zeros(0), np.zeros(0))
    made.test, made.result["test"] = empty, empty.metrics(made.task)
    assert "test rows" in report.render(made)


def test_without_matplotlib(monkeypatch):
    monkeypatch.setattr(report, "_plt", lambda: None)
    assert "matplotlib is not installed" in report.render(content([0.0, 1.0]))


def test_a_wide_list_shows_the_most_separating(monkeypatch):
    monkeypatch.setattr(report, "MAX_FEATURES", 5)
    made = content([0.0, 1.0], rows=80)
    made.raw.columns.update({f"c{i}": made.raw.columns["n"] + made.raw.y * i for i in range(70)})
    columns = report.feature_columns(made)
    assert columns[0][0].startswith("c") and columns[-1][0] in ("nan", "jet", "pt", "n", "c0")
    assert "that separate least are left out" in report.render(made)
