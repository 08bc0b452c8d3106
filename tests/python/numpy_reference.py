"""The data set, its recipe and its loader in plain uproot and NumPy: what the library must equal, and what the training
code runs on where the library is not built. Everything in memory, nothing clever. Never imported by the package.
"""

from __future__ import annotations

import json
from types import SimpleNamespace

import awkward as ak
import numpy as np
import uproot
import xxhash

DEFAULTS = {
    "batch_size": 256,
    "epochs": 10,
    "shuffle": True,
    "seed": 0,
    "shares": [0.64, 0.16, 0.20],
    "branch": None,
    "identifier": ["run", "event", "luminosityBlock"],
    "selected_branches": [],
    "exclude_branches": [],
    "scaler": "standard",
    "weight": None,
    "class_norm": None,
    "inputs": None,
    "leak_guard": "warn",
    "early_stopping": 0,
    "nevents": -1,
    "negative_weights": "keep",
    "missing": [],
    "hist": None,
}
PARTS = {"train": 0, "validation": 1, "test": 2}


class Recipe:
    """Inputs as lists of columns (branch, slot or None), with mean and standard deviation of each branch."""

    def __init__(self, inputs, scale, table, seed, shares, missing, files):
        self._inputs, self.scale, self.table = inputs, scale, table
        self.seed, self.shares, self.missing, self.files = seed, shares, missing, files

    @property
    def inputs(self):
        return [
            {
                "name": item["name"],
                "padded": item["slots"] > 0,
                "slots": item["slots"] or 1,
                "features": len(item["columns"]),
            }
            for item in self._inputs
        ]

    def features(self, input=None):
        item = next(item for item in self._inputs if input in (None, item["name"]))
        return [name if slot is None else f"{name}_{slot}" for name, slot in item["columns"]]

    @property
    def branches(self):
        return sorted({name for item in self._inputs for name, _ in item["columns"]})

    def to_json(self):
        return json.dumps(
            {
                "format": "mlaas-recipe",
                "version": 1,
                "inputs": self._inputs,
                "scale": self.scale,
                "table": self.table,
                "seed": self.seed,
                "shares": self.shares,
                "missing": self.missing,
                "files": self.files,
            }
        )

    @classmethod
    def from_json(cls, text):
        v = json.loads(text)
        return cls(v["inputs"], v["scale"], v["table"], v["seed"], v["shares"], v["missing"], v["files"])

    def _column(self, values, name):
        """Scaled values and mask of a branch's numbers."""
        mean, sd = self.scale[name]
        values = np.asarray(values, dtype=np.float64)
        mask = np.where(np.isnan(values) | np.isin(values, self.missing), 2, 0).astype(np.uint8)
        scaled = (values - mean) / sd if sd else values * 0
        return np.where(mask, 0, scaled).astype(np.float32), mask

    def fill(self, table, start=0, stop=None):
        arrays = {name: ak.Array(table[name])[start:stop] for name in self.branches}
        rows = len(next(iter(arrays.values())))
        result = {}
        for item in self._inputs:
            slots = item["slots"]
            shape = (rows, slots, len(item["columns"])) if slots else (rows, len(item["columns"]))
            x, mask = np.zeros(shape, np.float32), np.ones(shape, np.uint8)
            for i, (name, slot) in enumerate(item["columns"]):
                values = arrays[name]
                if not slots and slot is None:
                    x[:, i], mask[:, i] = self._column(values, name)
                    continue
                for k in range(slots) if slots else [slot]:
                    there = ak.to_numpy(ak.num(values)) > k
                    place = (there, k, i) if slots else (there, i)
                    x[place], mask[place] = self._column(ak.to_numpy(values[there][:, k]), name)
            result[item["name"]] = (x, mask)
        return result

    def split(self, file_id, first, rows, identifiers=None):
        if file_id not in self.files:
            return np.full(rows, -1, np.int8)
        key = [
            xxhash.xxh3_64_intdigest(f"{self.seed}/{file_id}/{entry}".encode()) for entry in range(first, first + rows)
        ]
        edges = np.cumsum(self.shares)[:2]
        return np.searchsorted(edges, np.array(key, dtype=np.float64) / 2.0**64, side="right").astype(np.int8)


class Batch(SimpleNamespace):
    @property
    def x(self):
        return next(iter(self.inputs.values()))[0]

    @property
    def mask(self):
        return next(iter(self.inputs.values()))[1]

    @property
    def rows(self):
        return len(self.y)


