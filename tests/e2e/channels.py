"""Building small networks with planted redundancy, and checking what is left of it to the number.

All weights are small integers and all sums stay below 2^24, so float32 computes them exactly and
the original and the reduced network must give equal numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, numpy_helper

from lumpcli.api import reduce
from tests.evaluate import every_tensor, run
from tests.models import Array, Shape, build, integers, node

EXACT = 2.0**24  # float32 holds every integer up to here
SAMPLES = ((1, 1), (3, 2), (4, 3))  # sizes of a free batch, and seeds

# feature -> (factor, feature it is a multiple of)
Multiples = Mapping[int, tuple[float, int]]


class Sketch:
    """Nodes and weights in the making; each method returns the tensor it makes."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.weights: dict[str, Array] = {}

    def drawn(self, *shape: int) -> Array:
        """Integers from -3 to 3 without 0: no row is a multiple of another by accident."""
        return self.rng.choice([-3, -2, -1, 1, 2, 3], shape).astype(np.float32)

    def op(self, kind: str, *inputs: str, to: str, **attributes: Any) -> str:
        """Any node; `to` is its only output, and its name."""
        self.nodes.append(node(kind, list(inputs), [to], name=to, **attributes))
        return to

    def ints(self, name: str, *numbers: int) -> str:
        """A constant shape, or indices."""
        self.weights[name] = np.array(numbers, np.int64)
        return name

    def rows(
        self, name: str, shape: Sequence[int], multiples: Multiples | None = None, axis: int = 0
    ) -> tuple[Array, Array]:
        """Weights `name` and a bias `name_b`, one number per feature along `axis`.

        Generic, but for features that are multiples of others, bias included.
        """
        weight = np.moveaxis(self.drawn(*shape), axis, 0)
        bias = self.drawn(shape[axis])
        for feature, (factor, of) in (multiples or {}).items():
            weight[feature], bias[feature] = factor * weight[of], factor * bias[of]
        weight = np.ascontiguousarray(np.moveaxis(weight, 0, axis))
        self.weights[name], self.weights[f"{name}_b"] = weight, bias
        return weight, bias

    def conv(
        self,
        read: str,
        name: str,
        shape: Sequence[int],
        multiples: Multiples | None = None,
        relu: bool = True,
        **attributes: Any,
    ) -> str:
        """A convolution with bias, weights `name`, and a ReLU behind it."""
        self.rows(name, shape, multiples)
        made = self.op("Conv", read, name, f"{name}_b", to=f"{name}_y", **attributes)
        return self.op("Relu", made, to=f"{name}_r") if relu else made

    def gemm(self, read: str, name: str, shape: Sequence[int], to: str) -> str:
        """A dense layer with bias, weights `name` with a row per feature."""
        self.rows(name, shape)
        return self.op("Gemm", read, name, f"{name}_b", to=to, transB=1)

    def model(
        self, read: Shape = ("N", 2, 5, 5), outputs: Sequence[str] = ("v_y",), opset: int = 13
    ) -> ModelProto:
        """The whole network; `x` is its input."""
        model = build(
            self.nodes, self.weights, inputs={"x": read}, outputs=outputs, opset=opset, ir=8
        )
        inferred = onnx.shape_inference.infer_shapes(model).graph.output
        del model.graph.output[:]
        model.graph.output.extend(inferred)
        onnx.checker.check_model(model)
        return model


def constants(model: ModelProto) -> dict[str, Any]:
    """Shapes of the weights, numbers of the integer constants."""
    arrays = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    return {n: a.shape if a.dtype.kind == "f" else a.tolist() for n, a in arrays.items()}


def group_of(model: ModelProto, name: str) -> int:
    """The attribute `group` of a node."""
    (found,) = (n for n in model.graph.node if n.name == name)
    return next(int(a.i) for a in found.attribute if a.name == "group")


def equal(model: ModelProto, small: ModelProto, exact: bool = True) -> None:
    """Assert that two networks compute the same numbers; close ones where they are no integers."""
    for batch, seed in SAMPLES:
        feeds = integers(model, batch, seed)
        before, after = run(model, feeds), run(small, feeds)
        assert list(before) == list(after)
        if exact:
            tensors = every_tensor(model, feeds).values()
            assert max(float(abs(t).max()) for t in tensors if t.dtype.kind == "f") < EXACT
        for name, value in before.items():
            assert (value.shape, value.dtype) == (after[name].shape, after[name].dtype)
            assert np.isfinite(value).all()
            if exact:
                np.testing.assert_array_equal(after[name], value)
            else:
                np.testing.assert_allclose(after[name], value, rtol=1e-5, atol=1e-5)


def check(model: ModelProto, exact: bool = True, **after: Any) -> ModelProto:
    """Reduce; assert what the constants named are afterwards, and that no other changed.

    `after`: a shape for weights, numbers for integers. The outputs are equal, and a second run
    finds nothing more.
    """
    result = reduce(model)
    small: ModelProto = result.model
    onnx.checker.check_model(small)
    equal(model, small, exact)
    found, wanted = constants(small), constants(model) | after
    wrong = {n: f"{found.get(n)}, not {w}" for n, w in wanted.items() if found.get(n) != w}
    assert not wrong, wrong
    assert list(found) == list(wanted)
    again = reduce(small)
    assert not again.changed
    assert again.model.SerializeToString() == small.SerializeToString()
    return small


def check_unchanged(model: ModelProto) -> None:
    """Nothing can go, and the file stays as it is."""
    result = reduce(model)
    assert constants(result.model) == constants(model)
    assert result.model.SerializeToString() == model.SerializeToString()
