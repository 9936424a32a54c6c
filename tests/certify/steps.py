"""Lies about steps, and about boxes; lies.py has the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from benchmarks.changes import Proven
from lumpcli.ir import Candidate, Fold, Linear, Unit
from tests.certify.forging import cut, forged, stepped
from tests.certify.lies import Lie, claimed, f4
from tests.models import build, node


def linear(rows: Any, bias: Any, step: Linear, activation: str = "Relu", clip: int = 0) -> Proven:
    """x (clipped to [-clip, clip], if said) -> rows -> activation, `r` -> two sums, by a step."""
    numbers = {"w": f4(rows), "b": f4(bias), "v": f4([[1, 2, 3, 1, 1, 1], [2, -1, 1, 1, 1, 1]])}
    numbers |= {"c": f4([1, 1]), "low": f4(-clip), "high": f4(clip)}
    numbers |= {"v": numbers["v"][:, : len(rows)], "e": np.eye(len(rows[0]), dtype=np.float32)}
    nodes = [
        node("MatMul", ["x", "e"], ["t"]),
        node("Clip", ["t", *(["low", "high"] if clip else [])], ["s"]),
        node("Gemm", ["s", "w", "b"], ["h" if activation else "r"], transB=1),
        *([node(activation, ["h"], ["r"])] if activation else []),
        node("Gemm", ["r", "v", "c"], ["y"], transB=1),
    ]
    inputs = {"x": ("N", numbers["w"].shape[1])}
    return stepped(build(nodes, numbers, inputs=inputs, opset=20), step)


def one_of(feature: int, partner: int, ratio: int = 1) -> Candidate:
    return Candidate(feature, partner, Fraction(ratio), Fraction(1))


def no_sign() -> Proven:
    """relu(2z + 1) and relu(z) are said to be linear."""
    step = Linear("r", "rows", (one_of(1, -1),), (one_of(0, -1),), ((Fraction(2),),))
    return linear([[1, 2], [2, 4], [1, 1]], [0, 1, 0], step)


def no_opposite() -> Proven:
    """relu(-x - 3y) is said to be the opposite of relu(x + 2y)."""
    step = Linear("r", "sources", (one_of(1, 0), one_of(3, 2), one_of(5, 4)), inputs=(0, 1))
    step = replace(step, units=(Unit((1,), Fraction(1)), Unit((3,), Fraction(1))))
    rows = [[1, 2], [-1, -3], [3, 1], [-3, -1], [1, 1], [-1, -1]]
    return linear(rows, [0] * 6, step, clip=1)


def gelu_twice() -> Proven:
    """gelu(-2z) is said to be 2 gelu(z) - 2z, whatever makes up for z."""
    gone = (one_of(1, 0, 2), one_of(3, 2), one_of(5, 4))
    step = Linear("r", "sources", gone, inputs=(0,), units=(Unit((1, 3)),))
    return linear([[1], [-2], [3], [-3], [5], [-5]], [0] * 6, step, "Gelu")


def coefficient() -> Proven:
    """Of two linear functions, one is said to be twice the other."""
    step = Linear("r", "rows", (one_of(1, -1),), (one_of(0, -1),), ((Fraction(2),),))
    return linear([[1, 2], [2, 5], [1, 1]], [0, 0, 0], step, "")


def passed_on(units: Sequence[Unit], inputs: Sequence[int] = (0, 1)) -> Proven:
    """Pairs of opposite rows over numbers from -1 to 1; units pass these on."""
    gone = (one_of(1, 0), one_of(3, 2), one_of(5, 4))
    step = Linear("r", "sources", gone, inputs=tuple(inputs), units=tuple(units))
    rows = [[1, 2], [-1, -2], [3, 1], [-3, -1], [1, 1], [-1, -1]]
    return linear(rows, [0] * 6, step, clip=1)


def bent() -> Proven:
    """A ReLU that may be negative is folded away."""
    weights = {"w": f4([[1, 2], [3, 1]]), "v": f4([[1, -1]])}
    nodes = [
        node("Gemm", ["x", "w"], ["h"], transB=1),
        node("Relu", ["h"], ["r"]),
        node("Gemm", ["r", "v"], ["y"], transB=1),
    ]
    step = Fold("r", (Fraction(1), Fraction(1)))
    return stepped(build(nodes, weights, inputs={"x": ("N", 2)}), step)


def convolved(first: int, pad: int, bias: float) -> Proven:
    """Two convolutions, of that width and of 3, with that padding of the second, become one."""
    weights = {"w": np.ones((2, 1, first), "f4"), "b": f4([bias, bias])}
    weights["v"] = np.arange(1, 7, dtype="f4").reshape(1, 2, 3)
    nodes = [
        node("Conv", ["x", "w", "b"], ["h"]),
        node("Conv", ["h", "v"], ["y"], pads=[pad, pad]),
    ]
    model = build(nodes, weights, inputs={"x": ("N", 1, 9)})
    return stepped(model, Fold("h", (Fraction(1), Fraction(1))))


def of_higher_rank() -> Proven:
    """A vector becomes a matrix by the bias of the layer that goes."""
    weights = {"w": np.ones((5, 2), "f4"), "b": f4([[0, 0]]), "v": f4([[1, 2, 3], [4, 5, 6]])}
    nodes = [
        node("MatMul", ["x", "w"], ["m"]),
        node("Add", ["m", "b"], ["h"]),
        node("MatMul", ["h", "v"], ["y"]),
    ]
    model = build(nodes, weights, inputs={"x": (5,)})
    return stepped(model, Fold("h", (Fraction(1), Fraction(1))))


def an_end() -> Proven:
    """The box of a certificate ends before the one that bounds were taken on."""
    nodes = [
        node("Gemm", ["x", "w", "b"], ["h"], transB=1),
        node("Relu", ["h"], ["r"]),
        node("Gemm", ["r", "v", "c"], ["y"], transB=1),
    ]
    numbers = {"w": f4([[1], [-1]]), "b": f4([0, 0]), "v": f4([[1, 3]]), "c": f4([1])}
    found = forged(
        build(nodes, numbers, inputs={"x": ("N", 1)}),
        {"r": cut([0], [0, -1])},
        claimed(active=[0], inactive=[1]),
    )
    ends = {"shape": [1, 1], "lower": ["-1.0"], "upper": ["1.0"]}
    told = {"rungs": ["interval"], "seed": 0, "semantics": "real"}
    found.certificate["box"] = {"inputs": {"x": ends}, **told}
    return found


LIES: dict[str, Lie] = {
    "no sign": Lie(no_sign, ("may not be linear",)),
    "no opposite": Lie(no_opposite, ("is not the opposite",)),
    "GELU twice": Lie(gelu_twice, ("is not the opposite",)),
    "coefficient": Lie(coefficient, ("is not that combination",)),
    "negative unit": Lie(
        lambda: passed_on([Unit((1,), Fraction(1)), Unit((3,), Fraction(1, 2))]),
        ("may be negative",),
    ),
    "one input": Lie(
        lambda: passed_on([Unit((1,), Fraction(1))], [0]), ("do not pass on all that is read",)
    ),
    "bent layer": Lie(bent, ("may not be linear",)),
    "both convolve": Lie(lambda: convolved(3, 0, 0.0), ("both it and what reads it move",)),
    "bias beside the image": Lie(lambda: convolved(1, 1, 2.0), ("sees zeros, not its bias",)),
    "another rank": Lie(of_higher_rank, ("it cannot leave the file",)),
    "smaller box": Lie(an_end, ("may be of the other sign",)),
}
