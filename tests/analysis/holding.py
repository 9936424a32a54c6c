"""Whether facts are true: at random rational points, on every layer, over fractions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

from lumpcli.analysis import CONSTANT, LayerValues, Values, values_of
from lumpcli.ir import Net, Symmetry
from lumpcli.ir.shift import Shift
from tests.computed import evaluate, points


def violations(made: Net, values: Values, rng: np.random.Generator) -> list[str]:
    """The features for which `x = ratio * V[class] + offset` fails at some point."""
    found = []
    for _ in range(2):
        x = evaluate(made, points(made, rng))
        value_of: Mapping[int, object] = {}
        for layer in made.layers:
            facts = values[layer.name]
            for i, label in enumerate(facts.class_of.tolist()):
                now = x[layer.name][i] - values.offset(layer.name, i)
                if label == CONSTANT:
                    if facts.ratio[i] or any(now):
                        found.append(f"{layer.name}[{i}] is not {values.offset(layer.name, i)}")
                    continue
                value = now / facts.ratio[i]
                if not np.array_equal(value_of.setdefault(label, value), value):
                    found.append(f"{layer.name}[{i}] is not in class {label}")
    return found


def facts_on(made: Net, name: str) -> list[tuple[int, object, object]]:
    """Class, ratio and offset per feature of a layer; the facts are checked on the way."""
    values = values_of(made)
    assert violations(made, values, np.random.default_rng(0)) == []
    facts = values[name]
    offsets = [values.offset(name, i) for i in range(made[name].width)]
    return list(zip(facts.class_of.tolist(), facts.ratio, offsets, strict=True))


def partition(made: Net, name: str) -> list[list[int]]:
    """The features of a layer by class; constants are left out."""
    found: dict[int, list[int]] = {}
    for i, (label, _, _) in enumerate(facts_on(made, name)):
        if label != CONSTANT:
            found.setdefault(label, []).append(i)
    return sorted(found.values())


def allowed(symmetry: Symmetry, r: Fraction) -> bool:
    """Whether rows may differ by this ratio."""
    if symmetry is Symmetry.NONE:
        return r == 1
    if symmetry in (Symmetry.ODD, Symmetry.EVEN, Symmetry.POINT):
        return abs(r) == 1
    return r > 0 or symmetry is not Symmetry.HOMOGENEOUS


def ratio_of(left: Sequence[Fraction], right: Sequence[Fraction]) -> Fraction | None:
    """The r with left = r * right, over the rationals; None when there is none."""
    if not any(left) or not any(right):
        return Fraction(1) if not any(left) and not any(right) else None
    k = next(i for i, v in enumerate(right) if v)
    r = left[k] / right[k]
    return r if r and all(a == r * b for a, b in zip(left, right, strict=True)) else None


def plain(n: int) -> LayerValues:
    """Facts on a source whose features are all different."""
    return LayerValues(np.arange(n), (Fraction(1),) * n, (Shift(),) * n)
