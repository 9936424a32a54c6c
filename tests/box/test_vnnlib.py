"""What is read of VNN-LIB, and errors that name the line."""

from __future__ import annotations

import pytest

from lumpcli.box import parse_vnnlib
from lumpcli.errors import UsageError

HEAD = """; a property
(declare-const X_0 Real)
(declare-const X_1 Real)
(declare-const Y_0 Real)
"""


def test_both_sides_conjunctions_comments_and_outputs() -> None:
    text = HEAD + (
        "(assert (and (<= X_0 2) (>= X_0 -1) ; both\n (and (<= -3 X_1))))\n"
        "(assert (>= (- 1.5) X_1))\n"
        "(assert (or (and (>= Y_0 1)) (and (<= Y_0 0))))\n"
        "(assert (<= X_0 7))"
    )
    lower, upper = parse_vnnlib(text)
    assert (lower.tolist(), upper.tolist()) == ([-1.0, -3.0], [2.0, -1.5])


def test_declarations_may_come_in_any_order() -> None:
    text = "(declare-const X_1 Real)(declare-const X_0 Real)(assert (and (<= 0 X_0) (<= X_0 1)))"
    lower, _ = parse_vnnlib(text + "(assert (and (<= 5 X_1) (<= X_1 6)))")
    assert lower.tolist() == [0.0, 5.0]


def test_brackets_may_be_deep() -> None:
    depth = 50_000
    text = HEAD + "(assert " + "(and " * depth + "(<= X_0 1)" + ")" * depth + ")"
    with pytest.raises(UsageError, match="X_0 no lower bound"):
        parse_vnnlib(text)


@pytest.mark.parametrize(
    ("claim", "line", "message"),
    [
        ("(assert (or (<= X_0 1) (<= X_0 2)))", 5, "disjunction"),
        ("\n(assert (and (<= X_0 1)\n (or (<= X_0 1))))", 7, "disjunction"),
        ("(assert (<= X_0 Y_0))", 5, "does not compare an input with a number"),
        ("(assert (<= X_0 X_1))", 5, "does not compare an input with a number"),
        ("(assert (<= (* 2 X_0) 1))", 5, "does not compare an input with a number"),
        ("(assert (<= X_0 1e999))", 5, "too large"),
        ("(assert (<= X_0 nan))", 5, "does not compare"),
        ("(assert (< X_0 1))", 5, "not understood"),
        ("(assert (= X_0 1))", 5, "not understood"),
        ("(assert (not (<= X_0 1)))", 5, "not understood"),
        ("(assert (<= X_0 1 2))", 5, "not understood"),
        ("(assert X_0)", 5, "not understood"),
        ("(assert (<= X_7 1))", 5, "X_7 is not declared"),
        ("(assert (<= X_0 1))\n(assert (>= X_0 2))", 6, "lower bound above"),
        ("\n\n(check-sat)", 7, "not understood"),
        ("(declare-const X_0 Real)", 5, "declared twice"),
        ("(declare-const X_9 Int)", 5, "not understood"),
        ("(declare-const X_999999999999 Real)", 5, "so many inputs"),
        ("(assert (<= X_0 1)", 5, "never closed"),
        ("(assert (<= X_0 1)))", 5, "without an opening"),
        ("assert", 5, "outside brackets"),
        ("(and)", 5, "not understood"),
    ],
)
def test_what_is_not_understood_is_an_error_with_its_line(
    claim: str, line: int, message: str
) -> None:
    with pytest.raises(UsageError, match=rf"p\.vnnlib, line {line}: .*{message}"):
        parse_vnnlib(HEAD + claim, "p.vnnlib")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(declare-const X_1 Real)", "declares 1 inputs, but no X_0"),
        ("(declare-const X_0 Real)(assert (<= X_0 1))", "X_0 no lower bound"),
        ("(declare-const X_0 Real)(assert (>= X_0 1))", "X_0 no upper bound"),
    ],
)
def test_every_input_has_two_bounds(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_vnnlib(text)
