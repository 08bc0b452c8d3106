"""ROOT itself takes a file of scores as a friend of its input: a cut on the score counts the same as in NumPy."""

import os
import subprocess

import mlaas
import numpy as np
import pytest
import uproot

ROOT_PYTHON = os.path.abspath(".venv-root/bin/python")
COUNT = """
import sys, warnings
warnings.simplefilter("ignore")
import ROOT
path, table, friend, *cuts = sys.argv[1:]
file = ROOT.TFile.Open(path)
tree = file.Get(table)
tree.AddFriend("mlaas", friend)
print(*[tree.GetEntries(cut) for cut in cuts])
"""
pytestmark = pytest.mark.skipif(
    not os.path.exists(ROOT_PYTHON), reason="ROOT's wheel is not installed (make setup tries, it needs g++ and 600 MB)"
)


@pytest.mark.slow
def test_scores_are_a_friend_of_their_input(sample, tmp_path):
    from sklearn.linear_model import LogisticRegression

    params = {"identifier": ["run", "event"], "exclude_branches": ["genw", "njet"]}
    bundle = mlaas.train(*sample, LogisticRegression(), params, out=tmp_path / "bundle", progress=False)
    for name in sample[0]:
        (path,) = mlaas.predict(bundle, name, tmp_path, progress=False)
        score = uproot.open(path)["mlaas"]["score"].array(library="np")
        a = uproot.open(name)["events"]["a"].array(library="np")
        wanted = [np.sum(score > 0.5), np.sum((score > 0.25) & (a > 0))]
        assert 0 < wanted[0] < len(score), "the cut has to cut"
        cuts = ["mlaas.score > 0.5", "score > 0.25 && a > 0"]
        done = subprocess.run([ROOT_PYTHON, "-c", COUNT, name, "events", path, *cuts], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert [int(word) for word in done.stdout.split()[-2:]] == wanted
