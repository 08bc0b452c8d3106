#!/bin/bash
# The demo: a physicist's session on the sample of examples/tth. Usage: tools/demo.sh BUILD_DIRECTORY [OUTPUT_FOLDER]
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build}
out=${2:-demo}
sample=examples/tth
export PATH=$PWD/$build/src/cli:$PATH PYTHONPATH=$PWD/$build/python MLAAS_PYTHON=$PWD/.venv/bin/python
export TF_CPP_MIN_LOG_LEVEL=${TF_CPP_MIN_LOG_LEVEL:-3} MPLBACKEND=Agg OMP_WAIT_POLICY=PASSIVE
began=$SECONDS
rm -rf "$out"
mkdir -p "$out"

step() { printf '\n$ %s\n' "$*"; "$@"; }

step mlaas inspect --brief $sample/flatTree_*.root
step mlaas inspect $sample/flatTree_ttHJetTobb_M125_13TeV.root
step mlaas specs --files $sample/files.txt --params $sample/params.json --out "$out/specs.json" \
  --global "$out/global-specs.json"
step mlaas train --files $sample/files.txt --labels $sample/labels.txt --model $sample/model.py \
  --params $sample/params.json --out "$out/keras"
step mlaas train --files $sample/files.txt --labels $sample/labels.txt --model $sample/model_bdt.py \
  --params $sample/params.json --out "$out/bdt"
step mlaas predict "$out/keras" $sample/files.txt --out "$out/scores"

"$MLAAS_PYTHON" - "$out" "$((SECONDS - began))" <<'PYTHON'
import json
import sys
from pathlib import Path

out, seconds = Path(sys.argv[1]), sys.argv[2]
print()
for name, title in (("keras", "Keras network"), ("bdt", "XGBoost trees")):
    metrics = json.loads((out / name / "metrics.json").read_text())
    print(f"{title:14} test AUC {metrics['test']['auc']:.4f}   report: {out / name / 'report.html'}")
scores = sorted((out / "scores").iterdir())
print(f"scores of {len(scores)} files: {out / 'scores'}   all in {seconds} s")
PYTHON
