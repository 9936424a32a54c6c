"""Facts on a feature at other positions: what of its ratio, its offset, its constants is left."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lumpcli.analysis import CONSTANT
from lumpcli.analysis.moved import Sum, gathered, read
from lumpcli.analysis.numbering import Numbering
from lumpcli.ir import Moments, Symmetry, Term
from lumpcli.ir.shift import ZERO, Shift

F = Fraction
LABEL = 0  # of a class that varies
FIVE = Shift(F(5))


def _numbering():
    numbering = Numbering()
    assert numbering.fresh() == LABEL
    return numbering


def _term(via="p", **more):
    return Term("h", None, diagonal=True, via=via, **more)


def _one(found: Sum) -> tuple[int, Fraction, Shift]:
    """A sum of one class."""
    ((label, weight),) = found.row.items()
    return label, weight, found.bias


def _moved(numbering, term, ratio=1, offset=ZERO, label=LABEL, feature=0, tap=0):
    return read(numbering, term, feature, tap, (label, F(ratio), offset))


def _constant(numbering, term, offset):
    return read(numbering, term, 0, 0, (CONSTANT, F(0), offset))


def test_nothing_moves():
    found = _moved(_numbering(), _term(""), 3, FIVE)
    assert _one(found) == (LABEL, 3, FIVE)
    assert _constant(_numbering(), _term(""), FIVE) == Sum({}, FIVE)


def test_linear_ways_hand_on_ratios_and_offsets():
    numbering = _numbering()
    first, second = (_one(_moved(numbering, _term(), r, FIVE)) for r in (1, -3))
    assert first[0] == second[0] != LABEL
    assert (first[1:], second[1:]) == ((1, FIVE), (-3, FIVE))
    assert _constant(numbering, _term(), FIVE) == Sum({}, FIVE)


def test_another_way_another_tap_or_another_feature_is_another_class():
    numbering = _numbering()
    seen = [
        _one(_moved(numbering, _term())),
        _one(_moved(numbering, _term(), tap=1)),
        _one(_moved(numbering, _term("q"))),
        _one(_moved(numbering, _term(), label=numbering.fresh())),
    ]
    assert len({label for label, _, _ in seen}) == 4
    assert _one(_moved(numbering, _term(), tap=1)) == seen[1]


def test_the_tap_may_differ_by_feature():
    numbering = _numbering()
    term = _term(at=np.array([1, 0, 1]))
    first, other, again = (_one(_moved(numbering, term, feature=i)) for i in range(3))
    assert first == again
    assert first != other
    assert other == _one(_moved(numbering, _term()))


def test_constants_behind_padding_are_multiples_of_one():
    numbering, padded = _numbering(), _term(padded=True)
    first, second = (_one(_constant(numbering, padded, Shift(F(c)))) for c in (5, -10))
    assert first[0] == second[0]
    assert (first[1:], second[1:]) == ((5, ZERO), (-10, ZERO))
    assert _constant(numbering, padded, ZERO) == Sum()
    # of a feature that varies, the offset is padded too
    both = _moved(numbering, padded, 3, FIVE)
    assert both.row[first[0]] == 5
    assert sorted(both.row.values()) == [3, 5]
    assert not both.bias


def test_constants_behind_padding_depend_on_the_image():
    numbering = _numbering()
    small, large = (_term(padded=True, image=image) for image in ("[4, 4]", "[8, 8]"))
    assert _one(_constant(numbering, small, FIVE))[0] != _one(_constant(numbering, large, FIVE))[0]


def test_irrational_constants_behind_padding():
    """Each is a class of its own, whose value is not known any more."""
    numbering = _numbering()
    root = numbering.fresh()
    numbering.known[root] = 1.5
    found = _constant(numbering, _term(padded=True), Shift(F(2), ((root, F(3)),)))
    assert sorted(found.row.values()) == [2, 3]
    assert not set(found.row) & set(numbering.known)
    plain = Shift(F(2), ((root, F(3)),))
    assert _constant(numbering, _term(), plain) == Sum({}, plain)


@pytest.mark.parametrize(
    ("symmetry", "ratio", "same"),
    [
        (Symmetry.HOMOGENEOUS, 3, 3),
        (Symmetry.HOMOGENEOUS, -3, None),
        (Symmetry.ABSOLUTE, 3, 3),
        (Symmetry.ABSOLUTE, -3, 3),
        (Symmetry.NONE, 3, None),
        (Symmetry.NONE, -1, None),
        (Symmetry.NONE, 1, 1),
    ],
)
@pytest.mark.parametrize("padded", [False, True])
def test_functions_of_positions_hand_on_some_ratios(symmetry, ratio, same, padded):
    numbering, term = _numbering(), _term(symmetry=symmetry, padded=padded)
    first, second = (_one(_moved(numbering, term, r)) for r in (1, ratio))
    assert (first[0] == second[0]) == (same is not None)
    if same is not None:
        assert second[1] == same * first[1]


def test_a_maximum_hands_on_offsets_but_not_behind_padding():
    numbering, term = _numbering(), _term(symmetry=Symmetry.HOMOGENEOUS)
    plain, shifted = _one(_moved(numbering, term)), _one(_moved(numbering, term, 2, FIVE))
    assert shifted == (plain[0], 2, FIVE)
    padded = _term("q", symmetry=Symmetry.HOMOGENEOUS, padded=True)
    plain, shifted, more = (_one(_moved(numbering, padded, r, o)) for r, o in (
        (1, ZERO), (2, FIVE), (4, Shift(F(10)))))  # fmt: skip
    assert plain[0] != shifted[0] == more[0]
    assert more[1] == 2 * shifted[1]
    assert not shifted[2]


def test_functions_that_know_nothing_of_offsets():
    numbering, term = _numbering(), _term(symmetry=Symmetry.NONE)
    plain, shifted = _one(_moved(numbering, term)), _one(_moved(numbering, term, 1, FIVE))
    assert plain[0] != shifted[0]
    assert not shifted[2]
    assert _constant(numbering, term, FIVE) == Sum({}, FIVE)
    padded = _term("q", symmetry=Symmetry.NONE, padded=True)
    assert (
        _one(_constant(numbering, padded, FIVE))[0] != _one(_constant(numbering, padded, ZERO))[0]
    )


def test_magnitudes_of_constants():
    numbering, term = _numbering(), _term(symmetry=Symmetry.ABSOLUTE, padded=True)
    first, second = (_one(_constant(numbering, term, Shift(F(c)))) for c in (-2, 6))
    assert first[0] == second[0]
    assert (first[1], second[1]) == (2, 6)


# --- normalised


def _normal(mean, variance, epsilon=0):
    numbers = np.array([mean], "f4"), np.array([variance], "f4")
    return _term("", moments=Moments(*numbers, F(epsilon)))


def test_perfect_squares_stay_rational():
    found = _moved(_numbering(), _normal(2, 3, 1), 4, FIVE)
    assert _one(found) == (LABEL, 2, Shift(F(3, 2)))


def test_irrational_deviations_are_names():
    """Equal ones are the same name; another one of the same class is another one."""
    numbering = _numbering()
    first, again, other = (_moved(numbering, _normal(1, v), 4, FIVE) for v in (2, 2, 3))
    assert first == again
    assert set(first.row) != set(other.row)
    ((label, weight),) = first.row.items()
    assert weight == 4
    assert label != LABEL
    ((name, coefficient),) = first.bias.parts
    assert coefficient == 4  # 5 - 1
    assert numbering.known[name] == pytest.approx(2**-0.5, rel=1e-15)


def test_normalised_constants():
    numbering = _numbering()
    assert _constant(numbering, _normal(5, 2), FIVE) == Sum()
    found = _constant(numbering, _normal(0, 4), FIVE)
    assert found == Sum({}, Shift(F(5, 2)))
    root = numbering.fresh()
    numbering.known[root] = 1.5
    found = _constant(numbering, _normal(0, 2), Shift(F(0), ((root, F(3)),)))
    ((name, coefficient),) = found.bias.parts
    assert coefficient == 3
    assert numbering.known[name] == pytest.approx(1.5 * 2**-0.5, rel=1e-15)


def test_the_epsilon_counts():
    numbering = _numbering()
    first = _moved(numbering, _normal(0, 2, F(1, 2)))
    assert first == _moved(numbering, _normal(0, 1.5, 1))
    assert first != _moved(numbering, _normal(0, 2, 1))


# --- made of one feature per position


def test_features_gathered_from_others():
    numbering = _numbering()
    other = numbering.fresh()
    term = _term("u", select=np.arange(2).reshape(1, 2))
    twice = gathered(numbering, term, [(LABEL, F(2), FIVE), (other, F(4), FIVE)])
    once = gathered(numbering, term, [(LABEL, F(1), ZERO), (other, F(2), ZERO)])
    assert set(twice.row) == set(once.row)
    assert sorted(twice.row.values()) == [2, 4]
    assert (twice.bias, once.bias) == (FIVE, ZERO)
    swapped = gathered(numbering, term, [(other, F(2), ZERO), (LABEL, F(1), ZERO)])
    assert not set(swapped.row) & set(once.row)


def test_constants_gathered_from_others():
    """All alike they are one; else each is one at its own positions, and zero elsewhere."""
    numbering = _numbering()
    term = _term("u", select=np.arange(2).reshape(1, 2))
    alike = gathered(numbering, term, [(CONSTANT, F(0), FIVE)] * 2)
    assert alike == Sum({}, FIVE)
    apart = gathered(numbering, term, [(CONSTANT, F(0), FIVE), (CONSTANT, F(0), Shift(F(7)))])
    assert sorted(apart.row.values()) == [5, 7]
    assert not apart.bias
