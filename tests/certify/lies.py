"""One lie per check of the checker: all else is as it should be, so nothing else may notice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from onnx import ModelProto, numpy_helper

from benchmarks.changes import Proven
from lumpcli.ir import Merge
from lumpcli.passes.bilinear import Taking
from lumpcli.pipeline import Plan
from tests.certify.forging import cut, forged
from tests.e2e.attention import attention
from tests.models import build, mlp, node


@dataclass(frozen=True)
class Lie:
    """What is proved without a check (a part of its message) or several. `harmless`: it is true."""

    make: Callable[[], Proven]
    checks: tuple[str, ...]
    harmless: bool = False


def f4(numbers: Any) -> np.ndarray:
    return np.array(numbers, np.float32)


def two(rows: Any, columns: Any, activation: str = "Relu", **more: Any) -> ModelProto:
    """x -> rows -> activation, `r` -> columns, `y`; both are matrices as MatMul has them."""
    dtype = more.get("dtype", np.float32)
    numbers = {"w": np.array(rows, dtype).T, "v": np.array(columns, dtype)}
    nodes = [
        node("MatMul", ["x", "w"], ["h"]),
        node(activation, ["h"], ["r"]),
        node("MatMul", ["r", "v"], ["y"]),
    ]
    return build(nodes, numbers, inputs={"x": ("N", len(numbers["w"]))}, **more)


# --- facts and cuts


def unequal() -> Proven:
    """Features 4 and 5 are merged, though nothing is said of them."""
    return forged(mlp(), {"r": cut([0, 2, 4], [0, 0, 2, 2, 4, 4], [1, 1, 1, 2, 1, 1])})


def another_offset() -> Proven:
    """A multiple that nobody reads leaves behind an offset that it does not have."""
    model = two([[1, 2], [2, 4], [1, 1]], [[1, 1], [0, 0], [2, 1]])
    return forged(model, {"r": cut([0, 2], [0, 0, 2], [1, 2, 1], [0, 5, 0])})


def claimed(**said: Any) -> Callable[[dict[str, Any]], None]:
    """What a certificate says of layer r, besides its cut."""

    def claim(layers: dict[str, Any]) -> None:
        layers["r"] = {"layer": "r", "nodes": [], "cut": layers["r"]["cut"], **said}

    return claim


def negative() -> Proven:
    """relu(-z) is said to be -relu(z)."""
    model = two([[1, 2], [-1, -2]], [[1], [3]])
    return forged(model, {"r": cut([0], [0, 0], [1, -1])}, claimed(rows=[0, 1]))


def handed_on() -> Proven:
    """relu(2 x) and relu(-x) are said to be 2 x and -x."""
    model = two([[2], [-1]], [[1], [3]])
    return forged(model, {"r": cut([0], [0, 0], [1, "-1/2"])}, claimed(rows=[0, 1]))


def active() -> Proven:
    """relu(2 x) and relu(-x) are said to be linear."""
    model = two([[2], [-1]], [[1], [3]])
    return forged(model, {"r": cut([0], [0, 0], [1, "-1/2"])}, claimed(active=[0, 1]))


def inactive() -> Proven:
    """relu(x) is said to be 0."""
    model = two([[1], [2]], [[1], [3]])
    return forged(model, {"r": cut([1], [-1, 1])}, claimed(inactive=[0]))


def wrong_value() -> Proven:
    """A constant is 2, and said to be 1."""
    return forged(with_constant(), {"r": cut([0, 1], [0, 1, -1], offset=[0, 0, 1])})


def with_constant() -> ModelProto:
    """Of three features the last is 2."""
    nodes = [
        node("Gemm", ["x", "w", "b"], ["h"], transB=1),
        node("Relu", ["h"], ["r"]),
        node("Gemm", ["r", "v", "c"], ["y"]),
    ]
    numbers = {"w": f4([[1, 2], [2, 1], [0, 0]]), "b": f4([0, 1, 2]), "v": f4([[1], [2], [3]])}
    return build(nodes, {**numbers, "c": f4([1])}, inputs={"x": ("N", 2)})


def another_multiple() -> Proven:
    """Feature 1 is 2 times feature 0, and said to be 3 times."""
    return forged(two([[1, 2], [2, 4]], [[1], [3]]), {"r": cut([0], [0, 0], [1, 3])})


def output() -> Proven:
    """A graph output loses a feature."""
    return forged(mlp(), {"y": cut([0, 2], [0, -1, 2])})


def apart() -> Proven:
    """What is added up feature by feature keeps other features than the sum, but none is read."""
    nodes = [
        node("MatMul", ["x", "w"], ["a"]),
        node("MatMul", ["x", "v"], ["b"]),
        node("Add", ["a", "b"], ["u"]),
        node("MatMul", ["u", "k"], ["y"]),
    ]
    rng = np.random.default_rng(0)
    numbers = {name: f4(rng.integers(1, 9, (3, 4))) for name in "wv"}
    model = build(nodes, {**numbers, "k": f4([[1], [2], [0], [0]])}, inputs={"x": ("N", 3)})
    cuts = {name: cut([0, 1, 2], [0, 1, -1, -1]) for name in "ab"}
    return forged(model, {**cuts, "u": cut([0, 1, 3], [0, 1, -1, -1])})


# --- numbers


def strict() -> Proven:
    """Something is rounded at level strict."""
    found = forged(two([[1, 2], [1, 2]], [[1], [2**-24]]))
    found.certificate["level"] = "strict"
    return found


def counted() -> Proven:
    """More numbers are said to be rounded than are."""
    found = forged(two([[1, 2], [1, 2]], [[1], [3]]))
    found.certificate["rounded"] += 1
    return found


def one_ulp() -> Proven:
    """A weight of the reduced model is another one."""
    found = forged(mlp())
    tensor = next(t for t in found.reduced.graph.initializer if t.name == "v")
    numbers = numpy_helper.to_array(tensor).copy()
    numbers[0, 0] = np.nextafter(numbers[0, 0], np.float32(9))
    tensor.CopyFrom(numpy_helper.from_array(numbers, "v"))
    found.sign()
    return found


# --- the rest of the models


def changed(change: Callable[[ModelProto], object], model: ModelProto | None = None) -> Proven:
    """A true reduction whose reduced model is then changed."""
    found = forged(mlp() if model is None else model)
    change(found.reduced)
    found.sign()
    return found


def summed() -> ModelProto:
    """A reduction before sums that the net does not know, and a constant that these meet."""
    model = mlp(outputs=("z",))
    model.graph.node.append(node("CumSum", ["y", "axis"], ["s"], reverse=0))
    model.graph.node.append(node("Mul", ["s", "k"], ["z"]))
    model.graph.initializer.append(numpy_helper.from_array(f4([1, 2, 3]), "k"))
    model.graph.initializer.append(numpy_helper.from_array(np.array(1), "axis"))
    return model


def other_way(model: ModelProto) -> None:
    model.graph.node[-2].attribute[0].i = 1


def other_number(model: ModelProto) -> None:
    (k,) = (t for t in model.graph.initializer if t.name == "k")
    k.CopyFrom(numpy_helper.from_array(f4([1, 2, 4]), "k"))


def a_shape(model: ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def a_default(model: ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(f4([[0] * 5]), "x"))


def rest_of_shape(model: ModelProto) -> None:
    (shape,) = (t for t in model.graph.initializer if t.name == "shape_q")
    sizes = numpy_helper.to_array(shape).copy()
    sizes[-1] = -1
    shape.CopyFrom(numpy_helper.from_array(sizes, "shape_q"))


# --- rows that take over others


def taken(side: int, place: int, other: int, ratio: int = 2, **q: Any) -> Proven:
    """In attention a row takes over another, whatever the other factors are."""
    layer = "k_a" if side else "q_a"

    def plan(done: Plan) -> Plan:
        ratios = (Fraction(ratio),)
        taking = Taking("scores (products)", side, place, (other,), ratios)
        merges = {layer: [Merge(place, (other,), ratios)]}
        quotient = replace(done.quotient, merges=merges)
        return replace(done, rounds=((done.values, (taking,)),), quotient=quotient)

    return forged(attention(**q), {}, plan=plan)


# --- within rounding


def not_within() -> Proven:
    """Rows that are nowhere near multiples are said to be, within rounding."""
    star = {"features": [0, 1], "ratios": ["1", "1"]}
    model = two([[1, 2], [1, 3]], [[1], [3]])
    return forged(model, {"r": cut([0], [0, 0])}, claimed(within=[star]), "rounding")


def within_exact() -> Proven:
    """Rows that are multiples within rounding, at level exact."""
    tenth = np.float32(0.1)
    model = two([[1, tenth, 3], [3, np.float32(3) * tenth, 9]], [[1], [3]])
    star = {"features": [0, 1], "ratios": ["1", "3"]}
    return forged(model, {"r": cut([0], [0, 0], [1, 3])}, claimed(within=[star]))


MULTIPLE = ("no such multiple of its", "what its rows read of features")
DIFFERENT = ("the models differ here",)

LIES: dict[str, Lie] = {
    "unequal": Lie(unequal, MULTIPLE),
    "another offset": Lie(another_offset, ("has another offset",), harmless=True),
    "negative": Lie(negative, MULTIPLE),
    "handed on": Lie(handed_on, MULTIPLE),
    "another multiple": Lie(another_multiple, MULTIPLE),
    "active": Lie(active, ("may be of the other sign",)),
    "inactive": Lie(inactive, ("may be of the other sign",)),
    "wrong value": Lie(wrong_value, ("has another offset", "what its rows read of features")),
    "output": Lie(output, ("a feature is cut that is needed",)),
    "apart": Lie(apart, ("read one by one are cut apart",), harmless=True),
    "strict": Lie(strict, ("at level strict",), harmless=True),
    "counted": Lie(counted, ("folded weights are rounded",), harmless=True),
    "one ulp": Lie(one_ulp, ("it is not the reduced layer",)),
    "other way": Lie(lambda: changed(other_way, summed()), DIFFERENT),
    "other number": Lie(lambda: changed(other_number, summed()), DIFFERENT),
    "a shape": Lie(lambda: changed(a_shape), DIFFERENT, harmless=True),
    "a default": Lie(lambda: changed(a_default), DIFFERENT, harmless=True),
    "metadata": Lie(
        lambda: changed(lambda m: m.metadata_props.add(key="k", value="v")), DIFFERENT, True
    ),
    "rest of shape": Lie(
        lambda: changed(rest_of_shape, attention(q={1: (2.0, 0), 7: (2.0, 4)})),
        ("not what the reduction makes",),
        True,
    ),
    "no multiple": Lie(lambda: taken(1, 0, 1), ("is no such multiple",)),
    "other head": Lie(lambda: taken(1, 0, 4, q={4: (2.0, 0)}), ("of several sums",)),
    "not within": Lie(not_within, ("no choice of weights makes",)),
    "within, exact": Lie(within_exact, ("rows within rounding are not",)),
}
