"""Steps by which linear features go: true ones hold, and each way to lie is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from lumpcli.analysis import Grants, values_of
from lumpcli.api.certifying import _facts
from lumpcli.certify.facts import facts_of
from lumpcli.ir import SUM, Activation, Candidate, Linear, Net, Unit, apply_linear
from lumpcli.passes import linear_steps
from lumpcli.proofs import Refused, check_linear
from tests.computed import evaluate, outputs, points, same
from tests.nets import LEAKY, LINEAR, RELU, dense, each, net, source

GELU, ONE = Activation("Gelu", ("none",)), Fraction(1)


def hidden(rows, bias, act=RELU, out=((1, 2, 3), (2, -1, 1)), first=None, **reader):
    """x -> (h, never negative, if `first`) -> f -> y."""
    n = len(rows[0])
    columns = [[*line, *[1] * len(rows)][: len(rows)] for line in out]
    layers = [source("x", n)]
    if first is not None:
        layers.append(dense("h", "x", np.eye(n), [1] * n, act=first))
    layers.append(dense("f", layers[-1].name, rows, bias, act=act))
    return net(*layers, dense("y", "f", columns, [1] * len(out), act=LINEAR, **reader))


def told(way, gone, whole=(), coefficients=(), inputs=(), units: Sequence[Unit] = ()) -> Linear:
    """A step on f; candidates are (feature, partner, ratio, slope)."""
    some = [
        tuple(Candidate(i, k, Fraction(r), Fraction(s)) for i, k, r, s in c) for c in (gone, whole)
    ]
    made = tuple(tuple(map(Fraction, row)) for row in coefficients)
    return Linear("f", way, some[0], some[1], made, tuple(inputs), tuple(units))


def proved(made: Net, step: Linear) -> Linear:
    """What the checker makes of a step of which it is told nothing that follows."""
    bare = [tuple(replace(c, ratio=Fraction(0), slope=Fraction(0)) for c in some)
            for some in (step.gone, step.whole)]  # fmt: skip
    units = tuple(replace(unit, gain=ONE) for unit in step.units)
    names = [layer.name for layer in made.layers]
    before = replace(made, layers=made.layers[: names.index(step.layer)])
    claims = _facts(made, values_of(made))
    known = {name: said for name, said in claims.items() if name in names[: len(before.layers)]}
    book, _ = facts_of(before, known, "exact")
    return check_linear(book, made, replace(step, gone=bare[0], whole=bare[1], units=units))


def equal(made: Net, step: Linear) -> bool:
    after, _ = apply_linear(made, step)
    inputs = points(made, np.random.default_rng(1))
    return same(outputs(made, evaluate(made, inputs)), outputs(after, evaluate(after, inputs)))


SUMMED = hidden([[1, 2], [3, 1], [4, 3]], [1, 2, 5], LINEAR)  # row 2 is the sum of the others
SUM_OF = told("rows", [(2, -1, 0, 1)], [(0, -1, 0, 1), (1, -1, 0, 1)], [(1, 1)])
PAIR = ((3, 0, 1, 1), (4, 1, 1, 1), (5, 2, 1, 1))  # each the opposite of one of the first three
HALF = [[1, 2], [3, -1], [-2, 2]]
PAIRS = hidden([*HALF, *(-np.array(HALF)).tolist()], [1, 2, 3, -1, -2, -3])
READ = told("readers", PAIR, inputs=[0], units=[Unit((3, 4))])
POSITIVE = hidden([*HALF, *(-np.array(HALF)).tolist()], [1, 2, 3, -1, -2, -3], first=RELU)
PASSED = told("sources", PAIR, inputs=[0, 1], units=[Unit((3,)), Unit((4,))])
ABOVE = hidden(
    [*HALF, *(-np.array(HALF)).tolist()],
    [1, 2, 3, -1, -2, -3],
    first=Activation("Clip", (-1.0, 1.0)),
)
SHIFTED = replace(PASSED, units=(Unit((3,), ONE), Unit((4,), ONE)))
LIFTED = told(
    "readers", PAIR, inputs=[SUM, 0, 1],
    units=[Unit((3,)), Unit((4,), lift=Fraction(3)), Unit((5,), lift=Fraction(3))],
)  # fmt: skip
ONE_OUT = hidden(
    [*HALF, *(-np.array(HALF)).tolist()], [1, 2, 3, -1, -2, -3], out=((1, 2, 3, 4, 5, 6),)
)


@pytest.mark.parametrize(
    ("made", "step"),
    [(SUMMED, SUM_OF), (POSITIVE, PASSED), (ABOVE, SHIFTED), (POSITIVE, LIFTED), (ONE_OUT, READ)],
    ids=["rows", "sources", "shifted", "lifted", "readers"],
)
def test_true_steps_are_proved_with_their_numbers(made, step):
    assert proved(made, step) == step
    assert equal(made, step)


@pytest.mark.parametrize("act", [RELU, LEAKY, GELU, LINEAR], ids=str)
@pytest.mark.parametrize("seed", range(6))
def test_what_the_pass_finds_is_proved(act, seed):
    rng = np.random.default_rng(seed)
    n, k, out = (int(v) for v in rng.integers([2, 4, 1], [5, 9, 5]))
    rows, bias = rng.integers(1, 5, (k, n)) * rng.choice([-1, 1], (k, n)), rng.integers(1, 5, k)
    twice = np.concatenate([rows, -rows]).tolist(), np.concatenate([bias, -bias]).tolist()
    made = hidden(
        *twice, act=act, out=rng.integers(1, 5, (out, 2 * k)), first=[None, RELU][seed % 2]
    )
    steps = linear_steps(made, Grants("exact")).taken
    for step in steps:
        assert proved(made, step) == step
        made, _ = apply_linear(made, step)
    assert steps


def but(step: Linear, unit: int, **changes) -> Linear:
    units = list(step.units)
    units[unit] = replace(units[unit], **changes)
    return replace(step, units=tuple(units))


TWICE = hidden([[1, 2], [-2, -4], [1, -1]], [1, -2, 0], GELU)
BENT = hidden([[1, 2], [-1, -3], [1, -1]], [1, -1, 0])
OFF = hidden([[1, 2], [-1, -2], [1, -1]], [1, float(np.nextafter(np.float32(-1), 0)), 0])
LIES = {
    "no sign": (BENT, told("readers", [(0, -1, 0, 1)], inputs=[0, 1], units=[]), "may not be lin"),
    "other rows": (BENT, told("sources", [(1, 0, 1, 1)]), "not the opposite"),
    "an ulp": (OFF, told("sources", [(1, 0, 1, 1)]), "not the opposite"),
    "GELU twice": (TWICE, told("sources", [(1, 0, 2, 1)]), "not the opposite"),
    "coefficient": (SUMMED, replace(SUM_OF, coefficients=((ONE, Fraction(2)),)), "not that combi"),
    "wide": (SUMMED, replace(SUM_OF, coefficients=((ONE, 1 + Fraction(1, 3**50000)),)), "too long"),
    "shift": (ABOVE, but(SHIFTED, 0, shift=1 - Fraction(1, 2**20)), "in place of 3 may be neg"),
    "no shift": (ABOVE, PASSED, "in place of 3 may be negative"),
    "not stored": (ABOVE, but(SHIFTED, 0, shift=1 + Fraction(1, 2**40)), "no stored number is"),
    "lift": (POSITIVE, but(LIFTED, 1, lift=ONE), "in place of 4 may be negative"),
    "nearly": (
        POSITIVE,
        but(LIFTED, 1, lift=3 - Fraction(1, 2**20)),
        "in place of 4 may be negative",
    ),
    "lifted sum": (POSITIVE, but(LIFTED, 0, lift=ONE), "no unit is the sum"),
    "two sums": (
        POSITIVE,
        replace(LIFTED, inputs=(SUM, SUM, 0), units=(*LIFTED.units[:1], Unit((4,)), Unit((5,)))),
        "do not pass on all",
    ),
    "no sum": (
        POSITIVE,
        replace(LIFTED, inputs=(0, 1), units=(Unit((3,), lift=ONE), Unit((4,), lift=ONE))),
        "no unit is the sum",
    ),
    "shifted pair": (ONE_OUT, but(READ, 0, shift=ONE), "a pair is not shifted"),
    "three": (ONE_OUT, but(READ, 0, slots=(3, 4, 5)), "slots are no pair"),
    "one input": (
        POSITIVE,
        replace(PASSED, inputs=(0,), units=PASSED.units[:1]),
        "do not pass on all",
    ),
    "an input twice": (POSITIVE, replace(PASSED, inputs=(0, 0)), "not pass on all"),
    "one place": (POSITIVE, but(PASSED, 1, slots=(3,)), "two units are in one place"),
    "a kept place": (POSITIVE, but(PASSED, 1, slots=(0,)), "in the place of what stays"),
    "partner": (PAIRS, replace(READ, gone=(*READ.gone, Candidate(0, 3, ONE, ONE))), "goes, too"),
    "twice": (
        SUMMED,
        replace(SUM_OF, gone=SUM_OF.gone * 2, coefficients=((ONE, ONE),) * 2),
        "a feature goes twice",
    ),
    "too many": (SUMMED, told("rows", [(3, -1, 0, 1)], coefficients=[()]), "has no feature 3"),
    "all": (SUMMED, told("readers", [(i, -1, 0, 1) for i in range(3)]), "no feature stays"),
    "Tanh": (
        hidden([[1, 2], [-1, -2], [1, 1]], [1, -1, 0], Activation("Tanh")),
        told("sources", [(1, 0, 1, 1)]),
        "no opposite by its function",
    ),
    "GELU alone": (
        hidden([*HALF, *(-np.array(HALF)).tolist()], [0] * 6, GELU, first=RELU),
        PASSED,
        "a unit is never linear",
    ),
    "padded": (hidden([[1], [2]], [1, 2], LINEAR, term={"padded": True}), SUM_OF, "beside the"),
    "moved": (
        hidden([[1], [2], [3]], [1, 2, 3], LINEAR, term={"via": "flip"}),
        told("readers", [(i, -1, 0, 1) for i in (0, 1)], inputs=[0, 1]),
        "units are of one position",
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_lies_are_refused(name):
    made, step, reason = LIES[name]
    with pytest.raises(Refused, match=reason):
        proved(made, step)


@pytest.mark.parametrize("name", ["other rows", "coefficient", "no shift", "lift"])
def test_lies_would_matter(name):
    made, step, _ = LIES[name]
    assert not equal(made, step)


def test_layers_that_others_need():
    for options, reason in (
        ({"pinned": "read whole"}, "an output, or pinned"),
        ({"bias_scale": Fraction(2)}, "plain matrices"),
    ):
        layers = [replace(a, **options) if a.name == "f" else a for a in SUMMED.layers]
        with pytest.raises(Refused, match=reason):
            proved(replace(SUMMED, layers=tuple(layers)), SUM_OF)
    skip = net(*SUMMED.layers, each("z", 3, "f"))
    with pytest.raises(Refused, match="plain matrices"):
        proved(skip, SUM_OF)
    other = net(*POSITIVE.layers, dense("z", "f", [[1] * 6], act=LINEAR))
    with pytest.raises(Refused, match="several readers"):
        proved(other, LIFTED)
