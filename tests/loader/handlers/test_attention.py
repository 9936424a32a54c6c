"""MatMul of two computed tensors: weighted sums of positions, products summed over features."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, NodeProto

from lumpcli.api import reduce
from lumpcli.ir import Array
from lumpcli.loader import load
from tests.evaluate import disagreements, run
from tests.loader.checks import shrinks, stays, widths
from tests.models import build, integers, node, planted, reader, weight

HEADS, SIZE, LENGTH = 2, 3, 4
Weights = dict[str, Array]


def _random(seed: int, width: int = HEADS * SIZE, read: int = 5) -> Array:
    """Columns without a zero, no two of which are multiples."""
    rng = np.random.default_rng(seed)
    return rng.choice([-3, -2, -1, 1, 2, 3], (read, width)).astype("f4")


def _zeros(seed: int, *features: int) -> Array:
    """Random columns, some of them zero."""
    columns = _random(seed)
    columns[:, list(features)] = 0
    return columns


def _attention(
    weights: Weights | None = None,
    biases: Weights | None = None,
    between: tuple[NodeProto, ...] = (),
    after: tuple[NodeProto, ...] = (node("MatMul", ["o", "wo"], ["y"]),),
    heads: int = HEADS,
    **options: Any,
) -> ModelProto:
    """Attention with two heads of 3 features (values: `heads`); weights by Relu, not Softmax."""
    numbers: Weights = {f"w{n}": _random(k) for k, n in enumerate("qkv")} | (weights or {})
    nodes = []
    for name, perm in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
        bias = f"b{name}" in (biases or {})
        nodes.append(node("MatMul", ["x", f"w{name}"], [f"{name}1"]))
        if bias:
            nodes.append(node("Add", [f"{name}1", f"b{name}"], [f"{name}2"]))
        nodes.append(node("Reshape", [f"{name}{1 + bias}", f"s{name}"], [f"{name}3"]))
        nodes.append(node("Transpose", [f"{name}3"], [name], perm=perm))
        count = heads if name == "v" else HEADS
        numbers[f"s{name}"] = np.array([0, 0, count, -1], np.int64)
    nodes.append(node("MatMul", ["q", "k"], ["p"]))
    nodes += [*between, node("Relu", ["p2" if between else "p"], ["a"])]
    nodes += [
        node("MatMul", ["a", "v"], ["o1"]),
        node("Transpose", ["o1"], ["o2"], perm=[0, 2, 1, 3]),
    ]
    nodes += [node("Reshape", ["o2", "so"], ["o"]), *after]
    numbers |= {"so": np.array([0, 0, -1], np.int64), "wo": reader(), **(biases or {})}
    return build(nodes, numbers, **{"inputs": {"x": (2, LENGTH, 5)}, **options})


def _cut(model: ModelProto) -> dict[str, int]:
    """The widths left of q, k and v, after checking that all else is as it was."""
    host = load(model)
    assert disagreements(host, integers(model), 1e-6) == []
    result = reduce(model)
    for seed in range(3):
        inputs = integers(model, seed=seed)
        before, after = run(model, inputs), run(result.model, inputs)
        assert np.array_equal(before["y"], after["y"])
    left = widths(load(result.model).net)
    found = {name: left.get(f"{name}1", left.get(f"{name}2", 0)) for name in "qkv"}
    for name, width in found.items():
        assert weight(result.model, f"w{name}").shape == (5, width)
    return found


@pytest.mark.parametrize("factor", [1, 2, -1])
def test_multiples_in_both_heads(factor):
    values = _random(2)
    values[:, 1] = factor * values[:, 0]
    values[:, 4] = factor * values[:, 5]
    assert _cut(_attention({"wv": values})) == {"q": 6, "k": 6, "v": 4}


def test_unread_features_in_both_heads():
    readers = reader()
    readers[[2, 3]] = 0
    model = _attention(after=(node("MatMul", ["o", "wr"], ["y"]),), weights={"wr": readers})
    assert _cut(model) == {"q": 6, "k": 6, "v": 4}


@pytest.mark.parametrize(
    ("copies", "left"),
    [
        ({1: 0}, 6),  # heads stay of one size
        ({1: 0, 2: 0, 4: 3}, 4),
        ({1: 0, 2: 0, 4: 3, 5: 3}, 2),
        ({3: 0}, 6),  # the weights of heads differ
        ({3: 0, 4: 1, 5: 2}, 6),
    ],
)
def test_as_many_stay_per_head(copies, left):
    values = _random(2)
    for copy, original in copies.items():
        values[:, copy] = values[:, original]
    assert _cut(_attention({"wv": values}))["v"] == left


def test_a_constant_is_weighed_too():
    """The weights of a position do not add up to 1, so only zero may go."""
    bias = np.arange(1, 7, dtype="f4")
    zeros = {"wv": _zeros(2, 1, 3)}
    assert _cut(_attention(zeros))["v"] == 4
    assert _cut(_attention(zeros, {"bv": bias}))["v"] == 6


@pytest.mark.parametrize("side", ["q", "k"])
@pytest.mark.parametrize(("zeros", "left"), [((1, 4), 4), ((0, 5), 4), ((1,), 6), ((0, 1, 3), 4)])
def test_what_is_zero_on_one_side_goes_on_both(side, zeros, left):
    found = _cut(_attention({f"w{side}": _zeros(0, *zeros)}))
    assert found == {"q": left, "k": left, "v": 6}


def test_zeros_on_either_side_add_up():
    found = _cut(_attention({"wq": _zeros(0, 1, 4), "wk": _zeros(1, 2, 5)}))
    assert found == {"q": 2, "k": 2, "v": 6}


def test_all_products_are_zero():
    add = (node("Add", ["p", "one"], ["p2"]),)
    weights = {"wq": _zeros(0, *range(6)), "one": np.ones((LENGTH, LENGTH), "f4")}
    assert _cut(_attention(weights, between=add)) == {"q": 2, "k": 2, "v": 6}


@pytest.mark.parametrize("sides", ["q", "k", "qk"])
def test_other_constants_stay(sides):
    """A constant times a feature is one, and a constant product is part of the sum."""
    bias = np.arange(1, 7, dtype="f4")
    zeros = {f"w{side}": _zeros(k, 1, 4) for k, side in enumerate(sides)}
    model = _attention(zeros, {f"b{side}": bias for side in sides})
    assert _cut(model) == {"q": 6, "k": 6, "v": 6}


@pytest.mark.parametrize("sides", ["q", "k", "qk"])
@pytest.mark.parametrize(("other", "left"), [(3, 4), (4, 6)])
def test_multiples_on_one_side_are_taken_over_on_the_other(sides, other, left):
    """In both heads, or in one."""
    same = _random(0)
    same[:, [1, 4]] = same[:, [0, other]]
    weights = {f"w{side}": same.copy() for side in sides}
    assert _cut(_attention(weights)) == {"q": left, "k": left, "v": 6}


@pytest.mark.parametrize("shape", [(LENGTH, LENGTH), (HEADS, LENGTH, LENGTH), (2, 1, 1, LENGTH)])
def test_a_mask_changes_nothing(shape):
    mask = np.random.default_rng(3).integers(-9, 9, shape).astype("f4")
    add = (node("Add", ["p", "mask"], ["p2"]),)
    model = _attention({"mask": mask, "wq": _zeros(0, 1, 4), "wv": _zeros(2, 1, 3)}, between=add)
    assert _cut(model) == {"q": 4, "k": 4, "v": 4}


def test_a_divisor_computed_from_the_size_of_a_head_pins_it():
    between = (
        node("Shape", ["q"], ["n"]),
        node("Gather", ["n", "last"], ["d"], axis=0),
        node("Cast", ["d"], ["e"], to=1),
        node("Sqrt", ["e"], ["f"]),
        node("Div", ["p", "f"], ["p2"]),
    )
    last = np.array(-1, np.int64)
    model = _attention({"last": last, "wq": _zeros(0, 1, 4)}, between=between)
    assert _cut(model)["q"] == 6


def _single(wq: Array, wk: Array, wv: Array) -> ModelProto:
    nodes = [node("MatMul", ["x", f"w{n}"], [f"{n}1"]) for n in "qkv"]
    nodes += [node("Transpose", ["k1"], ["k"], perm=[0, 2, 1]), node("MatMul", ["q1", "k"], ["p"])]
    nodes += [node("Relu", ["p"], ["a"]), node("MatMul", ["a", "v1"], ["o"])]
    weights = {"wq": wq, "wk": wk, "wv": wv, "wo": reader()}
    nodes.append(node("MatMul", ["o", "wo"], ["y"]))
    return build(nodes, weights, inputs={"x": (2, LENGTH, 5)})


def test_one_head():
    values = planted()[0].T.copy()
    model = _single(_zeros(0, 1), _zeros(1, 3), values)
    assert _cut(model) == {"q": 4, "k": 4, "v": 4}


def test_a_layer_times_itself():
    nodes = [node("MatMul", ["x", "w"], ["q"]), node("Transpose", ["q"], ["k"], perm=[0, 2, 1])]
    model = build(
        [*nodes, node("MatMul", ["q", "k"], ["y"])],
        {"w": _zeros(0, 1, 4)},
        inputs={"x": (2, LENGTH, 5)},
    )
    shrinks(model, ("q",))


@pytest.mark.parametrize("batch", [(), (2,)])
def test_the_left_factor_may_hold_the_features(batch):
    nodes = [node("MatMul", ["w", "x"], ["h"]), node("Relu", ["h"], ["r"])]
    nodes += [node("MatMul", ["r", "a"], ["m"]), node("MatMul", ["v", "m"], ["y"])]
    weights = {"w": planted()[0], "v": reader().T.copy()}
    shrinks(build(nodes, weights, inputs={"x": (5, 7), "a": (*batch, 7, 3)}), ("r", "m"))


def test_two_ways_of_weighing_are_told_apart():
    """Feature 0 weighed by a is not feature 0 weighed by a2."""
    nodes = [node("MatMul", ["x", "w"], ["h"]), node("Relu", ["h"], ["r"])]
    nodes += [node("MatMul", [a, "r"], [f"m{a}"]) for a in ("a", "b")]
    nodes += [node("Concat", ["ma", "mb"], ["c"], axis=1), node("MatMul", ["c", "v"], ["y"])]
    weights = {"w": planted()[0].T.copy(), "v": np.concatenate([reader(), reader(seed=1)])}
    inputs = {"x": (7, 5), "a": (3, 7), "b": (3, 7)}
    model = build(nodes, weights, inputs=inputs)
    assert load(model).net["ma"].terms[0].steered
    shrinks(model, ("r", "ma", "mb"))


def _product(left: str, right: str, inputs: dict[str, tuple[int, ...]]) -> ModelProto:
    nodes = [node("MatMul", ["x", "w"], ["q"]), node("Transpose", ["q"], ["t"], perm=[1, 0])]
    weights = {"w": _zeros(0, 1)}
    return build([*nodes, node("MatMul", [left, right], ["y"])], weights, inputs=inputs)


@pytest.mark.parametrize(
    ("left", "right", "other", "reason"),
    [
        ("q", "z", (6, 2), "it sums over the features of one of its operands"),
        ("z", "t", (2, 6), "it sums over the features of one of its operands"),
        ("q", "z", (6,), "the ranks of its operands are not known"),
    ],
)
def test_other_products_are_declined(left, right, other, reason):
    model = _product(left, right, {"x": (6, 5), "z": other})
    assert any(f"MatMul 'y' ({reason})" in given for given in stays(model))


def test_features_by_features_are_kept():
    model = _product("t", "q", {"x": (4, 5)})
    result = reduce(model)
    assert not result.changed


def test_features_of_both_along_axes_that_do_not_meet():
    """q @ r sums features of q over positions of r, since both are 6."""
    nodes = [node("MatMul", [x, w], [o]) for x, w, o in (("x", "w", "q"), ("z", "u", "r"))]
    weights = {"w": _zeros(0, 1), "u": _zeros(1, 2)}
    model = build(
        [*nodes, node("MatMul", ["q", "r"], ["y"])], weights, inputs={"x": (4, 5), "z": (6, 5)}
    )
    assert any("lie along other axes" in reason for reason in stays(model))


def test_heads_of_both_along_axes_that_do_not_meet():
    """Of both factors the features of a head lie before the positions, of which there are 3."""
    nodes, weights = [], {"shape": np.array([0, 0, 2, 3], np.int64)}
    for name in "qk":
        weights[f"w{name}"] = np.random.default_rng(0).integers(1, 5, (5, 6)).astype(np.float32)
        nodes.append(node("MatMul", ["x", f"w{name}"], [name]))
        nodes.append(node("Reshape", [name, "shape"], [f"{name}_h"]))
        nodes.append(node("Transpose", [f"{name}_h"], [f"{name}_t"], perm=[0, 2, 3, 1]))
    nodes.append(node("MatMul", ["q_t", "k_t"], ["y"]))
    model = build(nodes, weights, inputs={"x": ("N", 3, 5)})
    assert any("lie along other axes" in reason for reason in stays(model))


@pytest.mark.parametrize("tail", ["MatMul", "Reshape", "Slice"])
def test_values_of_one_head_for_all(tail):
    """MatMul repeats them for each head: what comes out has more features than go in."""
    values = _random(2, SIZE)
    values[:, 1] = values[:, 0]
    after = {
        "MatMul": (node("MatMul", ["o", "wo"], ["y"]),),
        "Reshape": (node("Reshape", ["o", "s3"], ["o3"]), node("MatMul", ["o3", "w3"], ["y"])),
        "Slice": (
            node("Slice", ["o", "i3", "i6", "i1"], ["o3"]),
            node("MatMul", ["o3", "w3"], ["y"]),
        ),
    }[tail]
    more = {"s3": np.array([-1, 3], np.int64), "w3": reader()[:3]}
    more |= {f"i{n}": np.array([n if n > 1 else -1], np.int64) for n in (1, 3, 6)}
    model = _attention({"wv": values, **more}, after=after, heads=1)
    reduced = reduce(model).model
    for seed in range(3):
        inputs = integers(model, seed=seed)
        assert np.array_equal(run(model, inputs)["y"], run(reduced, inputs)["y"])
