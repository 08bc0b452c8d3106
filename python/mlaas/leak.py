"""The leak guard: columns that give the label away, found in a bounded sample of raw (unscaled) values.

Statistics: AUC of each slot and of each list length, a binned test for what is not monotonic, ranges of signal and
background files that do not overlap, values constant in each file; and names that sound like truth, weight, trigger or
bookkeeping. Knows columns and labels; files only in `sample`.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field

import numpy as np

from . import metrics
from ._errors import BAD_FILE

LIMIT_ROWS = 30_000
MIN_ROWS = 50  # of each class, below that nothing is concluded
AUC_LIMIT = 0.99
MAX_SLOTS = 16
MAX_CLASSES = 20
BINS = 40
CHUNKS = 4  # places of a file that the sample is read from
RARE = 0.01

WORDS = {
    "weight",
    "wgt",
    "gen",
    "truth",
    "parton",
    "mc",
    "flavour",
    "flavor",
    "mva",
    "trigger",
    "hlt",
    "category",
    "run",
    "lumi",
    "luminosity",
    "event",
    "evt",
}


@dataclass
class Sample:
    """Raw columns of some rows: arrays, or (offsets, values) for lists; with file number and label of each row."""

    columns: dict
    file: np.ndarray
    y: np.ndarray
    urls: list = field(default_factory=list)

    @property
    def classes(self):
        found = np.unique(self.y)
        return [] if len(found) > MAX_CLASSES else [float(value) for value in found]


@dataclass
class Finding:
    """One branch and all the reasons why it is suspicious; `proof` is false where only the name speaks."""

    branch: str
    reasons: list
    proof: bool
    collection: str = ""

    def to_dict(self) -> dict:
        return {"branch": self.branch, "collection": self.collection, "reasons": self.reasons, "proof": self.proof}


def words_of(name: str) -> list:
    """The words of a branch name, lower case: split at separators and changes of case (genEvtWeight, HLT_Mu)."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+", name)
    return [part.lower() for part in parts]


def suspicious_word(name: str) -> str | None:
    for word in words_of(name):
        for form in (word, word.removesuffix("s"), word.removesuffix("es")):
            if form in WORDS:
                return form
    return None


def _split(column):
    """(lengths or None, values or None, offsets) of a column."""
    if isinstance(column, tuple):
        offsets = np.asarray(column[0], dtype=np.int64)
        return np.diff(offsets), np.asarray(column[1]), offsets
    return None, np.asarray(column), None


def slots(column):
    """Yields (slot or None, rows that have it, their values as float64)."""
    lengths, values, offsets = _split(column)
    if lengths is None:
        yield None, np.ones(len(values), dtype=bool), values.astype(np.float64)
        return
    for slot in range(min(int(lengths.max(initial=0)), MAX_SLOTS)):
        there = lengths > slot
        yield slot, there, values[offsets[:-1][there] + slot].astype(np.float64)


def _binned_auc(values, positive) -> float:
    """AUC of the signal share in bins, each half of the rows judged by the bins of the other half."""
    half = np.arange(len(values)) % 2 == 0
    distinct = np.unique(values)
    edges = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1])) if len(distinct) > BINS else distinct[1:]
    bins = np.searchsorted(edges, values, side="right")
    score = np.empty(len(values))
    for rows in (half, ~half):
        signal = np.bincount(bins[~rows], weights=positive[~rows], minlength=len(edges) + 1)
        count = np.bincount(bins[~rows], minlength=len(edges) + 1)
        score[rows] = ((signal + 0.5) / (count + 1))[bins[rows]]
    return metrics.auc(score, positive)


def separation(values, positive) -> tuple:
    """(largest of AUC, 1 - AUC and binned AUC; which) of a column against one class; (0.5, "") for too few rows."""
    valid = np.isfinite(values)
    values, positive = values[valid], positive[valid]
    count = int(positive.sum())
    if min(count, len(values) - count) < MIN_ROWS:
        return 0.5, ""
    area = metrics.auc(values, positive)
    best, how = max(area, 1 - area), "AUC"
    if best <= AUC_LIMIT:
        binned = _binned_auc(values, positive)
        if binned > best:
            best, how = binned, "binned AUC"
    return best, how


def _auc_reasons(name, column, y, classes) -> list:
    """Slots, list lengths and presence of missing values that separate a class from the rest."""
    lengths, _, _ = _split(column)
    tests = [(name if slot is None else f"{name}_{slot}", there, values) for slot, there, values in slots(column)]
    if lengths is not None:
        tests.append((f"length of {name}", np.ones(len(y), dtype=bool), lengths.astype(np.float64)))
    for label, there, values in list(tests):
        if np.isnan(values).any():
            tests.append((f"NaN in {label}", there, np.isnan(values).astype(np.float64)))
    found = []
    targets = classes[1:] if len(classes) == 2 else classes
    for label, there, values in tests:
        for target in targets:
            value, how = separation(values, y[there] == target)
            if value > AUC_LIMIT:
                against = "" if len(targets) == 1 else f" for label {target:g}"
                found.append(f"{label}: {how} {value:.4f}{against}")
    return found[:3] + ([f"and {len(found) - 3} more slots"] if len(found) > 3 else [])


def _file_values(column, file, number):
    lengths, values, offsets = _split(column)
    rows = file == number
    chosen = values[rows] if lengths is None else values[np.repeat(rows, lengths)]
    chosen = chosen.astype(np.float64)
    return chosen[np.isfinite(chosen)]


