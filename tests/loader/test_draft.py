"""Layers in the making; features that a Reshape spreads over several axes."""

from __future__ import annotations

import numpy as np
import pytest

from lumpcli.api import reduce
from lumpcli.ir import Activation, Join, Symmetry, Term
from lumpcli.loader import Stored, load
from lumpcli.loader.draft import Draft, DraftSite, Split, View, one_axis, settled, size_site
from tests.evaluate import disagreements
from tests.loader.checks import same_outputs, shrinks, stays, widths
from tests.models import build, integers, node, planted, weight

ROWS, BIAS = planted()
TWICE = [0, 0, 2, 4, 4, 5]  # of two groups of three features: the second equals the first
ONES = Term("", None, diagonal=True)


# --- drafts


def test_a_draft_is_named_after_its_last_tensor():
    source = Draft("x", 2, pinned="graph input")
    draft = Draft("h", 2, [(source, ONES)])
    draft.tensor, source.tensor = "r", "z"
    layer = draft.freeze()
    assert (layer.name, layer.terms[0].source) == ("r", "z")
    assert layer.activation == Activation()
    assert not isinstance(layer, Join)


def test_a_draft_with_a_function_is_a_join():
    source = Draft("x", 2)
    draft = Draft("h", 2, [(source, ONES), (source, ONES)], function="Max")
    draft.common, draft.tied, draft.listed = Symmetry.HOMOGENEOUS, np.array([3, 3]), False
    layer = draft.freeze()
    assert isinstance(layer, Join)
    assert (layer.function, layer.common) == ("Max", Symmetry.HOMOGENEOUS)
    assert (layer.tied.tolist(), layer.listed) == ([3, 3], False)


def test_what_may_still_grow():
    source = Draft("x", 2)
    assert not source.open
    dense = Draft("h", 2, [(source, Term("", np.ones((2, 2), "f4")))])
    assert dense.open
    dense.activation = Activation("Relu")
    assert not dense.open
    assert Draft("s", 2, [(source, ONES)]).open
    assert not Draft("m", 2, [(source, Term("", None, diagonal=True, via="pool"))]).open
    depthwise = Term("", np.ones((2, 3), "f4"), diagonal=True, via="Conv")
    assert Draft("d", 2, [(source, depthwise)]).open
    assert not Draft("j", 2, [(source, ONES)], function="Mul").open


def test_sites_are_settled_when_layers_have_names():
    stored = Stored("s", np.array([-1, 6]), "s", np.dtype(np.int64))
    draft = Draft("h", 6)
    draft.sites.append(size_site(4, 1, stored, draft, 1, 2))
    draft.sites.append(DraftSite(7, 2, "bias", None, axis=-3))
    draft.tensor = "r"
    first, second = settled([draft])
    assert (first.node, first.slot, first.layer, first.role) == (4, 1, "r", "extent")
    assert (first.extents[0].layer, first.extents[0].divisor) == ("r", 2)
    assert (second.layer, second.axis, second.stored) == ("r", -3, None)


def test_a_view_along_one_axis():
    draft = Draft("h", 6)
    assert one_axis(draft, -2).axis == -2
    with pytest.raises(ValueError, match="too many"):
        _ = View(draft, (-2, -1)).axis


# --- splits


def _split(sizes=(2, 3), fixed=(False, False)):
    return Split(Draft("h", int(np.prod(sizes))), sizes, (None,) * len(sizes), fixed)


def test_features_are_cut_along_the_axis_that_is_asked_for_first():
    split = _split()
    split.decide(0)
    assert split.layer.tied.tolist() == [0, 0, 0, 1, 1, 1]
    split.decide(0)
    assert split.layer.pinned is None
    split.decide(1)
    assert split.layer.pinned == "its features are needed along several axes"


def test_an_axis_that_cannot_be_cut():
    split = _split(fixed=(True, False))
    split.decide(0)
    assert split.layer.pinned == "its features are needed along several axes"


