"""The end-to-end tests of PyTorch, which has an environment of its own: same rows, same AUC, weights reach the loss."""

import json

import mlaas
import pytest
from golden_cases import SHARED
from plain_numpy import auc, check_weights, read_flat, weight_runs

torch = pytest.importorskip("torch")

TREE = "boosted/events"
NOT_FEATURES = ["genEvtWeight", "runNo", "evtNo", "lumi"]

pytestmark = pytest.mark.slow


def network(idim):
    nn = torch.nn
    layers = [nn.Linear(idim, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 64), nn.ReLU(), nn.Dropout(0.5)]
    return nn.Sequential(*layers, nn.Linear(64, 1), nn.Sigmoid())


def small_network(idim):
    return torch.nn.Sequential(torch.nn.Linear(idim, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1))


def fit(model, x, y, epochs, batch_size):
    """A plain training loop."""
    x, y = torch.from_numpy(x), torch.from_numpy(y.astype("float32")).reshape(-1, 1)
    optimizer, loss_of = torch.optim.Adam(model.parameters(), lr=1e-3), torch.nn.BCELoss()
    model.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(batch_size):
            optimizer.zero_grad()
            loss_of(model(x[rows]), y[rows]).backward()
            optimizer.step()
    return model.eval()


def file_id(path):
    with mlaas.open(path) as file:
        return file.info["id"]


@pytest.mark.skipif(not SHARED, reason="../shared/data is not there: the full samples are not trained on")
def test_torch_does_as_well_as_on_numpy_arrays(tmp_path):
    files = sorted((SHARED / "tth").glob("*.root"))
    labels = [int("ttH" in path.name) for path in files]
    files = [str(path) for path in files]
    features = sorted(name for name in mlaas.open(files[0])[TREE].columns if name not in NOT_FEATURES)
    flat = read_flat(files, labels, TREE, features, file_id)
    torch.manual_seed(1)
    x, y = flat.rows(2)
    own = fit(network(26), *flat.rows(0), 5, 300)(torch.from_numpy(x)).detach().numpy()
    params = {"branch": TREE, "exclude_branches": ["genEvtWeight"], "identifier": NOT_FEATURES[1:], "scaler": "minmax"}
    params.update(epochs=5, batch_size=300)
    bundle = mlaas.train(files, labels, network, params, out=str(tmp_path / "bundle"), progress=False)
    found = json.loads((SHARED / "golden" / "reference-auc.json").read_text())["flat"]["keras_real_epochs"]["auc_test"]
    assert bundle.metrics["test"]["auc"] > auc(own, y) - 0.002
    assert bundle.metrics["test"]["auc"] > found["mean"] - found["std"] - 0.005


def test_weight_zero_on_flipped_labels_is_as_good_as_leaving_them_out(tmp_path):
    check_weights(weight_runs(mlaas.train, tmp_path, small_network))