def _file_reasons(column, sample) -> list:
    """Ranges that do not overlap between files of different labels, and values constant in a file."""
    ranges, labels, values = [], [], []
    for number in np.unique(sample.file):
        found = _file_values(column, sample.file, number)
        if len(found) >= MIN_ROWS:
            ranges.append((found.min(), found.max()))
            labels.append(sample.y[sample.file == number][0])
            values.append(found)
    label_of = np.array(labels)
    kinds = np.unique(label_of)
    if len(kinds) < 2:
        return []
    low, high = np.array(ranges).T
    reasons = []
    if len(kinds) == 2:
        first, second = label_of == kinds[0], label_of == kinds[1]
        if high[first].max() < low[second].min() or high[second].max() < low[first].min():
            reasons.append("its range in the files of one label does not overlap that of the other")
    constant = low == high
    if constant.all() and len(np.unique(low)) > 1:
        return reasons + ["constant in each file, with different values"]
    for i in np.flatnonzero(constant):
        others = [values[j] for j in range(len(labels)) if labels[j] != labels[i]]
        if np.mean(np.concatenate(others) == low[i]) < RARE:
            reasons.append(f"constant {low[i]:g} in a file, and never that in files of another label")
            break
    return reasons


def _collections(sample) -> dict:
    """Name of the collection of each list branch: those of equal lengths share one, called by their common start."""
    groups: dict[bytes, list[str]] = {}
    for name, column in sample.columns.items():
        if isinstance(column, tuple):
            groups.setdefault(np.asarray(column[0], dtype=np.int64).tobytes(), []).append(name)
    result = {}
    for names in groups.values():
        start = os.path.commonprefix(names)
        result.update(dict.fromkeys(names, start or names[0]))
    return result


def check(sample: Sample) -> list:
    """Findings, those with proof first, then by name."""
    collections, classes, findings = _collections(sample), sample.classes, []
    for name in sorted(sample.columns):
        column = sample.columns[name]
        reasons = _file_reasons(column, sample) if len(sample.urls) != 1 else []
        if len(classes) >= 2:
            reasons += _auc_reasons(name, column, sample.y, classes)
        proof = bool(reasons)
        word = suspicious_word(name)
        if word:
            reasons.append(f"its name has the word '{word}'")
        if reasons:
            findings.append(Finding(name, reasons, proof, collections.get(name, "")))
    return sorted(findings, key=lambda finding: (not finding.proof, finding.branch))


def text(findings, sample=None) -> str:
    """The report of the guard: by collection, with the list to paste into params.json."""
    groups: dict[str, list[Finding]] = {}
    lines = []
    for finding in findings:
        groups.setdefault(finding.collection or finding.branch, []).append(finding)
    for name, group in groups.items():
        first = group[0]
        title = first.branch if len(group) == 1 else f"{name}* ({', '.join(f.branch for f in group)})"
        lines.append(f"  {title}: {'; '.join(first.reasons)}")
    proven = sum(finding.proof for finding in findings)
    head = (
        f"leak guard: {len(findings)} branches may give the label away ({proven} by their values, "
        f"{len(findings) - proven} by name only)"
    )
    names = sorted(finding.branch for finding in findings)
    return "\n".join([head, *lines, '  to leave them out: "exclude_branches": ' + json.dumps(names)])


def _spread(entries: int, rows: int) -> list:
    """Up to CHUNKS ranges of a file, `rows` in all, spread over it."""
    rows = min(rows, entries)
    if rows == entries:
        return [(0, entries)] if entries else []
    each, result = max(rows // CHUNKS, 1), []
    for i in range(min(CHUNKS, rows)):
        start = (entries - each) * i // max(CHUNKS - 1, 1)
        result.append((start, start + each))
    return result


def _join(parts: list):
    if isinstance(parts[0], tuple):
        lengths = np.concatenate([np.diff(np.asarray(p[0], dtype=np.int64)) for p in parts])
        values = [np.asarray(p[1])[int(p[0][0]) : int(p[0][-1])] for p in parts]
        return np.r_[0, np.cumsum(lengths)], np.concatenate(values)
    return np.concatenate([np.asarray(p) for p in parts])


def _read(dataset, number: int, names: list, ranges: list) -> list:
    """The columns in each range; of a bad file, where it is left out, as many as can be read."""
    found: list = []
    try:
        with dataset.open_file(number) as file:
            table = file[dataset.recipe.table]
            if dataset.params["friends"]:
                table = table.with_friends()
            for start, stop in ranges:
                found.append(table.arrays(names, start, stop, library="np"))
    except BAD_FILE:
        if dataset.params["on_bad_file"] == "fail":
            raise
    return found


def sample(dataset, limit: int = LIMIT_ROWS) -> Sample:
    """Raw values of the recipe's branches from places spread over every file, `limit` rows in all."""
    if hasattr(dataset, "raw_sample"):
        return dataset.raw_sample(limit)
    names, parts, numbers, labels = list(dataset.recipe.branches), [], [], []
    label_branch = next((item["label"] for item in dataset.files if isinstance(item.get("label"), str)), None)
    wanted = names + ([label_branch] if label_branch and label_branch not in names else [])
    share = max(limit // max(len(dataset.files), 1), 2 * MIN_ROWS)
    for number, info in enumerate(dataset.files):
        ranges = list(_spread(int(info["entries"]), share)) if info["entries"] else []  # none of files that are lost
        for (start, stop), part in zip(ranges, _read(dataset, number, wanted, ranges)):
            parts.append(part)
            numbers.append(np.full(stop - start, number))
            labels.append(
                np.asarray(part[label_branch], dtype=np.float64)
                if label_branch
                else np.full(stop - start, float(info.get("label") or 0))
            )
    if not parts:
        return Sample({}, np.zeros(0, int), np.zeros(0), [item["url"] for item in dataset.files])
    columns = {name: _join([part[name] for part in parts]) for name in names}
    return Sample(columns, np.concatenate(numbers), np.concatenate(labels), [item["url"] for item in dataset.files])