def test_partners_decide_alike():
    split, other = _split(), _split()
    split.partners.append(other)
    other.partners.append(split)
    split.decide(0)
    assert other.cut == 0
    assert other.layer.tied.tolist() == split.layer.tied.tolist()


# --- as models have them


def _heads(*nodes, chosen=TWICE, extra=None, target=(0, 2, 3), **options):
    """p of two groups of three features; the nodes make y of h, where the groups have an axis."""
    first = [
        node("Gemm", ["x", "w", "b"], ["p0"]),
        node("Relu", ["p0"], ["p"]),
        node("Reshape", ["p", "s"], ["h"]),
    ]
    weights = {"w": ROWS[chosen].T.copy(), "b": BIAS[chosen], "s": np.array(target)}
    return build([*first, *nodes], weights | (extra or {}), **options)


MATRIX = np.arange(1, 7, dtype="f4")


@pytest.mark.parametrize("target", [(0, 2, 3), (-1, 2, 3), (0, 2, -1), (0, -1, 3)])
def test_features_read_along_the_last_axis(target):
    """Of every group the same features go, if the file lets them."""
    model = _heads(
        node("MatMul", ["h", "v"], ["y"]), extra={"v": MATRIX.reshape(3, 2)}, target=target
    )
    reduced = shrinks(model, ("p",))
    after = [2 if entry == 3 else entry for entry in target]
    assert weight(reduced, "s").tolist() == after
    assert weight(reduced, "v").shape == (2, 2)


def test_features_read_along_another_axis():
    """Weights on the left sum the groups: whole groups stay or go."""
    left = node("MatMul", ["v", "h"], ["y"])
    model = _heads(left, extra={"v": MATRIX[:2].reshape(1, 2)})
    assert "graph output" in stays(model)
    equal = [0, 2, 4, 0, 2, 4]
    model = _heads(left, chosen=equal, extra={"v": MATRIX[:2].reshape(1, 2)})
    reduced = shrinks(model, ("p",), after=3)
    assert weight(reduced, "s").tolist() == [0, 1, 3]
    assert weight(reduced, "w").shape == (5, 3)


def test_features_needed_along_two_axes_stay():
    nodes = [node("MatMul", ["h", "v"], ["y"]), node("MatMul", ["u", "h"], ["z"])]
    extra = {"v": MATRIX.reshape(3, 2), "u": MATRIX[:2].reshape(1, 2)}
    model = _heads(*nodes, extra=extra, outputs=["y", "z"])
    assert "its features are needed along several axes" in stays(model)


def test_features_nobody_reads_along_one_axis_stay():
    model = _heads(node("TopK", ["h", "k"], ["y", "i"], axis=1), extra={"k": np.array([1])})
    assert any("TopK" in r for r in stays(model))


def test_groups_one_group_has_nothing_to_spare_of():
    """Feature 1 of the first group is feature 0; in the second none is: all stay."""
    model = _heads(
        node("MatMul", ["h", "v"], ["y"]),
        chosen=[0, 0, 2, 4, 5, 1],
        extra={"v": MATRIX.reshape(3, 2)},
    )
    assert widths(load(reduce(model).model).net)["p"] == 6
    same_outputs(model, reduce(model).model)


@pytest.mark.parametrize("last", [(0, 6), (0, -1), (-1, 6)])
def test_groups_that_are_joined_again(last):
    """As they were: features are cut as if nothing had happened, as many of each group."""
    nodes = [node("Neg", ["h"], ["n"]), node("Reshape", ["n", "t"], ["q"])]
    nodes.append(node("MatMul", ["q", "v"], ["y"]))
    model = _heads(*nodes, extra={"v": MATRIX.reshape(6, 1), "t": np.array(last)})
    reduced = shrinks(model, ("p", "q"))
    assert weight(reduced, "t").tolist() == [4 if entry == 6 else entry for entry in last]


