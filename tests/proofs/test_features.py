"""Facts on layers read feature by feature are those the search finds, derived independently."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from lumpcli.ir import ZERO, Activation, Shift, Term
from lumpcli.proofs import CONSTANT, Book, Refused, features
from tests.nets import each, join, picked, source, times


def classes(some):
    return [label for label, _, _ in some]


def book(width=4):
    found = Book()
    found.facts["x"] = features(found, source("x", width))
    return found


def facts(found, layer):
    found.facts[layer.name] = features(found, layer)
    return found.facts[layer.name]


def test_a_source_is_unknown():
    assert classes(book().facts["x"]) == [0, 1, 2, 3]


def test_a_source_of_one_value_is_a_constant():
    ends = np.array([[0.5, 0.0, -np.inf, -np.inf], [0.5, 1.0, 3.0, np.inf]])
    found = features(Book(), replace(source("x", 4), between=ends))
    assert found[0] == (CONSTANT, 0, Shift(Fraction(1, 2)))
    assert classes(found[1:]) == [0, 1, 2]


def test_scales_and_places_are_handed_on():
    found = facts(book(), each("h", 4, times("x", [1, 2, -1, 0]), bias=[0, 1, 0, 5]))
    assert [found[i] for i in range(3)] == [(0, 1, ZERO), (1, 2, Shift(Fraction(1))), (2, -1, ZERO)]
    assert found[3] == (CONSTANT, 0, Shift(Fraction(5)))
    moved = facts(book(), each("h", 2, picked("x", [3, 1])))
    assert classes(moved) == [3, 1]


def test_sums_are_classes_by_what_they_add():
    found = facts(book(), each("h", 4, "x", picked("x", [1, 0, 3, 2])))
    assert found[0][0] == found[1][0] != found[2][0] == found[3][0]


def constants(found):
    return facts(found, each("c", 4, times("x", [0, 0, 1, 2]), bias=[1, 2, 0, 1]))


def test_products_know_ratios_zeros_and_constants():
    found = book()
    constants(found)
    facts(found, each("d", 4, times("x", [3, 0, 2, 2])))
    product = facts(found, join("h", 4, "d", "c"))
    assert product[0] == (0, 3, ZERO)
    assert product[1] == (CONSTANT, 0, ZERO)
    assert product[2][0] != product[3][0]


def test_operands_are_single_features():
    found = book()
    term = Term("x", None, True, select=np.array([[0, 1]]), via="unfold")
    facts(found, each("s", 1, term))
    with pytest.raises(Refused, match="not one feature"):
        facts(found, join("h", 1, picked("x", [-1]), picked("x", [0])))


def test_the_largest_of_equal_ones_and_of_numbers():
    found = book()
    constants(found)
    largest = facts(found, join("h", 2, picked("c", [0, 2]), picked("c", [1, 2]), function="Max"))
    assert largest[0] == (CONSTANT, 0, Shift(Fraction(2)))
    assert largest[1] == (2, 1, ZERO)
    other = facts(found, join("g", 2, picked("x", [0, 1]), picked("x", [1, 0]), function="Sub"))
    assert other[0][0] != other[1][0]


def test_prelu_slopes_are_part_of_the_definition():
    act = Activation("PRelu", (), np.array([0.5, 0.5, 0.25, 0.5], np.float32))
    terms = (picked("x", [0, 0, 0, 1]), picked("x", [1, 1, 1, 0]))
    seen = classes(facts(book(), each("h", 4, *terms, act=act)))
    assert seen[0] == seen[1] == seen[3] != seen[2]
