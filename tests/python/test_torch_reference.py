"""PyTorch on the physics samples against the same network on NumPy arrays made by uproot. Minutes; needs ../shared."""

import pytest

torch = pytest.importorskip("torch")
import mlaas  # noqa: E402
from mlaas import metrics  # noqa: E402
from reference_arrays import PARAMS, SAMPLING, arrays, available, reference, sample  # noqa: E402
from torch import nn  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not available(), reason="needs ../shared/data/tth")]


def model(idim):
    return nn.Sequential(
        nn.Linear(idim, 128),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(128, 64),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(64, 1),
    )


def test_torch(tmp_path):
    torch.set_num_threads(1)
    bundle = mlaas.train(*sample(), model, PARAMS, out=tmp_path / "bundle", progress=False)
    part = arrays(bundle)
    torch.manual_seed(1)
    net = model(26)
    optimizer, loss = torch.optim.Adam(net.parameters(), lr=1e-3), nn.BCEWithLogitsLoss()
    x, y = torch.from_numpy(part["train"][0]), torch.from_numpy(part["train"][1].astype("float32"))
    for _ in range(5):
        order = torch.randperm(len(y))
        for start in range(0, len(y), 100):
            rows = order[start : start + 100]
            optimizer.zero_grad()
            loss(net(x[rows])[:, 0], y[rows]).backward()
            optimizer.step()
    net.eval()
    with torch.no_grad():
        plain = metrics.auc(net(torch.from_numpy(part["test"][0]))[:, 0].numpy(), part["test"][1])
    ours = bundle.metrics["test"]["auc"]
    assert ours > plain - 0.001, f"{ours:.4f}, NumPy {plain:.4f}"
    assert ours > reference("keras_real_epochs") - SAMPLING
