from __future__ import annotations

from fractions import Fraction

import numpy as np

from lumpcli.analysis import CONSTANT, LayerValues, Values
from lumpcli.ir.shift import Shift

THIRD = Fraction(1, 3)


def test_a_constant_is_known_exactly_or_to_float64():
    odd = Shift(Fraction(5), ((4, Fraction(2)),))
    ratio = (Fraction(0), Fraction(1), Fraction(0), Fraction(3))
    classes = np.array([CONSTANT, 3, CONSTANT, 3])
    facts = LayerValues(classes, ratio, (Shift(THIRD), Shift(), odd, odd))
    values = Values({"h": facts}, {4: 0.25}, False)
    assert values["h"] is facts
    assert values.constant("h", 0) == THIRD
    assert values.constant("h", 1) is None
    assert values.constant("h", 2) == Fraction(11, 2)
    assert values.constant("h", 3) is None
    assert values.constant("h", 2, rational=True) is None
    assert values.constant("h", 0, rational=True) == THIRD
    assert [values.offset("h", i) for i in range(4)] == [THIRD, 0, Fraction(11, 2), Fraction(11, 2)]
    assert [values.is_rational("h", i) for i in range(4)] == [True, True, False, False]
