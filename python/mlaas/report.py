"""report.html: one self-contained page with what a physicist asks of a training. Plots by matplotlib and mplhep, as
inline SVG. Knows scores, metrics and samples of columns; neither files nor frameworks.
"""

from __future__ import annotations

import html
import io
import json
import math
import re
from dataclasses import dataclass

import numpy as np

from . import metrics

MAX_FEATURES = 60
SAMPLE_ROWS = 20_000
BINS = 40
COLOURS = ["#3f6fb5", "#d1495b", "#edae49", "#2e8b6f", "#7d5ba6", "#00798c", "#8d6a4f", "#6b7280"]
INK, FAINT = "#1f2933", "#9aa5b1"

CSS = """
:root{--ink:#1f2933;--soft:#616e7c;--line:#e4e7eb;--paper:#fff;--tint:#f5f7fa}
*{box-sizing:border-box}body{margin:0;background:var(--tint);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1120px;margin:0 auto;padding:28px 24px 64px}h1{font-size:26px;margin:0 0 4px}
h2{font-size:18px;margin:36px 0 10px}p.lead{margin:0;color:var(--soft)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin-top:22px}
.card,.plot,.box{background:var(--paper);border:1px solid var(--line);border-radius:8px;padding:14px 16px}
.card b{display:block;font-size:24px;font-weight:600;line-height:1.25}.card span{color:var(--soft);font-size:13px}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(460px,1fr));gap:16px}
.small{grid-template-columns:repeat(auto-fit,minmax(340px,1fr));gap:12px}
.plot svg{width:100%;height:auto;display:block}.plot p{margin:6px 2px 0;color:var(--soft);font-size:13px}
table{border-collapse:collapse;font-size:14px}th,td{padding:4px 14px 4px 0;text-align:left;vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}thead th{border-bottom:1px solid var(--line)}
.warn{border-left:4px solid #edae49}.scroll{overflow-x:auto}
code,pre{font:13px/1.45 ui-monospace,Menlo,Consolas,monospace}
pre{margin:0;white-space:pre-wrap}details{margin-top:8px}summary{cursor:pointer;color:var(--soft)}
"""


@dataclass
class Content:
    """All that the page shows."""

    name: str
    task: object
    params: dict
    about: dict
    result: dict
    test: object = None
    train: object = None
    raw: object = None
    findings: list | None = None
    normalised: object = None


@dataclass
class Normalised:
    """Some rows of the loader's first flat input: as the model sees them."""

    names: list
    x: np.ndarray
    mask: np.ndarray
    y: np.ndarray


def normalised_sample(dataset, limit: int = SAMPLE_ROWS):
    """The first rows of a shuffled epoch of the training part; None if there are none."""
    loader = dataset.loader("train", shuffle=True)
    parts, rows = [], 0
    for batch in loader:
        parts.append((np.array(batch.x), np.array(batch.mask), np.array(batch.y)))
        rows += len(batch.y)
        if rows >= limit:
            break
    loader.cancel()
    loader.close()
    if not parts:
        return None
    x, mask, y = (np.concatenate(column)[:limit] for column in zip(*parts))
    names = dataset.recipe.features()
    return Normalised(
        names, x.reshape(-1, x.shape[-1]), mask.reshape(-1, x.shape[-1]), np.repeat(y, x.shape[1]) if x.ndim == 3 else y
    )


# ---- plots -------------------------------------------------------------------------------------


def _plt():
    """matplotlib set up for the page, or None where it is not installed."""
    try:
        import matplotlib
    except ImportError:
        return None
    matplotlib.use("Agg", force=False)
    from matplotlib import pyplot

    try:
        import mplhep  # noqa: F401  its histplot is used below
    except ImportError:
        pass
    pyplot.rcParams.update(
        {
            "svg.fonttype": "none",
            "font.family": "sans-serif",
            "font.size": 10,
            "axes.edgecolor": FAINT,
            "svg.hashsalt": "mlaas",
            "axes.labelcolor": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": "#e4e7eb",
            "grid.linewidth": 0.6,
            "axes.axisbelow": True,
            "legend.frameon": False,
            "legend.fontsize": 9,
            "figure.autolayout": False,
        }
    )
    return pyplot


def _svg(plt, figure) -> str:
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    text = stream.getvalue()
    return text[text.index("<svg") :]


def _figure(plt):
    """One of the main plots. The margins are fixed: fitting them costs more than drawing."""
    figure, axes = plt.subplots(figsize=(5.6, 4.2))
    figure.subplots_adjust(left=0.12, right=0.97, bottom=0.12, top=0.97)
    return figure, axes