def _shuffled(chosen=TWICE, shape=("N", 5, 2, 2)):
    """Channels of two groups that take turns, as ShuffleNet has them."""
    nodes = [
        node("Conv", ["x", "w", "b"], ["p0"]),
        node("Relu", ["p0"], ["p"]),
        node("Reshape", ["p", "s"], ["h"]),
        node("Transpose", ["h"], ["t"], perm=[0, 2, 1, 3, 4]),
        node("Reshape", ["t", "back"], ["q"]),
        node("Conv", ["q", "v"], ["y"]),
    ]
    weights = {
        "w": ROWS[chosen].reshape(6, 5, 1, 1),
        "b": BIAS[chosen],
        "s": np.array([0, 2, 3, 2, 2]),
        "back": np.array([0, -1, 2, 2]),
        "v": MATRIX.reshape(1, 6, 1, 1),
    }
    return build(nodes, weights, inputs={"x": shape})


def test_channels_that_take_turns():
    reduced = shrinks(_shuffled(), ("p", "q"))
    assert weight(reduced, "s").tolist() == [0, 2, 2, 2, 2]
    host = load(_shuffled())
    assert host.net["q"].terms[0].select.tolist() == [0, 3, 1, 4, 2, 5]


def test_channels_that_take_turns_and_are_not_alike():
    """Feature 1 equals 0, feature 5 equals 3: another place in the other group."""
    model = _shuffled(chosen=[0, 0, 2, 4, 5, 4])
    reduced = reduce(model).model
    same_outputs(model, reduced)
    assert disagreements(load(reduced), integers(model)) == []


@pytest.mark.parametrize(("axis", "after"), [(1, 4), (2, 6)])
def test_sums_over_one_of_the_axes(axis, after):
    """Over the groups: features of the other axis are left. Over the features: none is."""
    nodes = [
        node("ReduceSum", ["h", "a"], ["q"], keepdims=0),
        node("MatMul", ["q", "v"], ["y"]),
    ]
    size = 3 if axis == 1 else 2
    extra = {"a": np.array([axis]), "v": MATRIX[: 2 * size].reshape(size, 2)}
    model = _heads(*nodes, extra=extra)
    assert disagreements(load(model), integers(model)) == []
    reduced = reduce(model).model
    same_outputs(model, reduced)
    assert widths(load(reduced).net)["p"] == after


def test_sums_of_layers_whose_features_lie_along_two_axes():
    nodes = [
        node("Gemm", ["x", "u", "c"], ["q"]),
        node("Reshape", ["q", "s2"], ["g"]),
        node("Add", ["h", "g"], ["t"]),
        node("MatMul", ["t", "v"], ["y"]),
    ]
    rows, bias = planted(seed=2)
    extra = {"u": rows[TWICE].T.copy(), "c": bias[TWICE], "s2": np.array([0, 2, 3])}
    model = _heads(*nodes, extra={**extra, "v": MATRIX.reshape(3, 2)})
    reduced = shrinks(model, ("p", "q", "t"))
    assert weight(reduced, "s2").tolist() == [0, 2, 2]


def test_a_number_per_head_is_declined():
    """(2, 1) against (N, 2, 3): not one number per feature along one axis."""
    nodes = [node("Mul", ["h", "k"], ["t"]), node("MatMul", ["t", "v"], ["y"])]
    extra = {"k": np.array([[2], [3]], "f4"), "v": MATRIX.reshape(3, 2)}
    assert any(r.startswith("Mul 't' (it is combined") for r in stays(_heads(*nodes, extra=extra)))


def test_functions_of_each_feature_let_the_axes_be():
    nodes = [
        node("Abs", ["h"], ["a"]),
        node("Mul", ["a", "two"], ["b2"]),
        node("Transpose", ["b2"], ["t"], perm=[0, 2, 1]),
        node("Identity", ["t"], ["i"]),
        node("MatMul", ["v", "i"], ["y"]),
    ]
    extra = {"two": np.array(2, "f4"), "v": MATRIX.reshape(2, 3)}
    reduced = shrinks(_heads(*nodes, extra=extra), ("p", "a"))
    assert weight(reduced, "v").shape == (2, 2)
