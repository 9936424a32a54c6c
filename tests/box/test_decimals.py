"""Decimals become bounds on the safe side, and the float32 nearest to them is inside."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumpcli.box.decimals import is_number, lower_bound, upper_bound
from lumpcli.errors import UsageError

NUMBERS = st.from_regex(r"-?[0-9]{1,12}(\.[0-9]{1,25})?(e-?[0-9]{1,2})?", fullmatch=True).filter(
    lambda text: abs(float(text)) < 1e38
)


@given(NUMBERS)
def test_bounds_contain_the_decimal_and_its_nearest_float32(text: str) -> None:
    lower, upper = lower_bound(text), upper_bound(text)
    assert Fraction(lower) <= Fraction(text) <= Fraction(upper)
    assert lower <= float(np.float32(text)) <= upper
    assert upper - lower <= abs(float(text)) * 2.0**-23 + 2.0**-149


@pytest.mark.parametrize("text", ["0.5", "-3", "0.0", "1e3", "+2.25", ".5", "2."])
def test_what_float32_represents_stays_as_it_is(text: str) -> None:
    assert lower_bound(text) == upper_bound(text) == float(text)


def test_a_tenth_is_widened_to_its_float32_on_one_side_only() -> None:
    nearest = float(np.float32(0.1))
    assert nearest > 0.1
    assert upper_bound("0.1") == nearest
    assert Fraction(lower_bound("0.1")) < Fraction(1, 10)
    assert lower_bound("0.1") == np.nextafter(0.1, 0.0)


def test_halfway_between_two_float32_both_are_inside() -> None:
    text = "1.000000059604644775390625"  # 1 + 2^-24
    assert (lower_bound(text), upper_bound(text)) == (1.0, 1.0 + 2.0**-23)


def test_beyond_float32_only_float64_counts() -> None:
    assert lower_bound("1e300") <= 1e300 <= upper_bound("1e300") < np.inf


@pytest.mark.parametrize(
    "text",
    [
        *("nan", "inf", "1e400", "", "0x10", "1_0", "1,0", "--1", "1e", "٣"),
        *("1" * 1001, "1e-99999999999999999999"),
    ],
)
def test_other_texts_are_no_bounds(text: str) -> None:
    with pytest.raises(UsageError, match=r"decimal number|too large"):
        lower_bound(text)


def test_words_are_no_numbers() -> None:
    assert [is_number(t) for t in ("1.5", "-2e-3", "X_0", "1.5.2")] == [True, True, False, False]
