"""Functions of several tensors, element by element: Max, Pow, comparisons, Where."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto

from lumpcli.analysis import values_of
from lumpcli.api import reduce
from lumpcli.loader import load
from tests.evaluate import disagreements
from tests.loader.checks import shrinks, stays
from tests.models import build, integers, node, planted, reader, weight

ROWS, BIAS = planted()
GEMM = node("Gemm", ["x", "w", "b"], ["h"], transB=1)


def _through(*nodes, extra=None, rows=ROWS, bias=BIAS, **options):
    """Gemm makes h of x, the nodes make r of it, and a Gemm with bias makes y."""
    weights = {"w": rows, "b": bias, "v": reader(), "last": np.ones(3, "f4"), **(extra or {})}
    tail = node("Gemm", ["r", "v", "last"], ["y"])
    return build([GEMM, *nodes, tail], weights, **options)


def _equal_rows():
    """Planted rows whose features 2 and 3 are equal: what any function allows."""
    rows, bias = ROWS.copy(), BIAS.copy()
    rows[3], bias[3] = rows[2], bias[2]
    return rows, bias


@pytest.mark.parametrize("operator", ["Max", "Min"])
def test_max_with_a_number_per_feature_or_three_operands(operator):
    numbers = np.array([1, 1, 2, 4, -1, 3], "f4")  # feature 3 stays twice feature 2
    model = _through(node(operator, ["h", "c"], ["r"]), extra={"c": numbers})
    assert weight(shrinks(model), "c").tolist() == [1, 2, -1, 3]
    numbers = np.arange(6, dtype="f4")
    assert "graph output" in stays(
        _through(node(operator, ["h", "c"], ["r"]), extra={"c": numbers})
    )
    extra = {"c": np.zeros(6, "f4")}
    shrinks(_through(node(operator, ["h", "c", "h"], ["r"]), extra=extra))


def test_max_of_layers_of_other_ratios():
    """Feature 3 is twice feature 2 in one of them, three times in the other."""
    rows, bias = planted(seed=2)
    rows[3], bias[3] = 3 * rows[2], 3 * bias[2]
    nodes = [node("Gemm", ["x", "u", "c"], ["g"], transB=1), node("Max", ["h", "g"], ["r"])]
    shrinks(_through(*nodes, extra={"u": rows, "c": bias}), ("h", "g", "r"), after=5)
    rows[3], bias[3] = 2 * rows[2], 2 * bias[2]
    shrinks(_through(*nodes, extra={"u": rows, "c": bias}), ("h", "g", "r"))
    rows[2:4], bias[2:4] = -rows[2:4], -bias[2:4]
    shrinks(_through(*nodes, extra={"u": rows, "c": bias}), ("h", "g", "r"))
    rows[2], bias[2] = -rows[2], -bias[2]  # 2 and -2: no common ratio
    shrinks(_through(*nodes, extra={"u": rows, "c": bias}), ("h", "g", "r"), after=5)


def test_powers():
    square = _through(node("Pow", ["h", "e"], ["r"]), extra={"e": np.array(2, "f4")})
    shrinks(square, after=5)
    model = _through(node("Pow", ["e", "h"], ["r"]), extra={"e": np.array(2, "f4")})
    assert load(model).net["r"].activation.name == "ExponentialOf"
    assert disagreements(load(model), integers(model), 1e-6) == []


def test_powers_per_feature():
    """Equal features stay equal only with equal exponents."""
    rows, bias = _equal_rows()
    extra = {"e": np.array([1, 1, 2, 2, 3, 1], "f4")}
    model = _through(node("Pow", ["h", "e"], ["r"]), extra=extra, rows=rows, bias=bias)
    assert weight(shrinks(model), "e").tolist() == [1, 2, 3, 1]
    extra = {"e": np.array([1, 3, 2, 2, 3, 1], "f4")}
    model = _through(node("Pow", ["h", "e"], ["r"]), extra=extra, rows=rows, bias=bias)
    shrinks(model, after=5)


COMPARED = ["Greater", "Less", "GreaterOrEqual", "LessOrEqual", "Equal"]


@pytest.mark.parametrize("operator", [*COMPARED, "Mod"])
@pytest.mark.parametrize("first", [True, False])
def test_functions_of_a_layer_and_a_number(operator, first):
    """Equal rows only; which operand is the number makes another function."""
    rows, bias = _equal_rows()
    options = {"fmod": 1} if operator == "Mod" else {}
    nodes = [node(operator, ["c", "h"] if first else ["h", "c"], ["g"], **options)]
    nodes.append(node("Cast", ["g"], ["r"], to=TensorProto.FLOAT))
    extra = {"c": np.array(2, "f4")}
    model = _through(*nodes, extra=extra, rows=rows, bias=bias)
    assert load(reduce(model).model).net["g"].width == 4
    if not (operator == "Mod" and first):  # modulo 0 is no number
        shrinks(model, ("h", "g"))
    assert load(reduce(_through(*nodes, extra=extra)).model).net["g"].width == 5


def test_functions_of_two_layers_and_of_truths():
    rows, bias = _equal_rows()
    nodes = [
        node("Gemm", ["x", "u", "c"], ["g"], transB=1),
        node("Greater", ["h", "g"], ["more"]),
        node("Less", ["g", "zero"], ["below"]),
        node("And", ["more", "below"], ["both"]),
        node("Not", ["both"], ["either"]),
        node("Where", ["either", "h", "g"], ["r"]),
    ]
    others, shift = planted(seed=2)
    others[3], shift[3] = others[2], shift[2]
    extra = {"u": others, "c": shift, "zero": np.array(0, "f4")}
    model = _through(*nodes, extra=extra, rows=rows, bias=bias)
    shrinks(model, ("h", "g", "more", "both", "r"))
    assert set(stays(_through(*nodes, extra={**extra, "u": OTHERS}, rows=rows, bias=bias)))


OTHERS = np.arange(30, dtype="f4").reshape(6, 5)  # no two rows are equal


def test_where_with_constant_branches():
    """1 where h > 2, else -1; the order of the constants matters."""
    rows, bias = _equal_rows()
    nodes = [node("Greater", ["h", "two"], ["g"]), node("Where", ["g", "one", "other"], ["r"])]
    extra = {name: np.array(n, "f4") for name, n in (("two", 2), ("one", 1), ("other", -1))}
    shrinks(_through(*nodes, extra=extra, rows=rows, bias=bias), ("h", "g", "r"))
    nodes += [node("Where", ["g", "other", "one"], ["t"]), node("Add", ["r", "t"], ["z"])]
    model = _through(*nodes, extra=extra, rows=rows, bias=bias, outputs=["y", "z"])
    facts = values_of(load(model).net)
    assert facts["r"].class_of[0] != facts["t"].class_of[0]


def test_functions_of_several_of_what_is_not_followed_are_declined():
    model = _through(node("Mod", ["h", "c"], ["r"], fmod=1), extra={"c": np.arange(6)})
    reasons = stays(model, runs=False)
    assert "Mod 'r' ('c' is of type int64)" in reasons