def _unique_ids(svg: str, prefix: str) -> str:
    """Ids of several SVGs on one page must differ, else clip paths of one cut the other."""
    svg = re.sub(r'\bid="', f'id="{prefix}', svg)
    return re.sub(r'(url\(#|xlink:href="#)', lambda match: match[1] + prefix, svg)


def _step(axes, counts, edges, **style):
    """A histogram by mplhep where it is installed."""
    try:
        from mplhep import histplot
    except ImportError:
        axes.stairs(counts, edges, **style)
        return
    histplot(counts, edges, ax=axes, flow="none", **style)


def _class_names(task) -> list:
    if len(task.classes) == 2:
        return [f"background ({task.classes[0]:g})", f"signal ({task.classes[1]:g})"]
    return [f"class {value:g}" for value in task.classes]


def _colour(k: int) -> str:
    return COLOURS[k % len(COLOURS)]


def plot_roc(plt, content):
    """Background rejected against signal kept: test, with weights where there are any, and training."""
    figure, axes = _figure(plt)
    test, task = content.test, content.task
    table = metrics.class_scores(test.score, len(task.classes))
    targets = [1] if len(task.classes) == 2 else range(len(task.classes))
    for k in targets:
        name = "test" if len(task.classes) == 2 else _class_names(task)[k]
        colour = COLOURS[1] if len(task.classes) == 2 else _colour(k)
        fpr, tpr, _ = metrics.thin(metrics.roc(table[:, k], test.index == k))
        axes.plot(
            tpr, 1 - fpr, color=colour, lw=1.8, label=f"{name}, AUC {metrics.auc(table[:, k], test.index == k):.4f}"
        )
    if len(task.classes) == 2:
        if "weighted" in content.result["test"]:
            fpr, tpr, _ = metrics.thin(metrics.roc(table[:, 1], test.index, test.raw_w))
            area = metrics.auc(table[:, 1], test.index, test.raw_w)
            axes.plot(tpr, 1 - fpr, color=COLOURS[2], lw=1.4, label=f"test, weighted, AUC {area:.4f}")
        train = metrics.class_scores(content.train.score, 2)[:, 1]
        fpr, tpr, _ = metrics.thin(metrics.roc(train, content.train.index))
        axes.plot(
            tpr,
            1 - fpr,
            color=COLOURS[0],
            lw=1.1,
            ls="--",
            label=f"train, AUC {metrics.auc(train, content.train.index):.4f}",
        )
    axes.plot([0, 1], [1, 0], color=FAINT, lw=0.8, ls=":")
    axes.set(xlabel="signal efficiency", ylabel="background rejection (1 - efficiency)", xlim=(0, 1), ylim=(0, 1.02))
    axes.legend(loc="lower left")
    return figure


def plot_scores(plt, content, k: int):
    """Score of class k: training filled, test as points with their errors, each class to area one."""
    figure, axes = _figure(plt)
    task, edges = content.task, np.linspace(0, 1, BINS + 1)
    centres, width = (edges[1:] + edges[:-1]) / 2, edges[1] - edges[0]
    for c, name in enumerate(_class_names(task)):
        colour = COLOURS[c] if len(task.classes) == 2 else _colour(c)
        for part, scores in (("train", content.train), ("test", content.test)):
            chosen = metrics.class_scores(scores.score, len(task.classes))[scores.index == c, k]
            if not len(chosen):
                continue
            counts = np.histogram(chosen, edges)[0].astype(float)
            scale = 1 / (len(chosen) * width)
            if part == "train":
                axes.stairs(counts * scale, edges, fill=True, color=colour, alpha=0.25, label=f"{name}, train")
            else:
                there = counts > 0
                axes.errorbar(
                    centres[there],
                    counts[there] * scale,
                    yerr=np.sqrt(counts[there]) * scale,
                    fmt="o",
                    ms=3,
                    lw=1,
                    color=colour,
                    label=f"{name}, test",
                )
    axes.set(
        xlabel="score" if len(task.classes) == 2 else f"score of {_class_names(task)[k]}",
        ylabel="density (log)",
        yscale="log",
        xlim=(0, 1),
    )
    axes.set_ylim(top=axes.get_ylim()[1] * 4)  # room for the legend
    axes.legend(loc="upper center", ncols=2)
    return figure