class Loader:
    def __init__(self, dataset, split, shuffle, batch_size):
        self.dataset, self.split, self.recipe, self.epoch = dataset, split, dataset.recipe, 0
        self.shuffle = (split == "train" and dataset.params["shuffle"]) if shuffle is None else shuffle
        self.batch_size = batch_size or dataset.params["batch_size"]
        part = dataset.rows["part"]
        self.index = np.arange(len(part)) if split == "all" else np.flatnonzero(part == PARTS[split])
        if split == "train" and dataset.params["negative_weights"] == "drop":
            self.index = self.index[dataset.rows["raw_w"][self.index] >= 0]
        self.num_rows, self.features = len(self.index), self.recipe.features()

    def __len__(self):
        return -(-self.num_rows // self.batch_size)

    def __iter__(self):
        order = self.index
        if self.shuffle:
            order = np.random.default_rng([self.dataset.params["seed"], self.epoch]).permutation(order)
        self.epoch += 1
        for k, start in enumerate(range(0, len(order), self.batch_size)):
            rows = order[start : start + self.batch_size]
            inputs = {name: (x[rows], mask[rows]) for name, (x, mask) in self.dataset.inputs.items()}
            yield Batch(inputs=inputs, index=k, **{name: column[rows] for name, column in self.dataset.rows.items()})

    def set_epoch(self, epoch):
        self.epoch = epoch

    def state_dict(self):
        return {"epoch": self.epoch}

    def load_state_dict(self, state):
        self.epoch = state["epoch"]

    def close(self):
        pass

    cancel = close
    stats = {}


def read_list(value, kind=str):
    if isinstance(value, str):
        with open(value) as stream:
            value = [line.strip() for line in stream if line.strip() and not line.startswith("#")]
    return [kind(item) for item in value]


class Dataset:
    def __init__(self, files, labels=None, params=None, *, recipe=None, rename=None, **_):
        self.params = {**DEFAULTS, **(params or {})}
        self.names, self.given, self.rename = read_list(files), recipe, rename or {}
        self.labels = None if labels is None else read_list(labels, float)
        self.dropped, self.warnings, self.recipe, self.specs = [], [], None, None

    def scan(self, progress=None):
        if self.recipe is not None:
            return
        trees, self.files = [], []
        for name, label in zip(self.names, self.labels or [0.0] * len(self.names)):
            with uproot.open(name) as file:
                table = self.params["branch"] or (
                    self.given.table if self.given else file.keys(filter_classname="TTree")[0]
                )
                tree = file[table]
                wanted = self.given.branches if self.given else tree.keys()
                trees.append({key: tree[self.rename.get(key, key)].array() for key in wanted})
                weight = self.params["weight"]
                if isinstance(weight, str) and weight in tree:
                    trees[-1][weight] = tree[weight].array()
                self.files.append(
                    {
                        "url": name,
                        "id": str(file.file.uuid),
                        "entries": tree.num_entries,
                        "quota": tree.num_entries,
                        "label": label,
                    }
                )
        self.table, self.arrays = table, trees
        self.classes = sorted(set(self.labels or []))
        self.recipe = self.given or self._make_recipe()
        self._fill()

    def _columns(self):
        p = self.params
        names = [name for name in self.arrays[0] if all(name in tree for tree in self.arrays)]
        left_out = {*p["identifier"], *p["exclude_branches"], *([p["weight"]] if isinstance(p["weight"], str) else [])}
        names = sorted(
            name
            for name in names
            if name not in left_out and (not p["selected_branches"] or name in p["selected_branches"])
        )
        joined = {name: ak.concatenate([tree[name] for tree in self.arrays]) for name in names}
        return joined, [name for name in names if joined[name].ndim == 1], [n for n in names if joined[n].ndim == 2]

    def _make_recipe(self):
        p = self.params
        joined, flat, jagged = self._columns()
        scale, width = {}, {}
        for name in flat + jagged:
            values = np.asarray(ak.flatten(joined[name], axis=None), dtype=np.float64)
            values = values[~np.isnan(values) & ~np.isin(values, p["missing"])]
            scale[name] = (float(values.mean()), float(values.std())) if len(values) else (0.0, 0.0)
            if name in jagged:
                width[name] = int(np.quantile(ak.to_numpy(ak.num(joined[name])), 0.999, method="inverted_cdf"))
        inputs = [
            {
                "name": "x",
                "slots": 0,
                "columns": [(name, None) for name in flat]
                + [(name, slot) for name in jagged for slot in range(width[name])],
            }
        ]
        if p["inputs"]:
            inputs = []
            for item in p["inputs"]:
                padded = item["kind"] == "padded"
                slots = max(width[name] for name in item["branches"]) if padded else 0
                inputs.append(
                    {
                        "name": item["name"],
                        "slots": slots,
                        "columns": [(name, None) for name in sorted(item["branches"])],
                    }
                )
        return Recipe(
            inputs, scale, self.table, p["seed"], p["shares"], p["missing"], [item["id"] for item in self.files]
        )

    def _fill(self):
        parts, rows = [], []
        for number, (tree, info) in enumerate(zip(self.arrays, self.files)):
            parts.append(self.recipe.fill(tree))
            count = info["entries"]
            weight = self.params["weight"]
            raw = np.ones(count, np.float32)
            if weight:
                raw = np.asarray(tree[weight], np.float32) if isinstance(weight, str) else raw * weight[number]
            rows.append(
                {
                    "y": np.full(count, info["label"], np.float32),
                    "raw_w": raw,
                    "file": np.full(count, number, np.int32),
                    "entry": np.arange(count, dtype=np.int64),
                    "part": self.recipe.split(info["id"], 0, count),
                }
            )
        self.inputs = {
            name: tuple(np.concatenate([part[name][k] for part in parts]) for k in (0, 1)) for name in parts[0]
        }
        self.rows = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
        self.rows["w"] = self._training_weight()

    def _training_weight(self):
        w, y, p = self.rows["raw_w"].astype(np.float64), self.rows["y"], self.params
        if p["negative_weights"] == "abs":
            w = abs(w)
        train = self.rows["part"] == 0
        if p["weight"] and p["class_norm"] in (None, "equal"):
            for value in self.classes:
                w[y == value] /= w[(y == value) & train].sum()
            w /= abs(w[train]).mean()
        return w.astype(np.float32)

    def raw_sample(self, limit):
        """What mlaas.leak.sample takes: here all rows."""
        from mlaas.leak import Sample

        columns = {}
        for name in self.recipe.branches:
            values = ak.concatenate([tree[name] for tree in self.arrays])
            columns[name] = (
                ak.to_numpy(values)
                if values.ndim == 1
                else (np.r_[0, np.cumsum(ak.to_numpy(ak.num(values)))], ak.to_numpy(ak.flatten(values)))
            )
        return Sample(columns, self.rows["file"], self.rows["y"], [item["url"] for item in self.files])

    def loader(self, split="train", shuffle=None, rank=0, world=1, batch_size=None):
        self.scan()
        return Loader(self, split, shuffle, batch_size)
