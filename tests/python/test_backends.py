"""The back ends against the frameworks' own scores, over every model that one of them can load."""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import threading
from pathlib import Path

import mlaas
import numpy as np
import pytest

HERE = Path(__file__).resolve().parent.parent / "data" / "models"
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "models"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data/models is not here")

#: Frameworks round sums in their own order: what they may differ by.
CLOSE = {"rtol": 1e-6, "atol": 1e-6}
TENSORFLOW = ["mlp42", "tiny27", "class3", "log2", "image3", "image1", "keras27"]
FROZEN = ["mlp42_tf1", "tiny27_tf1", "class3_tf1", "log2_tf1", "image3_tf1", "image1_tf1"]
ONNX = ["mlp42_onnx", "tiny27_onnx", "class3_onnx"]
FORESTS = ["forest27_onnx", "forest27_zipmap_onnx"]
TREES = ["xgb27", "xgb27_class3", "xgb27_reg"]
CASES = (
    [(name, backend) for name in TENSORFLOW + FROZEN for backend in ("tensorflow", "openvino")]
    + [(name, backend) for name in ONNX for backend in ("onnxruntime", "openvino")]
    + [(name, "onnxruntime") for name in FORESTS]
    + [(name, "xgboost") for name in TREES]
)
DATATYPES = ["bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "fp16", "fp32", "fp64"]


def need(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")


def folder_of(name):
    for root in (SHARED, HERE):
        if (root / name).is_dir():
            return root / name
    return pytest.skip(f"../shared/data/models/{name} is not here")


def numbers(value):
    """Values of a reference, whose non-finite numbers are texts."""
    if isinstance(value, list):
        return [numbers(item) for item in value]
    return float(value) if isinstance(value, str) else value


def reference(folder):
    content = json.loads((folder / "reference.json").read_text())
    inputs = {key: np.array(numbers(value), np.float32) for key, value in content["inputs"].items()}
    return inputs, {key: np.array(numbers(value)) for key, value in content["outputs"].items()}


def opened(name, backend, **options):
    need(backend)
    return mlaas.Model(folder_of(name), backend, **options)


@pytest.mark.parametrize("name, backend", CASES)
def test_scores_are_the_frameworks(name, backend):
    model = opened(name, backend)
    inputs, expected = reference(folder_of(name))
    assert model.info["back_end"] == backend
    assert model.info["library_version"]
    x = next(iter(inputs.values()))
    assert len(model.inputs) == 1 and model.inputs[0].dtype == np.float32
    assert model.inputs[0].shape[-1] == x.shape[-1] and model.inputs[0].shape[0] == -1
    outputs = model.run(x)
    if len(outputs) == 1:  # a frozen graph's output has the node's name
        expected = {next(iter(outputs)): next(iter(expected.values()))}
    for key, value in outputs.items():
        wanted = expected[key].reshape(value.shape)
        if value.dtype.kind == "i":
            assert np.array_equal(value, wanted)
        else:
            np.testing.assert_allclose(value, wanted, equal_nan=True, **CLOSE)


@pytest.mark.parametrize("name, backend", [("tiny27", "tensorflow"), ("tiny27_onnx", "onnxruntime"),
                                           ("tiny27_onnx", "openvino"), ("xgb27", "xgboost")])  # fmt: skip
def test_any_number_of_rows(name, backend):
    model = opened(name, backend)
    x = np.random.default_rng(1).normal(size=(70, 27)).astype(np.float32)
    whole = next(iter(model.run(x).values()))
    assert whole.shape == (70, 1)
    for rows in (0, 1, 7, 64, 70):
        part = next(iter(model.run(x[:rows]).values()))
        assert part.shape == (rows, 1)
        np.testing.assert_allclose(part, whole[:rows], **CLOSE)
    with pytest.raises(mlaas.SchemaError, match=r"\[3,26\]"):
        model.run(x[:3, :26])


@pytest.mark.parametrize("name, backend", [("tiny27", "tensorflow"), ("tiny27_tf1", "tensorflow"),
                                           ("forest27_zipmap_onnx", "onnxruntime"), ("tiny27_onnx", "openvino"),
                                           ("xgb27", "xgboost")])  # fmt: skip
def test_threads_run_one_model(name, backend):
    model = opened(name, backend)
    x = np.random.default_rng(2).normal(size=(50, 27)).astype(np.float32)
    whole = list(model.run(x).values())[-1]
    wrong = []

    def work(seed):
        random = np.random.default_rng(seed)
        for _ in range(40):
            rows = int(random.integers(1, 51))
            if not np.allclose(list(model.run(x[:rows]).values())[-1], whole[:rows], **CLOSE):
                wrong.append(rows)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def damaged(folder, target, name, keep):
    """A copy of a model's folder with one file cut to a share, or with bytes that mean nothing in its place."""
    for path in folder.rglob("*"):
        if path.is_file():
            copy = target / path.relative_to(folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            content = path.read_bytes()
            if path.name == name:
                content = b"\x93no model\xff" * 40 if keep is None else content[: int(len(content) * keep)]
            copy.write_bytes(content)


@pytest.mark.parametrize("keep", [0, 0.02, 0.4, 0.9, 0.99, None])
@pytest.mark.parametrize(
    "name, backend, file",
    [
        ("tiny27", "tensorflow", "saved_model.pb"),
        ("tiny27", "tensorflow", "variables.index"),
        ("tiny27", "tensorflow", "variables.data-00000-of-00001"),
        ("tiny27_tf1", "tensorflow", "model.pb"),
        ("tiny27_onnx", "onnxruntime", "model.onnx"),
        ("tiny27_onnx", "openvino", "model.onnx"),
        ("xgb27", "xgboost", "model.ubj"),
    ],
)
def test_damaged_files_are_errors(tmp_path, name, backend, file, keep):
    need(backend)
    damaged(HERE / name, tmp_path / name, file, keep)
    with pytest.raises((mlaas.FormatError, mlaas.UnsupportedError)) as caught:
        mlaas.Model(tmp_path / name, backend)
    assert len(str(caught.value)) > 20 and "\n" not in str(caught.value)


@needs_shared
@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("datatype", DATATYPES)
def test_every_type_goes_through(datatype, backend):
    model = opened(f"kserve/identity_{datatype}/1", backend)
    info = model.inputs[0]
    random = np.random.default_rng(3)
    x = random.integers(0, 2 if datatype == "bool" else 100, size=(3, 5)).astype(info.dtype)
    kind = {"fp16": np.float16, "fp32": np.float32, "fp64": np.float64}.get(datatype, datatype)
    assert info.dtype == np.dtype(kind)
    out = model.run({info.name: x})[model.outputs[0].name]
    assert out.dtype == x.dtype and np.array_equal(out, x)


@needs_shared
def test_texts_go_through():
    model = opened("kserve/identity_bytes/1", "onnxruntime")
    texts = np.array([[b"", b"a\0b", "\u00fc".encode()], [b"x" * 3000, b"1", b"\xff"]], dtype=object)
    out = model.run(texts)["OUT"]
    assert np.array_equal(out, texts)
    with pytest.raises(mlaas.UnsupportedError, match="IN"):
        opened("kserve/identity_bytes/1", "openvino")


@needs_shared
@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_several_inputs_and_outputs(backend):
    model = opened("kserve/addsub/1", backend)
    a, b = np.arange(8, dtype=np.float32).reshape(2, 4), np.ones((2, 4), np.float32)
    for given in ({"B": b, "A": a}, [a, b]):
        out = model.run(given)
        assert np.array_equal(out["SUM"], a + b) and np.array_equal(out["DIFF"], a - b)
    with pytest.raises(mlaas.ArgumentError, match="A, B"):
        model.run({"A": a})
    only = opened("kserve/addsub/1", backend, options={"output_node": "DIFF"})
    assert [info.name for info in only.outputs] == ["DIFF"]
    assert np.array_equal(only.run([a, b])["DIFF"], a - b)
    with pytest.raises(mlaas.ArgumentError, match="nothing"):
        opened("kserve/addsub/1", backend, options={"output_node": "nothing"})


@needs_shared
def test_fixed_shapes_are_said_and_held():
    model = opened("kserve/nobatch/1", "onnxruntime")
    assert model.inputs[0].shape == (2, 3) and not model.info["batchable"]
    with pytest.raises(mlaas.SchemaError):
        model.run(np.zeros((3, 3), np.float32))


@needs_shared
@pytest.mark.slow
@pytest.mark.parametrize("name", TREES)
def test_trees_give_margins_and_fewer_rounds(name):
    need("xgboost")
    import xgboost

    folder = folder_of(name)
    inputs, expected = reference(folder)
    margins = mlaas.Model(folder, options={"output": "margin"}).run(inputs["x"])["score"]
    np.testing.assert_allclose(margins, expected["margin"].reshape(margins.shape), **CLOSE)
    booster = xgboost.Booster(model_file=folder / "model.ubj")
    first = mlaas.Model(folder / "model.json", options={"rounds": 5}).run(inputs["x"])["score"]
    wanted = booster.inplace_predict(inputs["x"], iteration_range=(0, 5))
    assert np.array_equal(first, np.asarray(wanted).reshape(first.shape))


@pytest.mark.parametrize("name, backend, options, words", [
    ("tiny27", "tensorflow", {"nonsense": 1}, "signature tags"),
    ("tiny27", "tensorflow", {"signature": "other"}, "serving_default"),
    ("tiny27", "tensorflow", {"config_proto": "/nowhere"}, "/nowhere"),
    ("tiny27_tf1", "tensorflow", {"output_node": "other"}, "no node other"),
    ("tiny27_onnx", "onnxruntime", {"arena": "perhaps"}, "true or false"),
    ("tiny27_onnx", "onnxruntime", {"optimization": "more"}, "basic"),
    ("tiny27_onnx", "openvino", {"precision": "f8"}, "bf16"),
    ("xgb27", "xgboost", {"rounds": "-1"}, "rounds"),
])  # fmt: skip
def test_options_are_checked(name, backend, options, words):
    need(backend)
    with pytest.raises((mlaas.ArgumentError, mlaas.NotFoundError), match=words):
        mlaas.Model(HERE / name, backend, options=options)


def test_options_change_no_scores(tmp_path):
    x = np.random.default_rng(4).normal(size=(9, 27)).astype(np.float32)
    plain = opened("tiny27_onnx", "onnxruntime").run(x)["y"]
    for options in ({"arena": True}, {"optimization": "none"}, {"spinning": True}):
        other = opened("tiny27_onnx", "onnxruntime", options=options, threads=2)
        np.testing.assert_allclose(other.run(x)["y"], plain, **CLOSE)
    config = tmp_path / "config.pb"
    config.write_bytes(b"\x10\x02")  # ConfigProto: intra_op_parallelism_threads 2
    saved = opened("tiny27", "tensorflow", options={"config_proto": str(config)})
    np.testing.assert_allclose(saved.run(x)["output_0"], plain, **CLOSE)


@needs_shared
def test_a_lower_precision_says_what_it_costs():
    coarse = opened("mlp42_onnx", "openvino", options={"precision": "bf16"})
    drift = coarse.info["drift"]
    assert drift["precision"] == "bf16" and drift["rows"] == 256  # 0 where the processor has no bf16
    assert 0 <= drift["mean"] <= drift["largest"] < 0.05
    assert "drift" not in opened("mlp42_onnx", "openvino", options={"precision": "f32"}).info
    x = np.random.default_rng(5).normal(size=(100, 42)).astype(np.float32)
    exact = opened("mlp42_onnx", "onnxruntime").run(x)["y"]
    assert np.max(np.abs(coarse.run(x)["y"] - exact)) <= 2 * drift["largest"] + 2e-6


def test_closing_pickling_and_forking():
    model = opened("tiny27_onnx", "onnxruntime")
    x = np.ones((2, 27), np.float32)
    expected = model.run(x)["y"]
    assert np.array_equal(pickle.loads(pickle.dumps(model)).run(x)["y"], expected)
    child = os.fork()
    if child == 0:  # opens itself again
        os._exit(0 if np.array_equal(model.run(x)["y"], expected) else 1)
    assert os.waitpid(child, 0)[1] == 0
    model.close()
    with pytest.raises(mlaas.StateError, match="closed"):
        model.run(x)


def test_what_is_not_there(tmp_path):
    with pytest.raises(mlaas.NotFoundError):
        mlaas.Model(tmp_path / "nothing.onnx")
    (tmp_path / "empty").mkdir()
    with pytest.raises(mlaas.UnsupportedError):
        mlaas.Model(tmp_path / "empty")
    with pytest.raises(mlaas.Error, match="other"):
        mlaas.Model(HERE / "tiny27_onnx", "other")


MAKE_MODELS = """
import sys
import tensorflow as tf

class Odd(tf.Module):
    def __init__(self):
        super().__init__()
        self.v = tf.Variable(2.0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="words"),
                                  tf.TensorSpec(None, tf.float32, name="any"),
                                  tf.TensorSpec([], tf.int64, name="number")])
    def mixed(self, words, any, number):
        return {"twice": tf.strings.join([words, words]), "same": any, "words": words, "plus": number + 1}

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float64, name="x")])
    def scaled(self, x):
        return {"y": x * tf.cast(self.v, tf.float64)}

    @tf.function(input_signature=[tf.TensorSpec([], tf.bfloat16, name="x")])
    def narrow(self, x):
        return {"y": x + x}

odd = Odd()
tf.saved_model.save(odd, sys.argv[1], signatures={"mixed": odd.mixed, "scaled": odd.scaled, "narrow": odd.narrow})
"""


@pytest.mark.slow
def test_odd_signatures_of_tensorflow(tmp_path):
    """Texts, scalars, unknown ranks, outputs that are inputs, and a choice of signatures."""
    need("tensorflow")
    import subprocess
    import sys

    subprocess.run([sys.executable, "-c", MAKE_MODELS, str(tmp_path / "odd")], check=True, capture_output=True)
    with pytest.raises(mlaas.ArgumentError, match="mixed.*|narrow.*|scaled.*"):
        mlaas.Model(tmp_path / "odd")
    model = mlaas.Model(tmp_path / "odd", options={"signature": "mixed"})
    assert [(info.name, info.datatype, info.shape) for info in model.inputs] == [
        ("any", "FP32", None),
        ("number", "INT64", ()),
        ("words", "BYTES", (-1,)),
    ]
    words = np.array([b"a", b"", b"long " * 20], dtype=object)
    for _ in range(3):
        out = model.run({"words": words, "any": np.ones((2, 3, 1), np.float32), "number": 41})
        assert out["twice"].tolist() == [word + word for word in words]
        assert out["words"].tolist() == words.tolist()
        assert out["same"].shape == (2, 3, 1) and (out["same"] == 1).all()
        assert out["plus"].shape == () and out["plus"] == 42
    scaled = mlaas.Model(tmp_path / "odd", options={"signature": "scaled"})
    assert np.array_equal(scaled.run(np.ones((1, 2)))["y"], [[2.0, 2.0]])
    narrow = mlaas.Model(tmp_path / "odd", options={"signature": "narrow"})
    bits = narrow.run(np.array(0x3F80, np.uint16))["y"]  # 1.0
    assert bits.dtype == np.uint16 and bits == 0x4000


@pytest.mark.slow
def test_libraries_live_beside_the_packages():
    """Plug-ins, and then the frameworks' own Python packages, in one process."""
    import subprocess
    import sys

    for backend in ("tensorflow", "onnxruntime", "openvino", "xgboost"):
        need(backend)
    script = """
import sys, numpy, mlaas
models = {"tensorflow": "tiny27", "onnxruntime": "tiny27_onnx", "openvino": "tiny27_onnx", "xgboost": "xgb27"}
x = numpy.ones((3, 27), numpy.float32)
def ours():
    return {name: next(iter(mlaas.Model(f"{sys.argv[1]}/{folder}", name).run(x).values()))
            for name, folder in models.items()}
def theirs():
    import onnxruntime, openvino, tensorflow, xgboost
    session = onnxruntime.InferenceSession(f"{sys.argv[1]}/tiny27_onnx/model.onnx")
    saved = tensorflow.saved_model.load(f"{sys.argv[1]}/tiny27")
    return {"onnxruntime": session.run(None, {"x": x})[0],
            "openvino": list(openvino.compile_model(f"{sys.argv[1]}/tiny27_onnx/model.onnx")(x).values())[0],
            "tensorflow": saved.signatures["serving_default"](tensorflow.constant(x))["output_0"].numpy(),
            "xgboost": xgboost.Booster(model_file=f"{sys.argv[1]}/xgb27/model.ubj").inplace_predict(x)[:, None]}
first, second = ours(), theirs()
for name in models:
    numpy.testing.assert_allclose(first[name], second[name], atol=1e-6)
"""
    subprocess.run([sys.executable, "-c", script, str(HERE)], check=True)


def test_a_model_without_inputs_is_refused(tmp_path):
    """ONNX allows it, the trial would pass, and whoever asked would look at an input that is not there."""
    need("onnxruntime")
    onnx = pytest.importorskip("onnx")
    value = onnx.helper.make_tensor("value", onnx.TensorProto.FLOAT, [1], [0.5])
    node = onnx.helper.make_node("Constant", [], ["y"], value=value)
    output = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([node], "constant", [], [output])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(tmp_path / "model.onnx"))
    with pytest.raises(mlaas.UnsupportedError, match="0 inputs and 1 outputs"):
        _ = mlaas.Model(tmp_path / "model.onnx").inputs
