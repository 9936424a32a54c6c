"""Bounds on what rounding does, against the exact values of original and reduced networks."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from lumpcli.analysis import EXACT, Deviation, Grants, deviations
from lumpcli.ir import Activation, Join, Layer, Net, Symmetry, Term, clip
from lumpcli.pipeline import plan
from tests.computed import Values, evaluate, points
from tests.mixed import mixed_net
from tests.nets import (
    ABS,
    LEAKY,
    LINEAR,
    RELU,
    SIGN,
    array,
    dense,
    each,
    join,
    net,
    source,
    times,
)

HALVES = np.dtype(np.float16)
ONE_CUT = ("constant", "unread", "lumping")  # bounds are about what one cut rounds


def planted(rng: np.random.Generator, depth: int = 5) -> Net:
    """Layers in float16 of which features 0 and 2, 1 and 3 are multiples: their columns are summed.

    Three times a row is exact; a sum of columns, of one and three times another, often is not.
    """
    layers, reads = [source("x", 4)], ["x"]
    for k in range(depth):
        base = rng.integers(400, 683, (2, 4)) * rng.choice([1, -1], (2, 4)) / 512
        bias = rng.integers(-512, 512, 2) / 512
        name, act = f"h{k}", (RELU, LINEAR, ABS, LEAKY)[int(rng.integers(4))]
        rows, biases = (array([*b, 3 * b[0], b[1]], HALVES) for b in (base, bias))
        layers.append(dense(name, reads[-1], rows, biases, act, HALVES))
        reads.append(name)
        kind = rng.choice(["Mul", "Max", "Add", "pool", ""]) if k else ""
        if kind == "Add":
            layers.append(each(f"s{k}", 4, *reads[-2:], act=RELU))
        elif kind == "pool":
            term = Term(name, None, diagonal=True, via="pool", symmetry=Symmetry.HOMOGENEOUS)
            layers.append(Layer(f"s{k}", 4, (term,)))
        elif kind:
            layers.append(join(f"s{k}", 4, *reads[-2:], function=str(kind)))
        reads += [f"s{k}"] * bool(kind)
    rows = array(rng.integers(-2047, 2048, (2, 4)) / 512, HALVES)
    return net(*layers, dense("y", reads[-1], rows, [1, 0.5], LINEAR, HALVES))


def without_cancelling(made: Net) -> Net:
    """Every number by its magnitude, functions as on positive numbers: what computes the scale."""
    return replace(made, layers=tuple(map(_magnitude, made.layers)))


def _magnitude(layer: Layer) -> Layer:
    act = layer.activation
    grows = act.slopes is None or act.slopes.size == 0 or np.abs(act.slopes).max() <= 1
    assert grows
    assert act.name in ("Identity", "Relu", "Abs", "LeakyRelu", "PRelu", "Clip")
    terms = tuple(replace(_positive(t), scale=abs(t.scale)) for t in layer.terms)
    bias = None if layer.bias is None else abs(layer.bias)
    more = {"function": layer.function.replace("Min", "Max")} if isinstance(layer, Join) else {}
    return replace(layer, terms=terms, bias=bias, activation=Activation(), **more)


def _positive(term: Term) -> Term:
    weight = None if term.weight is None else abs(term.weight)
    moments = term.moments
    if moments is not None:
        moments = replace(moments, mean=-abs(moments.mean))
    return replace(term, weight=weight, moments=moments)


def changes(made: Net, rng: np.random.Generator) -> tuple[int, int]:
    """How many outputs have a bound that is not 0, and how many are further off than it allows."""
    done = plan(made, Grants("exact"), ONE_CUT)
    assert not done.quotient.merges
    bounds = deviations(done.reduced, done.rounding.inexact)
    inputs = points(made, rng)
    scale = evaluate(without_cancelling(done.reduced), _magnitudes(inputs))
    before, after = evaluate(made, inputs), evaluate(done.reduced, inputs)
    bounded = wrong = 0
    for output in made.outputs:
        bound = bounds[output.layer]
        if bound.unbounded is None:
            allowed = Fraction(bound.relative) * scale[output.layer]
            bounded += bound.relative > 0
            apart = abs(after[output.layer] - before[output.layer])
            wrong += bool((apart > allowed).any())
    return bounded, wrong


def _magnitudes(values: Values) -> Values:
    return {name: abs(x) for name, x in values.items()}


def test_no_output_is_further_off():
    rng = np.random.default_rng(5)
    bounded = 0
    for _ in range(150):
        some, wrong = changes(planted(rng), rng)
        assert not wrong
        bounded += some
    assert bounded > 100


def test_layers_of_every_kind():
    """Nets of all terms there are; few of them need rounding."""
    rng = np.random.default_rng(5)
    assert not any(changes(mixed_net(rng), rng)[1] for _ in range(50))


def chain(depth: int, act: Activation = RELU) -> Net:
    """Each reader's folded weight is 1 + 2**-11, half a unit of float16 above what is stored."""
    layers: list[Layer] = [source("x", 1)]
    for k in range(depth):
        row = [[1]] if k == 0 else [[1, 2.0**-11]]
        layers.append(dense(f"h{k}", layers[-1].name, row * 2, None, act, HALVES))
    return net(*layers, dense("y", layers[-1].name, [[1, 2.0**-11]], None, LINEAR, HALVES))


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_the_bound_is_reached(depth):
    """Each number is off by all that it may be: less would not do."""
    made = chain(depth)
    done = plan(made, Grants("exact"), ONE_CUT)
    bound = deviations(done.reduced, done.rounding.inexact)["y"]
    assert bound.roundings == depth
    true = (1 + Fraction(1, 2**11)) ** depth - 1
    assert true <= Fraction(bound.relative) <= true * (1 + Fraction(1, 2**45))
    x = {"x": np.full((1, 3), Fraction(5))}
    before, after = evaluate(made, x)["y"], evaluate(done.reduced, x)["y"]
    scale = evaluate(without_cancelling(done.reduced), x)["y"]
    assert (before - after == true * scale).all()


