"""Functions lie within their ranges and between their lines, everywhere."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lumpcli.bounds.activations import FUNCTIONS, RELU, _clip, _elu
from lumpcli.bounds.functions import Function, Piecewise
from lumpcli.bounds.rounding import Arithmetic, Array, Range

LEAKY = Piecewise(lambda z: np.where(z > 0, z, 0.1 * np.minimum(z, 0.0)), (0.0,), (0.1, 1.0))
STEEP = Piecewise(lambda z: np.where(z > 0, z, 1.5 * np.minimum(z, 0.0)), (0.0,), (1.5, 1.0))
ALL: dict[str, Function] = {
    **FUNCTIONS,
    "Leaky": LEAKY,
    "Steep": STEEP,
    "Clip": _clip(-0.5, 0.75),
    "Relu6": _clip(0.0, 6.0),
    "Elu": _elu(1.0),
    "Elu, steep": _elu(2.5),
}


def _ranges(seed: int, count: int = 200) -> Range:
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.uniform(-6, 1.3, count)
    ends = np.sort(rng.normal(size=(2, 1, count)) * scale, axis=0)
    ends[:, :, :10] = 0.0
    ends[1, :, 10:20] = ends[0, :, 10:20]
    ends[0, :, 20:30] = 0.0
    return Range(np.minimum(*ends), np.maximum(*ends))


def _inside(source: Range, places: int = 101) -> Array:
    share = np.linspace(0, 1, places)[:, None]
    return np.clip(source.lower + share * (source.upper - source.lower), source.lower, source.upper)


@pytest.mark.parametrize("name", ALL)
def test_values_lie_within_range_and_lines(name: str) -> None:
    function = ALL[name]
    for seed in range(5):
        source = _ranges(seed)
        z = _inside(source)
        y, own, lines = function.value(z), function.bound(source), function.lines(source)
        slack = 1e-14 * (np.abs(y) + np.abs(z))  # of this test's own arithmetic
        assert (own.lower - slack <= y).all()
        assert (y <= own.upper + slack).all()
        assert (lines.low_slope * z + lines.low <= y + slack).all()
        assert (lines.high_slope * z + lines.high >= y - slack).all()


@pytest.mark.parametrize("name", ["Relu", "Abs", "Clip", "Relu6", "Leaky", "Steep"])
def test_lines_of_piecewise_functions_hold_exactly(name: str) -> None:
    function = ALL[name]
    assert isinstance(function, Piecewise)
    source = _ranges(9, 60)
    lines = function.lines(source)
    for j in range(60):
        ends = [
            source.lower[0, j],
            source.upper[0, j],
            *np.clip(function.kinks, source.lower[0, j], source.upper[0, j]),
        ]
        for z in ends:
            y = _exact(name, Fraction(float(z)))
            low, high = (
                Fraction(slope[0, j]) * Fraction(float(z)) + Fraction(offset[0, j])
                for slope, offset in (
                    (lines.low_slope, lines.low),
                    (lines.high_slope, lines.high),
                )
            )
            assert low <= y <= high


def _exact(name: str, z: Fraction) -> Fraction:
    cut = {"Clip": (Fraction(-1, 2), Fraction(3, 4)), "Relu6": (Fraction(0), Fraction(6))}
    if name in cut:
        return min(max(z, cut[name][0]), cut[name][1])
    slope = {"Relu": 0.0, "Abs": -1.0, "Leaky": 0.1, "Steep": 1.5}[name]
    return z if z > 0 else Fraction(slope) * z


@pytest.mark.parametrize("name", [n for n in ALL if n not in ("Floor", "Ceil", "Sign")])
def test_lines_are_near_on_narrow_ranges(name: str) -> None:
    centre = np.array([[-1.0, -0.2, 0.3, 1.2]])
    lines = ALL[name].lines(Range(centre - 1e-4, centre + 1e-4))
    y = ALL[name].value(centre)
    assert lines.low_slope * centre + lines.low == pytest.approx(y, abs=5e-4)
    assert lines.high_slope * centre + lines.high == pytest.approx(y, abs=5e-4)


@pytest.mark.parametrize("name", ["Relu", "Abs", "Leaky"])
def test_every_free_slope_is_below_the_function(name: str) -> None:
    source = _ranges(3)
    free = ALL[name].free(source)
    assert free is not None
    assert free.chosen.sum() > 20
    for share in (0.0, 0.3, 1.0):
        slope = free.least + share * (free.most - free.least)
        z = _inside(source)
        above = ALL[name].value(z) - slope * z
        assert (above[:, free.chosen[0]] >= -1e-15 * np.abs(z[:, free.chosen[0]])).all()


def test_a_concave_kink_has_no_free_lower_slope() -> None:
    free = STEEP.free(_ranges(0))
    assert free is not None
    assert not free.chosen.any()


def test_a_stable_relu_is_a_line() -> None:
    lines = RELU.lines(Range(np.array([[1.0, -3.0]]), np.array([[2.0, -1.0]])))
    assert lines.low_slope.tolist() == lines.high_slope.tolist() == [[1.0, 0.0]]
    assert np.abs(lines.low).max() < 1e-14
    assert (lines.low[0, 1], lines.high[0, 1]) == (0.0, 0.0)


@pytest.mark.parametrize("name", ALL)
def test_infinite_ranges_have_no_nan(name: str) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        own = ALL[name].bound(Range(np.array([[-np.inf, 0.0]]), np.array([[0.0, np.inf]])))
    assert not np.isnan(own.lower).any()
    assert not np.isnan(own.upper).any()
    assert (own.lower <= own.upper).all()


def test_float32_is_free_in_functions_that_are_not_exact() -> None:
    source, float32 = _ranges(1), Arithmetic(float32=True)
    assert np.isinf(FUNCTIONS["Tanh"].bound_in(source, float32).lower).all()
    leaky, real = LEAKY.bound_in(source, float32), LEAKY.bound(source)
    assert (leaky.lower < real.lower).all()
    assert (leaky.upper > real.upper).all()


@pytest.mark.parametrize("name", ["Exp", "Softplus", "Sigmoid"])
def test_what_underflows_is_still_above_zero(name: str) -> None:
    far = np.array([[-2000.0]])
    assert ALL[name].bound(Range(far, far)).upper > 0
    assert ALL[name].lines(Range(far, far)).high > 0


@pytest.mark.parametrize("name", ["Tanh", "Erf", "Softsign", "Elu", "Relu", "Leaky"])
def test_functions_through_zero_keep_signs(name: str) -> None:
    zero, one = np.zeros((1, 1)), np.ones((1, 1))
    assert ALL[name].bound(Range(zero, one)).lower == 0
    assert ALL[name].bound(Range(-one, zero)).upper == 0


def test_a_leaky_slope_times_next_to_nothing_is_not_zero() -> None:
    tiny = np.array([[-5e-324]])
    assert LEAKY.bound(Range(tiny, tiny)).lower < 0
