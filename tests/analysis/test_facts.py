from __future__ import annotations

from fractions import Fraction

import numpy as np

from lumpcli.analysis import CONSTANT, LayerValues, Values


def test_a_constant_is_known_exactly_or_to_float64():
    ratio = (Fraction(0), Fraction(1), Fraction(2))
    facts = LayerValues(
        np.array([CONSTANT, 3, 4]), ratio, (Fraction(1, 3), Fraction(0), Fraction(5))
    )
    values = Values({"h": facts}, {4: 0.25})
    assert values["h"] is facts
    assert values.constant("h", 0) == Fraction(1, 3)
    assert values.constant("h", 1) is None
    assert values.constant("h", 2) == Fraction(11, 2)
    assert values.constant("h", 2, rational=True) is None
    assert values.constant("h", 0, rational=True) == Fraction(1, 3)
