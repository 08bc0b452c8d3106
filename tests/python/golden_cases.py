"""The recorded runs of the original MLaaS4HEP: where they are, how to repeat one, how to compare. No tests here."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
SHARED = next((p / "shared" / "data" for p in ROOT.parents if (p / "shared" / "data" / "golden").is_dir()), None)
FIXTURES = ROOT / "tests" / "data" / "golden"
FOLDERS = [SHARED / name for name in ("golden", "tth", "tth-full")] if SHARED else [FIXTURES]
CASES = sorted(p.stem for p in FOLDERS[0].glob("*.json") if p.stem != "reference-auc")


def records(case: str) -> dict:
    return json.loads((FOLDERS[0] / f"{case}.json").read_text())


def place_files(names: list[str], folder: Path) -> None:
    """Links the samples into the folder of the run, so that they are named without a path as they were recorded."""
    for name in names:
        source = next((f / name for f in FOLDERS if (f / name).exists()), None)
        if source and not (folder / name).exists():
            (folder / name).symlink_to(source)


def after_run(run: dict, folder: Path) -> None:
    """What was copied or removed between two runs."""
    if "then" in run:
        source, _, rest = run["then"].partition(" copied to ")
        target, _, factor = rest.partition(" with maxv times ")
        specs = json.loads((folder / source).read_text())
        specs["maxv"] = {key: value * float(factor) for key, value in specs["maxv"].items()}
        (folder / target).write_text(json.dumps(specs))
    if "removed_then" in run:
        (folder / run["removed_then"]).unlink()


def number(value):
    return (
        {"NaN": np.nan, "Infinity": np.inf, "-Infinity": -np.inf}.get(value, value) if isinstance(value, str) else value
    )


def canonical(x: np.ndarray) -> bytes:
    """Bytes of float64 little endian with every NaN the same."""
    out = np.ascontiguousarray(x, dtype="<f8").copy()
    out[np.isnan(out)] = np.frombuffer(np.uint64(0x7FF8000000000000).tobytes(), "<f8")[0]
    return out.tobytes()


def integers(values: np.ndarray) -> bytes:
    return np.ascontiguousarray(values, dtype="<i8").tobytes()


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def runs_of(values) -> list:
    """[[value, how many in a row], ...]"""
    out: list = []
    for value in values:
        if out and out[-1][0] == value:
            out[-1][1] += 1
        else:
            out.append([value, 1])
    return out


def written(folder: Path) -> dict[str, tuple[int, str]]:
    texts = {p.name: p.read_bytes() for p in folder.glob("*specs*.json")}
    return {name: (len(text), sha(text)) for name, text in texts.items()}
