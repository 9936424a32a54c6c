"""A model for every operator that bounds follow: it lies between two layers of weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto

from tests.models import build, node

Array = np.ndarray
Weights = dict[str, Array]
Made = tuple[list[NodeProto], Weights]  # from the tensor h to the tensor z
IMAGE = (2, 5, 4)  # channels and positions of h
FLAT = (6,)


def _one(kind: str, *inputs: str, **attributes: Any) -> NodeProto:
    return node(kind, ["h", *inputs], ["z"], **attributes)


def _draw(rng: np.random.Generator, *shape: int) -> Array:
    return rng.normal(size=shape).astype(np.float32)


def _weighted(kind: str, *shapes: tuple[int, ...], **attributes: Any) -> Callable[..., Made]:
    """An operator whose further inputs are constants of these shapes."""

    def make(rng: np.random.Generator) -> Made:
        names = [f"c{k}" for k in range(len(shapes))]
        weights = {n: _draw(rng, *s) for n, s in zip(names, shapes, strict=True)}
        return [_one(kind, *names, **attributes)], weights

    return make


def _plain(kind: str, **attributes: Any) -> Callable[..., Made]:
    return lambda rng: ([_one(kind, **attributes)], {})


def _with(kind: str, *constants: Any, **attributes: Any) -> Callable[..., Made]:
    """An operator whose further inputs are these integers, or floats."""

    def make(rng: np.random.Generator) -> Made:
        weights = {
            f"c{k}": np.asarray(c, np.float32 if isinstance(c, float) else np.int64)
            for k, c in enumerate(constants)
            if c is not None
        }
        names = ["" if c is None else f"c{k}" for k, c in enumerate(constants)]
        return [_one(kind, *names, **attributes)], weights

    return make


def _both(kind: str, first: str, second: str) -> Callable[..., Made]:
    """Two functions of h, joined."""
    parts = [node(first, ["h"], ["a"]), node(second, ["h"], ["b"])]
    return lambda rng: ([*parts, node(kind, ["a", "b"], ["z"])], {})


def _left(rng: np.random.Generator) -> Made:
    return [node("MatMul", ["c", "h"], ["z"])], {"c": _draw(rng, 3, 5)}


def _norm(rng: np.random.Generator) -> Made:
    weights = {n: _draw(rng, 2) for n in ("s", "b", "m")}
    variance = (rng.random(2) + 0.1).astype(np.float32)
    return [_one("BatchNormalization", "s", "b", "m", "v")], {**weights, "v": variance}


def _concat(rng: np.random.Generator) -> Made:
    parts = [node("Relu", ["h"], ["a"]), node("Neg", ["h"], ["b"])]
    return [*parts, node("Concat", ["a", "b", "h"], ["z"], axis=1)], {}


def _computed_shape(rng: np.random.Generator) -> Made:
    nodes = [
        node("Shape", ["h"], ["s"]),
        node("Gather", ["s", "zero"], ["n"]),
        node("Concat", ["n", "rest"], ["r"], axis=0),
        node("Reshape", ["h", "r"], ["z"]),
    ]
    return nodes, {"zero": np.array([0]), "rest": np.array([-1])}


IMAGES: dict[str, Callable[..., Made]] = {
    "Conv": _weighted("Conv", (3, 2, 3, 2), (3,), pads=[1, 0, 1, 1], strides=[2, 1]),
    "Conv, dilated": _weighted("Conv", (3, 2, 2, 2), dilations=[2, 1]),
    "Conv, grouped": _weighted("Conv", (4, 1, 3, 3), (4,), group=2, auto_pad="SAME_UPPER"),
    "Conv, same lower": _weighted("Conv", (2, 2, 2, 3), auto_pad="SAME_LOWER", strides=[2, 3]),
    "BatchNormalization": _norm,
    "AveragePool": _plain("AveragePool", kernel_shape=[3, 2], pads=[1, 1, 1, 0], strides=[2, 1]),
    "AveragePool, pads count": _plain(
        "AveragePool", kernel_shape=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1
    ),
    "GlobalAveragePool": _plain("GlobalAveragePool"),
    "ReduceMean": _plain("ReduceMean", axes=[2, 3], keepdims=0),
    "ReduceMean, one axis": _plain("ReduceMean", axes=[-1]),
    "ReduceSum": _with("ReduceSum", [1], keepdims=0),
    "MaxPool": _plain("MaxPool", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2]),
    "GlobalMaxPool": _plain("GlobalMaxPool"),
    "ReduceMax": _plain("ReduceMax", axes=[1], keepdims=0),
    "MatMul, right": _weighted("MatMul", (4, 3)),
    "MatMul, left": _left,
    "Transpose": _plain("Transpose", perm=[0, 2, 3, 1]),
    "Reshape": _with("Reshape", [0, -1, 2]),
    "Reshape, computed": _computed_shape,
    "Flatten": _plain("Flatten"),
    "Squeeze": lambda rng: (
        [node("ReduceSum", ["h", "a"], ["r"]), node("Squeeze", ["r", "a"], ["z"])],
        {"a": np.array([2])},
    ),
    "Unsqueeze": _with("Unsqueeze", [2, -1]),
    "Slice": _with("Slice", [1, 0], [5, -1], [2, 3], [2, 1]),
    "Gather": _with("Gather", [1, 0, 1], axis=1),
    "Pad": _with("Pad", [0, 0, 1, 2, 0, 1, 0, 0], 1.5),
    "Expand": lambda rng: (
        [node("Unsqueeze", ["h", "a"], ["u"]), node("Expand", ["u", "e"], ["z"])],
        {"a": np.array([2]), "e": np.array([1, 1, 3, 1, 1])},
    ),
    "Concat": _concat,
    "PRelu": _weighted("PRelu", (2, 1, 1)),
    "Add, broadcast": _weighted("Add", (2, 1, 1)),
}
FLATS: dict[str, Callable[..., Made]] = {
    "Gemm": _weighted("Gemm", (4, 6), (4,), transB=1, alpha=0.3, beta=-0.7),
    "Add": _weighted("Add", (6,)),
    "Sub": _weighted("Sub", (1, 6)),
    "Sub, from a constant": lambda rng: ([node("Sub", ["c", "h"], ["z"])], {"c": _draw(rng, 6)}),
    "Mul": _weighted("Mul", (6,)),
    "Div": _weighted("Div", (6,)),
    "Neg": _plain("Neg"),
    "Identity": _plain("Identity"),
    "Dropout": _plain("Dropout"),
    "Sum": _both("Sum", "Relu", "Neg"),
    "Sub of two": _both("Sub", "Relu", "Neg"),
    "Add of one twice": lambda rng: ([node("Add", ["h", "h"], ["z"])], {}),
    "Mul of two": _both("Mul", "Relu", "Neg"),
    "Relu": _plain("Relu"),
    "LeakyRelu": _plain("LeakyRelu", alpha=0.13),
    "LeakyRelu, steep": _plain("LeakyRelu", alpha=1.7),
    "Clip": _with("Clip", -0.3, 0.8),
    "Clip, from below": _with("Clip", 0.0),
    "Clip, from above": _with("Clip", None, 0.25),
    "HardSigmoid": _plain("HardSigmoid", alpha=0.4, beta=0.3),
    "Abs": _plain("Abs"),
    "Sign": _plain("Sign"),
    "Floor": _plain("Floor"),
    "Ceil": _plain("Ceil"),
}
SMOOTH: dict[str, Callable[..., Made]] = {
    "Sigmoid": _plain("Sigmoid"),
    "Tanh": _plain("Tanh"),
    "Erf": _plain("Erf"),
    "Softsign": _plain("Softsign"),
    "Softplus": _plain("Softplus"),
    "Exp": _plain("Exp"),
    "Elu": _plain("Elu", alpha=0.7),
    "Elu, steep": _plain("Elu", alpha=1.6),
    "Gelu": _plain("Gelu"),
    "SiLU": lambda rng: ([node("Sigmoid", ["h"], ["s"]), node("Mul", ["h", "s"], ["z"])], {}),
}


def between_layers(name: str, rng: np.random.Generator) -> ModelProto:
    """x, weights, the operator, weights of all it makes, and Relu on what was made."""
    make = {**IMAGES, **FLATS, **SMOOTH}[name]
    nodes, weights = make(rng)
    if name in IMAGES:
        shape = IMAGE
        first = node("Conv", ["x", "w0"], ["h"], pads=[1, 1, 1, 1])
        weights["w0"] = _draw(rng, IMAGE[0], IMAGE[0], 3, 3) / 3
    else:
        shape = FLAT
        first = node("MatMul", ["x", "w0"], ["h"])
        weights["w0"] = _draw(rng, FLAT[0], FLAT[0]) / 2
    last = [
        node("Relu", ["z"], ["relu"]),
        node("Flatten", ["relu"], ["f"]),
        node("ReduceMean", ["f"], ["mean"], axes=[1]),
        node("Sub", ["f", "mean"], ["d"]),
        node("Relu", ["d"], ["y"]),
    ]
    opset = 20 if name == "Gelu" else 17
    if opset == 20:
        weights["axes"] = np.array([1])
        last[2] = node("ReduceMean", ["f", "axes"], ["mean"])
    return build([first, *nodes, *last], weights, inputs={"x": ("N", *shape)}, opset=opset, ir=10)