def rounded_at(*layers: Layer, errors: dict[str, float] | None = None) -> Deviation:
    """The deviation of a net's output, the numbers of layer h being off by 1/8 of themselves."""
    made = net(*layers)
    return deviations(made, errors or {"h": 0.125})[made.outputs[0].layer]


def reader(*reads: str) -> Layer:
    return dense("y", list(reads), [[[1, 1]]] * len(reads), act=LINEAR)


X, H = source(), dense("h", "x", [[1, 2], [3, 4]])


def test_products_compound_and_sums_do_not():
    for function, relative in (("Mul", 17 / 64), ("Max", 0.125), ("Concat", 0.125)):
        found = rounded_at(X, H, join("m", 2, "h", "h", function=function), reader("m"))
        assert relative <= found.relative <= relative * (1 + 2.0**-40)
        assert found.roundings == (2 if function == "Mul" else 1)
    assert rounded_at(X, H, each("s", 2, "h", "x"), reader("s")) == Deviation(0.125, 1)


def moved_by(symmetry: Symmetry) -> Layer:
    return Layer("m", 2, (Term("h", None, diagonal=True, via="pool", symmetry=symmetry),))


@pytest.mark.parametrize("symmetry", [Symmetry.LINEAR, Symmetry.HOMOGENEOUS, Symmetry.ABSOLUTE])
def test_pools_and_norms_pass_a_bound_on(symmetry):
    assert rounded_at(X, H, moved_by(symmetry), reader("m")) == Deviation(0.125, 1)


STEERED = Layer("m", 2, (Term("h", None, diagonal=True, via="Gather", steered=True),))
UNSEEN = Layer("m", 2, pinned="not made by a layer")


@pytest.mark.parametrize(
    ("between", "why"),
    [
        (each("m", 2, "h", act=SIGN), "Sign of m"),
        (each("m", 2, "h", act=Activation("Exp")), "Exp of m"),
        (join("m", 2, "h", "x", function="Where [] []"), "Where m"),
        (join("m", 2, "x", "h", function="Div"), "Div m"),
        (moved_by(Symmetry.NONE), "m mixes positions"),
        (STEERED, "positions of m"),
        (UNSEEN, "what m depends on"),
    ],
)
def test_where_there_is_no_bound(between, why):
    found = rounded_at(X, H, between, reader("m"))
    assert found.relative == np.inf
    assert why in (found.unbounded or "")


def test_what_nothing_rounded_reaches_is_exact():
    """Steps, and tensors of which nothing is known, do no harm before the first rounding."""
    step = each("s", 2, "x", act=SIGN)
    late = dense("h", "m", [[1, 1], [1, 2]])
    assert rounded_at(X, step, UNSEEN, late, reader("h")) == Deviation(0.125, 1)
    assert rounded_at(X, step, H, reader("s")) == EXACT
    constant = Layer("c", 2, pinned="a constant")
    tie = each("t", 2, "x", times("h", 0))
    assert rounded_at(X, H, constant, tie, reader("t", "c")) == EXACT


def test_a_number_that_rounding_may_have_taken_whole():
    found = rounded_at(X, H, reader("h"), errors={"h": np.inf})
    assert "number of h" in (found.unbounded or "")


def test_clips_that_are_not_at_zero():
    """The scale of Clip(2, 3) starts at 2, which the change does not depend on."""
    assert rounded_at(X, H, each("m", 2, "h", act=clip(2.0, 3.0)), reader("m")).relative == 0.125
