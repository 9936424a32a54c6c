from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from lumpcli.ir.shift import ZERO, Shift

LAW = settings(max_examples=100, deadline=None, derandomize=True, database=None)
KNOWN = {1: 0.3, 2: -1.7, 5: 2.0**-40}
numbers = st.fractions(min_value=-9, max_value=9, max_denominator=9)
shifts = st.builds(Shift.of, numbers, st.dictionaries(st.sampled_from(list(KNOWN)), numbers))


@given(shifts, shifts, numbers)
@LAW
def test_arithmetic_is_that_of_the_numbers(a, b, factor):
    x, y = a.near(KNOWN), b.near(KNOWN)
    assert (a + b).near(KNOWN) == x + y
    assert (a - b).near(KNOWN) == x - y
    assert (a * factor).near(KNOWN) == factor * x


@given(shifts, shifts)
@LAW
def test_equal_shifts_are_equal_however_they_were_made(a, b):
    assert a + b == b + a
    assert hash(a + b) == hash(b + a)
    assert (a + b) - b == a
    assert a - a == ZERO
    assert a * Fraction(0) == ZERO
    assert bool(a) == (a != ZERO)


def test_zeros_leave_no_parts():
    assert Shift.of(Fraction(0), {1: Fraction(0)}) == ZERO
    assert not ZERO
    both = Shift.of(Fraction(1), {2: Fraction(3), 1: Fraction(1)})
    assert both.parts == ((1, 1), (2, 3))
    assert (both - Shift.of(Fraction(0), {2: Fraction(3)})).parts == ((1, 1),)