def plot_cuts(plt, content):
    """Efficiency and purity for a scan of cuts on the score; purity as in the test sample, and weighted."""
    figure, axes = _figure(plt)
    score = metrics.class_scores(content.test.score, 2)[:, 1]
    cuts, efficiency, purity = metrics.cut_scan(score, content.test.index)
    axes.plot(cuts, efficiency, color=COLOURS[1], lw=1.8, label="signal efficiency")
    axes.plot(cuts, purity, color=COLOURS[0], lw=1.8, label="purity in the test sample")
    with np.errstate(invalid="ignore"):
        product = efficiency * purity
    if np.isfinite(product).any():
        best = int(np.nanargmax(product))
        axes.axvline(cuts[best], color=FAINT, lw=1, ls="--")
        axes.annotate(
            f"largest product at {cuts[best]:.2f}",
            (cuts[best], 0.03),
            xytext=(4, 0),
            textcoords="offset points",
            fontsize=9,
            color=INK,
        )
    if "weighted" in content.result["test"]:
        cuts, _, purity = metrics.cut_scan(score, content.test.index, content.test.raw_w)
        axes.plot(cuts, np.clip(purity, 0, 1), color=COLOURS[0], lw=1.2, ls="--", label="purity, weighted")
    axes.set(xlabel="cut on the score", xlim=(0, 1), ylim=(0, 1.25))
    axes.legend(loc="upper center", ncols=2)
    return figure


def plot_history(plt, content):
    """Loss of training and validation over the epochs, and the validation AUC."""
    history = content.about["history"]
    curves = [
        (key, label, colour)
        for key, label, colour in (("loss", "training loss", COLOURS[0]), ("val_loss", "validation loss", COLOURS[1]))
        if any(row.get(key) is not None for row in history)
    ]
    if not curves:
        return None
    figure, axes = _figure(plt)
    marker = "o" if len(history) <= 40 else None
    for key, label, colour in curves:
        rows = [(row["epoch"] + 1, row[key]) for row in history if row.get(key) is not None]
        axes.plot(*zip(*rows), color=colour, marker=marker, ms=3.5, lw=1.6, label=label)
    axes.set(xlabel="round" if content.about["framework"] == "xgboost" else "epoch", ylabel="loss")
    axes.xaxis.get_major_locator().set_params(integer=True)
    rows = [(row["epoch"] + 1, row["val_auc"]) for row in history if row.get("val_auc") is not None]
    if rows:
        figure.subplots_adjust(right=0.88)
        right = axes.twinx()
        right.plot(*zip(*rows), color=COLOURS[3], marker=marker, ms=3.5, lw=1.2, ls="--", label="validation AUC")
        right.set_ylabel("AUC")
        right.grid(False)
        axes.plot([], [], color=COLOURS[3], lw=1.2, ls="--", label="validation AUC")
    axes.legend(loc="best")
    return figure


def plot_regression(plt, content):
    figure, axes = _figure(plt)
    take = slice(0, 5000)
    axes.plot(content.test.index[take], content.test.score[take], ".", ms=3, alpha=0.4, color=COLOURS[0])
    axes.set(xlabel="label", ylabel="prediction")
    return figure


def _finite_range(values):
    """Range that holds all but the far tails; None for nothing to show."""
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    low, high = np.quantile(values, [0.002, 0.998])
    if low == high:
        low, high = values.min(), values.max()
    if low == high:
        low, high = low - 0.5, high + 0.5
    return float(low), float(high)


def _edges(values, bounds):
    """Bins for a column: one per value for few integers, else BINS."""
    low, high = bounds
    whole = np.all(values[np.isfinite(values)] == np.round(values[np.isfinite(values)]))
    if whole and high - low <= 2 * BINS:
        return np.arange(math.floor(low), math.ceil(high) + 2) - 0.5
    return np.linspace(low, high, BINS + 1)


def _draw_feature(axes, values, y, task, xlabel):
    bounds = _finite_range(values)
    if bounds is None:
        axes.text(0.5, 0.5, "no values", ha="center", va="center", transform=axes.transAxes, color=FAINT)
        return
    edges = _edges(values, bounds)
    for c, value in enumerate(task.classes or [None]):
        chosen = values if value is None else values[y == value]
        counts = np.histogram(chosen[np.isfinite(chosen)], edges)[0].astype(float)
        total = counts.sum()
        if total:
            colour = COLOURS[c] if len(task.classes) <= 2 else _colour(c)
            _step(axes, counts / (total * np.diff(edges)), edges, color=colour, linewidth=1.2)
    axes.set(xlabel=xlabel, xlim=(edges[0], edges[-1]))
    axes.set_yticks([])
    axes.tick_params(labelsize=8)


