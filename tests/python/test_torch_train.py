"""Training of PyTorch models (in the second environment): loss from outputs, hooks, weights, masks, resume, export."""

import os

import numpy as np
import pytest

torch = pytest.importorskip("torch")
import mlaas  # noqa: E402
from mlaas import metrics  # noqa: E402
from mlaas.progress import Progress  # noqa: E402
from torch import nn  # noqa: E402


def logits(idim):
    return nn.Sequential(nn.Linear(idim, 16), nn.ReLU(), nn.Linear(16, 1))


def write_model(folder, text):
    (folder / "model.py").write_text("import torch\nfrom torch import nn\n" + text)
    return str(folder / "model.py")


def test_logits_are_seen_and_become_probabilities(train_small, sample):
    bundle = train_small(logits, epochs=6)
    score = bundle.predict(sample[0])
    assert score.dtype == np.float32 and score.shape == (3000,) and 0 <= score.min() and score.max() <= 1
    assert bundle.metrics["test"]["auc"] > 0.68
    history = bundle.info["training"]["history"]
    assert history[-1]["loss"] < history[0]["loss"]


@pytest.mark.parametrize(
    "tail,classes",
    [
        ("nn.Linear(8, 1), nn.Sigmoid()", 1),
        ("nn.Linear(8, 2), nn.Softmax(dim=1)", 2),
        ("nn.Linear(8, 2), nn.LogSoftmax(dim=1)", 2),
        ("nn.Linear(8, 2)", 2),
    ],
)
def test_outputs_of_any_kind(train_small, sample, tmp_path, tail, classes):
    path = write_model(tmp_path, f"def model(idim): return nn.Sequential(nn.Linear(idim, 8), nn.ReLU(), {tail})\n")
    bundle = train_small(path, epochs=20)
    score = bundle.predict(sample[0])
    assert score.shape == ((3000,) if classes == 1 else (3000, 2))
    assert 0 <= score.min() and score.max() <= 1
    assert bundle.metrics["test"]["auc"] > 0.66


def test_torchscript_and_onnx_give_the_same(train_small, make_dataset):
    onnxruntime = pytest.importorskip("onnxruntime")
    bundle = train_small(logits)
    batches = list(make_dataset().loader("test"))
    assert bundle.info["back_end"] == "onnx"
    session = onnxruntime.InferenceSession(os.path.join(bundle.path, "model.onnx"))
    assert [item.name for item in session.get_inputs()] == ["x"]
    script = torch.jit.load(os.path.join(bundle.path, "model.pt"))
    for batch in batches[:3]:
        ours = bundle.model.predict(batch.inputs)
        np.testing.assert_allclose(session.run(None, {"x": np.array(batch.x)})[0][:, 0], ours, atol=1e-5)
        np.testing.assert_allclose(script(torch.from_numpy(np.array(batch.x))).detach().numpy()[:, 0], ours, atol=1e-6)


def test_hooks_of_the_model_file(train_small, tmp_path):
    path = write_model(
        tmp_path,
        """
def model(idim): return nn.Linear(idim, 1)
def optimizer(parameters): return torch.optim.SGD(parameters, lr=0.125)
def loss(output, y): return nn.functional.binary_cross_entropy_with_logits(output[:, 0], y, reduction="none")
""",
    )
    assert train_small(path, epochs=4).metrics["test"]["auc"] > 0.66
    path = write_model(
        tmp_path,
        """
def model(idim): return nn.Linear(idim, 1)
def train_step(model, x, y, w, optimizer):
    optimizer.zero_grad()
    value = (w * nn.functional.binary_cross_entropy_with_logits(model(x)[:, 0], y, reduction="none")).mean()
    value.backward()
    optimizer.step()
    return value
""",
    )
    assert train_small(path, out="steps", epochs=4, learning_rate=0.02).metrics["test"]["auc"] > 0.66


class Stop(Progress):
    def step(self, label, total=None, unit="events"):
        if label == "epoch 3/4":
            raise KeyboardInterrupt
        return super().step(label, total, unit)


def test_resume_gives_the_unbroken_model(train_small, sample):
    def model(idim):
        return nn.Sequential(nn.Linear(idim, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 1))

    whole = train_small(model, out="whole", epochs=4)
    with pytest.raises(KeyboardInterrupt):
        train_small(model, out="broken", epochs=4, progress=Stop())
    broken = train_small(model, out="broken", epochs=4, resume=True)
    np.testing.assert_allclose(broken.predict(sample[0]), whole.predict(sample[0]), atol=1e-6)


def test_weights_reach_the_model(tmp_path):
    from make_sample import write_events

    files = [write_events(tmp_path / f"{k}.root", 1500, k % 2 == 0, 20 + k) for k in range(4)]
    held = [write_events(tmp_path / "s.root", 2000, True, 25), write_events(tmp_path / "b.root", 2000, False, 26)]

    def auc(name, files, labels, **params):
        bundle = mlaas.train(
            files,
            labels,
            logits,
            {
                "identifier": ["run", "event"],
                "exclude_branches": ["genw", "njet"],
                "leak_guard": "off",
                "learning_rate": 0.01,
                "epochs": 5,
                **params,
            },
            out=tmp_path / name,
            progress=False,
        )
        return metrics.auc(bundle.predict(held), np.repeat([1, 0], 2000))

    alone = auc("alone", files[:2], [1, 0])
    assert auc("weighted", files, [1, 0, 0, 1], weight=[1, 1, 0, 0], class_norm="none") > alone - 0.03
    assert auc("unweighted", files, [1, 0, 0, 1]) < alone - 0.1


class DeepSets(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.phi = nn.Sequential(nn.Linear(features, 16), nn.ReLU())
        self.rho = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1))

    def forward(self, jets, jets_mask):
        return self.rho((self.phi(jets) * (~jets_mask).unsqueeze(-1)).sum(dim=1))


def test_a_deepsets_model_with_mask(train_small, sample):
    bundle = train_small(
        lambda recipe: DeepSets(recipe.inputs[0]["features"]),
        epochs=5,
        learning_rate=0.01,
        inputs=[{"name": "jets", "kind": "padded", "branches": ["jet_eta", "jet_pt"]}],
    )
    assert bundle.metrics["test"]["auc"] > 0.55
    slots, features = bundle.info["inputs"][0]["shape"][1:]
    x, mask = np.ones((2, slots, features), np.float32), np.ones((2, slots, features), np.uint8)
    mask[:, :2] = 0
    other = x.copy()
    other[:, 2:] = 99
    one, two = (bundle.model.predict({"jets": (v, mask)}) for v in (x, other))
    np.testing.assert_allclose(one, two, atol=1e-6)
    assert bundle.predict(sample[0]).shape == (3000,)


@pytest.mark.parametrize(
    "text,words",
    [
        ("def model(idim): return nn.Linear(3, 1)\n", "the model does not take the data's inputs"),
        ("def model(idim): return nn.Linear(idim, 7)\n", "the model has 7 outputs, the data has 2 classes"),
        (
            "class M(nn.Module):\n  def forward(self, x, colour): return x\ndef model(idim): return M()\n",
            r"forward\(x, colour\) does not fit the data, which has mask, x, x_mask",
        ),
    ],
)
def test_wrong_models(train_small, tmp_path, text, words):
    with pytest.raises(mlaas.ArgumentError, match=words):
        train_small(write_model(tmp_path, text))
