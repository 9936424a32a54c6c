from __future__ import annotations

from fractions import Fraction

import numpy as np

from lumpcli.analysis import columns_of
from lumpcli.analysis.stack import Stack
from tests.analysis.test_columns import THIRD, bias_of, facts, folded
from tests.nets import LINEAR, dense


def test_rows_of_several_layers_in_one_stack():
    first = dense("a", "x", [[1, 2], [3, 4], [5, 6]], [1, 2, 3])
    second = dense("b", "z", [[7, 8, 9]], act=LINEAR)
    sources = {
        "x": facts([0, 1], [1, THIRD]),
        "z": facts([1, 0, 1], [2, 1, Fraction(1, 5)], [0, 5, 0]),
    }
    upper, lower = (columns_of(layer, sources) for layer in (first, second))
    stack = Stack(((upper, np.array([2, 0])), (lower, np.array([0]))))
    assert stack.width == 3
    assert stack.keys.tolist() == upper.keys.tolist() == lower.keys.tolist()
    assert stack.keys[1].tolist() == [0, 1]
    assert folded(stack) == [[5, 2], [1, 2 * THIRD], [8, 14 + Fraction(9, 5)]]
    assert bias_of(stack) == [3, 1, 40]
    assert [f[0] for f in stack.functions()] == ["Relu", "Relu", "Identity"]
    some = stack.block(np.array([1, 2]), 0, 1)
    assert [some.value(i, 0) for i in range(2)] == [1, 8]


def test_a_stack_has_the_columns_that_any_part_has():
    sources = {"x": facts([4, 1]), "z": facts([2, 4], [1, THIRD])}
    upper = columns_of(dense("a", "x", [[1, 2]]), sources)
    lower = columns_of(dense("b", "z", [[3, 6], [5, 9]]), sources)
    stack = Stack(((upper, np.array([0])), (lower, np.array([0, 1]))))
    assert stack.keys[1].tolist() == [1, 2, 4]
    assert folded(stack) == [[2, 0, 1], [0, 3, 2], [0, 5, 3]]
    for first, last in ((0, 1), (0, 2), (1, 2), (1, 3), (2, 3)):
        assert folded(stack, first, last) == [row[first:last] for row in folded(stack)]


def test_floats_of_a_stack_are_those_of_its_parts():
    sources = {"x": facts([4, 1]), "z": facts([2, 4])}
    upper = columns_of(dense("a", "x", [[1, 2]], [7]), sources)
    lower = columns_of(dense("b", "z", [[3, 6], [5, 9]], [8, 9]), sources)
    stack = Stack(((upper, np.array([0])), (lower, np.array([0, 1]))))
    found = stack.floats(np.arange(3), 0, 3)
    assert found.value.tolist() == [[2, 0, 1], [0, 3, 6], [0, 5, 9]]
    assert found.narrow
    assert stack.floats(np.array([0, 2]), 1, 3).value.tolist() == [[0, 1], [5, 9]]
    assert stack.bias_floats(np.arange(3)).value.tolist() == [[7], [8], [9]]


def test_parts_whose_columns_have_other_units_are_no_floats():
    sources = {"x": facts([4, 1]), "z": facts([2, 4], [1, THIRD])}
    upper = columns_of(dense("a", "x", [[1, 2]]), sources)
    lower = columns_of(dense("b", "z", [[3, 6]]), sources)
    stack = Stack(((upper, np.array([0])), (lower, np.array([0]))))
    assert stack.floats(np.arange(2), 0, 3) is None
    assert stack.floats(np.arange(2), 0, 2).value.tolist() == [[2, 0], [0, 3]]
    assert stack.block(np.arange(2), 2, 3).value(1, 0) == Fraction(2)
