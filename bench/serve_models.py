"""Makes the models that the server is measured with, where they are not there yet: serve_models.py FOLDER.

big is 27-1024-1024-1 and small 42-128-64-1, He-normal random weights, each as SavedModel, frozen graph and ONNX with
the same weights; trees is XGBoost with 100 trees of depth 6 over 27 features; picture is a small convolution over
images;
echo gives back what it gets.
"""
import json
import os
import sys
from pathlib import Path

import numpy as np

NETS = {"big": [27, 1024, 1024, 1], "small": [42, 128, 64, 1]}


def layers(dims):
    rng = np.random.default_rng(dims[0])
    weights = [(rng.normal(size=(a, b)) * np.sqrt(2 / a)).astype("f4") for a, b in zip(dims[:-1], dims[1:])]
    biases = [(rng.normal(size=b) * 0.1).astype("f4") for b in dims[1:]]
    return weights, biases


def put(folder, name, data):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())


def params(folder, **more):
    put(folder, "params.json", json.dumps({"name": folder.name, "labels": "labels.txt", **more}))
    put(folder, "labels.txt", "signal\n")


def with_tensorflow(root):
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2 as freeze

    class Dense(tf.Module):
        def __init__(self, dims):
            super().__init__()
            self.weights, self.biases = ([tf.Variable(v) for v in part] for part in layers(dims))
            self.run = tf.function(self.compute, input_signature=[
                tf.TensorSpec([None, dims[0]], tf.float32, name="inputs_input")])

        def compute(self, inputs_input):
            x = inputs_input
            for i, (weight, bias) in enumerate(zip(self.weights, self.biases)):
                x = tf.nn.bias_add(tf.matmul(x, weight), bias)
                x = tf.nn.relu(x) if i + 1 < len(self.weights) else tf.nn.sigmoid(x)
            return {"output_0": x}

    class Picture(tf.Module):
        def __init__(self):
            super().__init__()
            rng = np.random.default_rng(5)
            self.kernel = tf.Variable((rng.normal(size=(3, 3, 3, 8)) / 255).astype("f4"))
            self.dense = tf.Variable(rng.normal(size=(8, 4)).astype("f4"))
            self.run = tf.function(self.compute, input_signature=[
                tf.TensorSpec([None, None, None, 3], tf.float32, name="image")])

        def compute(self, image):
            x = tf.nn.relu(tf.nn.conv2d(image, self.kernel, 1, "SAME"))
            return {"output_0": tf.nn.softmax(tf.matmul(tf.reduce_mean(x, [1, 2]), self.dense))}

    for name, dims in NETS.items():
        net = Dense(dims)
        tf.saved_model.save(net, str(root / f"{name}_tf"), signatures={"serving_default": net.run})
        params(root / f"{name}_tf", model="saved_model.pb")
        graph = freeze(net.run.get_concrete_function())
        put(root / f"{name}_tf1", "model.pb", graph.graph.as_graph_def().SerializeToString())
        params(root / f"{name}_tf1", model="model.pb", input_node=graph.inputs[0].op.name,
               output_node=graph.outputs[0].op.name)
    picture = Picture()
    tf.saved_model.save(picture, str(root / "picture"), signatures={"serving_default": picture.run})
    params(root / "picture", model="saved_model.pb", img_channels=3)
    put(root / "picture", "image.png", tf.io.encode_png(
        np.random.default_rng(1).integers(0, 255, (32, 32, 3)).astype("u1")).numpy())


def with_onnx(root):
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    for name, dims in NETS.items():
        nodes, constants, x = [], [], "x"
        for i, (weight, bias) in enumerate(zip(*layers(dims))):
            constants += [numpy_helper.from_array(weight, f"w{i}"), numpy_helper.from_array(bias, f"b{i}")]
            last = i + 2 == len(dims)
            nodes += [helper.make_node("Gemm", [x, f"w{i}", f"b{i}"], [f"g{i}"]),
                      helper.make_node("Sigmoid" if last else "Relu", [f"g{i}"], ["y" if last else f"a{i}"])]
            x = f"a{i}"
        graph = helper.make_graph(
            nodes, name, [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", dims[0]])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1])], constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        onnx.checker.check_model(model)
        put(root / f"{name}_onnx", "model.onnx", model.SerializeToString())


def with_xgboost(root):
    import xgboost

    rng = np.random.default_rng(27)
    x = rng.normal(size=(4000, 27)).astype("f4")
    y = (x[:, 0] * x[:, 1] + np.sin(3 * x[:, 2]) + rng.normal(size=4000) > 0).astype(int)
    booster = xgboost.train({"max_depth": 6, "objective": "binary:logistic", "nthread": 2, "seed": 1},
                            xgboost.DMatrix(x, y), num_boost_round=100)
    (root / "trees").mkdir(parents=True, exist_ok=True)
    booster.save_model(root / "trees" / "model.ubj")


def make(folder):
    """{model: width of its input}; 0 for images."""
    root = Path(folder)
    if not (root / "made").exists():
        put(root / "echo", "echo.json", json.dumps({"inputs": 27}))
        with_onnx(root)
        with_xgboost(root)
        with_tensorflow(root)
        put(root, "made", "")
    widths = {"echo": 27, "trees": 27, "picture": 0}
    widths |= {f"{name}_{kind}": dims[0] for name, dims in NETS.items() for kind in ("tf", "tf1", "onnx")}
    return widths


if __name__ == "__main__":
    print(make(sys.argv[1]))