def feature_columns(content):
    """[(name, raw values, labels, normalised values, labels)] of the branches to show, most separating first."""
    rows = []
    for name, column in content.raw.columns.items() if content.raw else ():
        if isinstance(column, tuple):
            offsets, values = np.asarray(column[0]), np.asarray(column[1], dtype=np.float64)
            y = np.repeat(content.raw.y, np.diff(offsets))
        else:
            values, y = np.asarray(column, dtype=np.float64), content.raw.y
        rows.append((_spread_of(values, y, content.task), name, values, y, *_normalised_values(content, name)))
    rows.sort(key=lambda row: (-row[0], row[1]))
    return [row[1:] for row in rows]


def _spread_of(values, y, task) -> float:
    if len(task.classes) < 2 or not len(values):
        return 0.0
    area = metrics.auc(np.nan_to_num(values), y == task.classes[-1])
    return abs(area - 0.5) if np.isfinite(area) else 0.0


def _normalised_values(content, name):
    """All valid slots of a branch in the model's inputs, with their labels."""
    sample = content.normalised
    if sample is None:
        return np.zeros(0), np.zeros(0)
    index = [
        i
        for i, feature in enumerate(sample.names)
        if feature == name or (feature.startswith(name + "_") and feature[len(name) + 1 :].isdigit())
    ]
    valid = sample.mask[:, index] == 0
    return sample.x[:, index][valid].astype(np.float64), np.repeat(sample.y[:, None], len(index), axis=1)[valid]


def plot_feature(plt, task, name, raw, raw_y, scaled, scaled_y):
    figure, (left, right) = plt.subplots(1, 2, figsize=(5.0, 1.9))
    figure.subplots_adjust(left=0.03, right=0.98, bottom=0.27, top=0.97, wspace=0.1)
    _draw_feature(left, raw, raw_y, task, name)
    _draw_feature(right, scaled, scaled_y, task, "as the model sees it")
    return figure


def figures(plt, content):
    """(key, title, caption, figure) of the main plots."""
    task = content.task
    if task.regression:
        yield (
            "prediction",
            "Prediction",
            "Prediction against label, up to 5000 rows of the test part.",
            plot_regression(plt, content),
        )
    elif len(content.test.index) and len(content.train.index):
        yield "roc", "ROC", "Towards the upper right is better.", plot_roc(plt, content)
        for k in [1] if len(task.classes) == 2 else range(len(task.classes)):
            yield (
                f"score{k}",
                "Scores",
                "Points off the filled shape of their colour would mean overtraining.",
                plot_scores(plt, content, k),
            )
        if len(task.classes) == 2:
            yield "cuts", "Cuts", "What a cut on the score keeps, and how pure it is.", plot_cuts(plt, content)
    history = plot_history(plt, content)
    if history is not None:
        yield "history", "Training", "", history


# ---- the page ----------------------------------------------------------------------------------


def _number(value, digits=4) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _cards(content) -> str:
    test, about = content.result["test"], content.about
    cards = []
    if content.task.regression:
        cards += [(_number(test.get("rmse")), "test RMSE"), (_number(test.get("mae")), "test MAE")]
    else:
        cards += [(_number(test.get("auc")), "test AUC"), (_number(test.get("accuracy")), "test accuracy")]
        if "weighted" in test:
            cards.append((_number(test["weighted"]["auc"]), "test AUC, weighted"))
        cards.append((_number(content.result["train_sample"].get("auc")), "training AUC"))
    cards += [
        (f"{test['rows']:,}", "test rows"),
        (str(about["epochs_run"]), "rounds" if about["framework"] == "xgboost" else "epochs"),
        (f"{about['seconds']:.1f} s", "in all"),
    ]
    return (
        '<div class="cards">'
        + "".join(f'<div class="card"><b>{html.escape(v)}</b><span>{html.escape(n)}</span></div>' for v, n in cards)
        + "</div>"
    )


