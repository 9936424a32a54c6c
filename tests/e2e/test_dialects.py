"""Networks node for node as exporters write them: PyTorch, scikit-learn and tf2onnx.

Every second half of a layer's features is twice (or, behind GELU, equal to) the first half.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from lumpcli.api import reduce
from lumpcli.results import Change
from tests.e2e.channels import Sketch, check
from tests.models import info


def halves(width, factor=2):
    """Multiples: the second half of so many features is that many times the first one."""
    return {width // 2 + i: (factor, i) for i in range(width // 2)}


def test_pytorch_convolutions_and_a_view():
    """TorchScript: `x.view(x.size(0), -1)` is Shape, Gather, Unsqueeze, Concat, Reshape."""
    s = Sketch()
    s.weights |= {"zero": np.array(0), "axis": np.array([0]), "rest": np.array([-1])}
    r = s.conv("x", "a", (4, 2, 3, 3), halves(4), pads=[1, 1, 1, 1])
    r = s.op("MaxPool", r, to="pool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=0)
    s.op("Shape", r, to="shape")
    s.op("Gather", "shape", "zero", to="batch", axis=0)
    s.op("Unsqueeze", "batch", "axis", to="batches")
    s.op("Concat", "batches", "rest", to="target", axis=0)
    r = s.op("Reshape", r, "target", to="flat")
    s.rows("fc1", (6, 4 * 2 * 2), halves(6))
    r = s.op("Relu", s.op("Gemm", r, "fc1", "fc1_b", to="fc1_y", transB=1), to="fc1_r")
    s.gemm(r, "fc2", (3, 6), to="v_y")
    shapes = {"a": (2, 2, 3, 3), "a_b": (2,), "fc1": (3, 2 * 2 * 2), "fc1_b": (3,), "fc2": (3, 3)}
    check(s.model(), **shapes)


def test_pytorch_feed_forward_with_gelu_in_parts():
    """Before opset 20: Div, Erf, Add, Mul, Mul; GELU allows equal rows only."""
    s = Sketch()
    for name, number in (("root", 2**0.5), ("one", 1.0), ("half", 0.5)):
        s.weights[name] = np.array(number, np.float32)
    for name, shape, multiples in (("w1", (4, 6), halves(6, 1)), ("w2", (6, 4), {})):
        s.rows(name, shape, multiples, axis=1)
    h = s.op("Add", "w1_b", s.op("MatMul", "x", "w1", to="m1"), to="h")
    e = s.op("Erf", s.op("Div", h, "root", to="d"), to="e")
    r = s.op("Mul", s.op("Mul", h, s.op("Add", e, "one", to="p"), to="t"), "half", to="g")
    r = s.op("Add", "w2_b", s.op("MatMul", r, "w2", to="m2"), to="f")
    s.op("Add", "x", r, to="v_y")
    check(s.model(("N", 3, 4), opset=17), exact=False, w1=(4, 3), w1_b=(3,), w2=(3, 4))


def test_scikit_learn_classifier(tmp_path):
    """skl2onnx's MLPClassifier: biases of shape (1, n), and ai.onnx.ml behind the last layer."""
    s = Sketch()
    r = s.op("Cast", "x", to="cast_input")
    s.nodes[-1].attribute.append(helper.make_attribute("to", 1))
    last = ""
    for name, shape in (("", (6, 8)), ("1", (8, 4)), ("2", (4, 3))):
        weight, bias = s.rows(f"c{name}", shape, halves(shape[1]) if name != "2" else {}, axis=1)
        del s.weights[f"c{name}_b"]
        s.weights |= {f"coefficient{name}": weight / 8, f"intercepts{name}": bias[None] / 8}
        del s.weights[f"c{name}"]
        product = s.op("MatMul", r, f"coefficient{name}", to=f"mul_result{name}")
        last = s.op("Add", product, f"intercepts{name}", to=f"add_result{name}")
        r = s.op("Relu", last, to=f"next_activations{name}")
    s.nodes.pop()
    s.weights |= {"classes": np.array([0, 1, 2], np.int32), "shape_tensor": np.array([-1])}
    probabilities = s.op("Softmax", last, to="probabilities", axis=1)
    s.op("ArgMax", probabilities, to="argmax_output", axis=1)
    s.op("ArrayFeatureExtractor", "classes", "argmax_output", to="extracted")
    s.nodes[-1].domain = "ai.onnx.ml"
    s.op("Cast", s.op("Reshape", "extracted", "shape_tensor", to="flat"), to="label")
    s.nodes[-1].attribute.append(helper.make_attribute("to", 7))
    model = helper.make_model(
        helper.make_graph(
            s.nodes,
            "ONNX(MLPClassifier)",
            [info("x", ("N", 6))],
            [info("label", None, np.int64), info("probabilities", None)],
            [onnx.numpy_helper.from_array(w, n) for n, w in s.weights.items()],
        ),
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 1)],
        ir_version=8,
    )
    onnx.save(model, tmp_path / "in.onnx")
    result = reduce(tmp_path / "in.onnx", tmp_path / "out.onnx")
    assert result.verdict.status == "equal"
    found = {t.name: list(t.dims) for t in onnx.load(tmp_path / "out.onnx").graph.initializer}
    assert found["coefficient"] == [6, 4]
    assert found["intercepts"] == [1, 4]
    assert found["coefficient1"] == [4, 2]
    assert found["coefficient2"] == [2, 3]
    assert result.layers[0].features == Change(8, 4)


def test_tf2onnx_convolutions_in_channels_last():
    """Keras: images (N, H, W, C) turned once, biases as Add, dense layers behind a mean."""
    s = Sketch()
    r = s.op("Transpose", "x", to="turned", perm=[0, 3, 1, 2])
    for name, shape in (("k1", (4, 2, 3, 3)), ("k2", (6, 4, 3, 3))):
        _, bias = s.rows(name, shape, halves(shape[0]))
        s.weights[f"{name}_b"] = bias.reshape(1, -1, 1, 1)
        r = s.op("Conv", r, name, to=f"{name}/Conv2D", auto_pad="SAME_UPPER", kernel_shape=[3, 3])
        r = s.op("Relu", s.op("Add", r, f"{name}_b", to=f"{name}/BiasAdd"), to=f"{name}/Relu")
    r = s.op("Transpose", r, to="back", perm=[0, 2, 3, 1])
    r = s.op("Flatten", r, to="flat", axis=1)
    s.rows("d1", (6 * 25, 4), halves(4), axis=1)
    r = s.op("Add", s.op("MatMul", r, "d1", to="d1/MatMul"), "d1_b", to="d1/BiasAdd")
    s.rows("d2", (4, 3), axis=1)
    r = s.op("MatMul", s.op("Relu", r, to="d1/Relu"), "d2", to="d2/MatMul")
    s.op("Add", r, "d2_b", to="v_y")
    shapes = {"k1": (2, 2, 3, 3), "k1_b": (1, 2, 1, 1), "k2": (3, 2, 3, 3), "k2_b": (1, 3, 1, 1)}
    dense = {"d1": (3 * 25, 2), "d1_b": (2,), "d2": (2, 3)}
    check(s.model(("N", 5, 5, 2)), **shapes, **dense)
