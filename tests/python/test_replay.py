"""What the real TFaaS was asked and answered, replayed against `mlaas serve`: each case has to get the answer that is
wanted of a correct server. Needs ../shared."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("MLAAS_BUILD", ROOT / "build"))
SHARED = ROOT.parent / "shared"
CASES = SHARED / "reference" / "tfaas-transcripts.jsonl"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CASES.exists(), reason="needs ../shared/reference/tfaas-transcripts.jsonl"),
]


def test_recorded_cases_of_tfaas_hold():
    pytest.importorskip("tensorflow")
    done = subprocess.run(
        [
            sys.executable,
            str(SHARED / "tools" / "replay.py"),
            "--start",
            f"{BUILD / 'src/cli/mlaas'} serve -config config.json",
            "--models",
            str(SHARED / "data" / "models"),
            str(CASES),
        ],
        env={**os.environ, "MLAAS_BACKENDS": str(BUILD / "backends")},
        capture_output=True,
        text=True,
        timeout=900,
    )
    print(done.stdout[-8000:])
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