def _confusion(content) -> str:
    cells = content.result["test"].get("confusion")
    if not cells:
        return ""
    names = _class_names(content.task)
    head = "".join(f'<th class="n">predicted {html.escape(name)}</th>' for name in names)
    rows = "".join(
        f"<tr><th>{html.escape(name)}</th>" + "".join(f'<td class="n">{int(v):,}</td>' for v in row) + "</tr>"
        for name, row in zip(names, cells)
    )
    return (
        '<h2>Confusion (test, unweighted)</h2><div class="box scroll"><table><thead><tr><th></th>'
        f"{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _per_class(content) -> str:
    areas = content.result["test"].get("auc_per_class")
    if not areas:
        return ""
    weighted = content.result["test"].get("weighted", {}).get("auc_per_class", [None] * len(areas))
    rows = "".join(
        f'<tr><th>{html.escape(n)}</th><td class="n">{_number(a)}</td><td class="n">{_number(w)}</td></tr>'
        for n, a, w in zip(_class_names(content.task), areas, weighted)
    )
    return (
        '<h2>One class against the rest (test)</h2><div class="box"><table><thead><tr><th></th><th class="n">AUC</th>'
        f'<th class="n">AUC, weighted</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _leaks(content) -> str:
    if not content.findings:
        return ""
    rows = "".join(
        f"<tr><td><code>{html.escape(f.branch)}</code></td><td>{html.escape('; '.join(f.reasons))}</td></tr>"
        for f in content.findings
    )
    names = ", ".join(f'"{f.branch}"' for f in content.findings)
    return (
        '<h2>Leak guard</h2><div class="box warn"><p style="margin-top:0">These inputs may give the label away. '
        "Unless they are meant to be there, leave them out:</p>"
        f'<pre>"exclude_branches": [{html.escape(names)}]</pre><details><summary>reasons</summary>'
        f"<div class='scroll'><table>{rows}</table></div></details></div>"
    )


def _files(content) -> str:
    rows = "".join(
        f'<tr><td><code>{html.escape(str(f.get("url")))}</code></td><td class="n">{f.get("entries", 0):,}</td>'
        f'<td class="n">{html.escape(str(f.get("label")))}</td></tr>'
        for f in content.about["files"]
    )
    return (
        '<h2>Files</h2><div class="box scroll"><table><thead><tr><th>file</th><th class="n">entries</th>'
        f'<th class="n">label</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _details(content) -> str:
    about = content.about
    sentences = list(about["warnings"]) + list(about["notes"])
    text = "".join(f"<li>{html.escape(str(item))}</li>" for item in sentences)
    said = (
        f'<h2>Said during the training</h2><div class="box warn"><ul style="margin:0">{text}</ul></div>'
        if sentences
        else ""
    )
    params = json.dumps(content.params, indent=1, sort_keys=True, default=str)
    software = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    source = ""
    if about["model_source"]:
        source = f"<details><summary>model file</summary><pre>{html.escape(about['model_source'])}</pre></details>"
    return (
        f'{said}<h2>How it was made</h2><div class="box">{html.escape(software)}<details><summary>parameters</summary>'
        f"<pre>{html.escape(params)}</pre></details>{source}</div>"
    )


def _plots(content) -> str:
    plt = _plt()
    if plt is None:
        return '<div class="box warn">No plots: matplotlib is not installed.</div>'
    with plt.rc_context():
        blocks = []
        for key, title, caption, figure in figures(plt, content):
            svg = _unique_ids(_svg(plt, figure), key)
            blocks.append(f'<div class="plot" id="{key}">{svg}<p><b>{title}.</b> {html.escape(caption)}</p></div>')
        return '<div class="grid" style="margin-top:16px">' + "".join(blocks) + "</div>" + _features(plt, content)


def _features(plt, content) -> str:
    columns = feature_columns(content)
    if not columns:
        return ""
    shown = columns[:MAX_FEATURES]
    blocks = []
    for i, column in enumerate(shown):
        svg = _unique_ids(_svg(plt, plot_feature(plt, content.task, *column)), f"f{i}")
        blocks.append(f'<div class="plot">{svg}</div>')
    keys = "".join(
        f'<span style="color:{COLOURS[c]};margin-right:14px">&#9632; {html.escape(name)}</span>'
        for c, name in enumerate(_class_names(content.task)[: len(COLOURS)])
    )
    more = f" The {len(columns) - len(shown)} that separate least are left out." if len(columns) > len(shown) else ""
    title = html.escape(str(content.params.get("hist") or "Features"))
    return (
        f"<h2>{title}</h2><p class='lead'>{keys}<br>Raw (left) and normalised (right), each class to area one, from a "
        f"sample; those that separate most come first.{more}</p>"
        '<div class="grid small" style="margin-top:12px">' + "".join(blocks) + "</div>"
    )


def render(content: Content) -> str:
    """The whole page as text."""
    about = content.about
    classes = ", ".join(_class_names(content.task)) or "regression"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width,initial-scale=1"><title>{html.escape(content.name)}: training report</title>'
        f"<style>{CSS}</style></head><body><main><h1>{html.escape(content.name)}</h1>"
        f'<p class="lead">{html.escape(about["framework"])} model, {html.escape(classes)}</p>'
        f"{_cards(content)}{_leaks(content)}{_plots(content)}{_per_class(content)}{_confusion(content)}"
        f"{_files(content)}{_details(content)}</main></body></html>\n"
    )
