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

# The network goes on a server, and scores from there: a raw event by curl, a file by mlaas score.
mkdir "$out/models"
printf '\n$ mlaas serve --models %s --port 0 &\n' "$out/models"
mlaas serve --models "$out/models" --port 0 --log-file "$out/serve.log" >"$out/serve.txt" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null || true' EXIT
for _ in $(seq 1200); do
  url=$(sed -n 's|.*\(http://[0-9.:]*\).*|\1|p' "$out/serve.txt")
  [ -n "$url" ] && curl -sf -o "$out/ready.txt" "$url/readyz" && break
  kill -0 $server 2>/dev/null || { cat "$out/serve.txt"; exit 1; }
  sleep 0.1
done
cat "$out/serve.txt"
export MLAAS_URL=$url
step mlaas models upload "$out/keras" --name tth
step mlaas models show tth
"$MLAAS_PYTHON" - $sample/flatTree_ttHJetTobb_M125_13TeV.root "$out/keras/recipe.json" "$out/event.json" <<'PYTHON'
import json
import sys

import mlaas

path, recipe, out = sys.argv[1:]
with open(recipe, encoding="utf-8") as stream:
    recipe = mlaas.Recipe.from_json(stream.read())
names = recipe.branches
columns = mlaas.open(path)["boosted/events"].arrays(names, stop=1)
event = {name: columns[name][0].tolist() for name in names}
with open(out, "w", encoding="utf-8") as stream:
    json.dump({"model": "tth", "events": [event]}, stream)
PYTHON
printf '\n'
cat "$out/event.json"
printf '\n'
step curl -s "$url/json" -H "Content-Type: application/json" -d "@$out/event.json"
step mlaas score --model tth $sample/flatTree_ttHJetTobb_M125_13TeV.root --out "$out/served.csv"
kill $server
wait $server
trap - EXIT

"$MLAAS_PYTHON" - "$out" "$((SECONDS - began))" <<'PYTHON'
import csv
import json
import sys
from pathlib import Path

import mlaas

out, seconds = Path(sys.argv[1]), sys.argv[2]
predicted = mlaas.open(out / "scores" / "flatTree_ttHJetTobb_M125_13TeV.scores.root")["mlaas"].arrays(["score", "split"])
with open(out / "served.csv", newline="", encoding="utf-8") as stream:
    served = [float(row["score"]) for row in csv.DictReader(stream)]
holdout = [i for i, split in enumerate(predicted["split"]) if split == 2]
differences = [abs(served[i] - float(predicted["score"][i])) for i in holdout]
print("\nholdout events     served   mlaas predict")
for i in holdout[:5]:
    print(f"{i:14d}  {served[i]:9.6f}  {float(predicted['score'][i]):14.6f}")
print(f"{len(holdout)} of {len(served)} events, largest difference {max(differences):.1e}\n")
for name, title in (("keras", "Keras network"), ("bdt", "XGBoost trees")):
    metrics = json.loads((out / name / "metrics.json").read_text())
    print(f"{title:14} test AUC {metrics['test']['auc']:.4f}   report: {out / name / 'report.html'}")
scores = sorted((out / "scores").iterdir())
print(f"scores of {len(scores)} files: {out / 'scores'}   all in {seconds} s")
PYTHON
