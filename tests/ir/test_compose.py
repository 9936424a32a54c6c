from __future__ import annotations

import numpy as np
import pytest

from lumpcli.ir import apply, compose, groups
from tests.ir.claims import check, claim, constant, kept, two_layers, unread
from tests.nets import (
    LINEAR,
    array,
    dense,
    each,
    net,
    random_net,
    source,
)

HALF = np.float16
UNIT = 2.0**-23


def test_nothing_claimed_nothing_cut():
    made = two_layers([[1, 0], [0, 1]], [[1, 1]])
    assert check(made, []).cuts == {}


def test_multiples_share_the_carrier_that_needs_no_rounding():
    made = two_layers([[3, 3], [1, 1], [1, -1]], [[1, 1, 1]])
    quotient = check(made, [claim("h", [0, 1], [5, 5], [3, 1])])
    assert kept(quotient) == [1, 2]
    cut = quotient.cuts["h"]
    assert cut.carrier.tolist() == [1, 1, 2]
    assert cut.ratio == (3, 1, 1)
    assert cut.kind == ("lumped", "lumped", "kept")


def test_constants_go_into_the_bias():
    made = two_layers([[0, 0], [1, 1], [0, 0]], [[2, 1, 3]], [5, 0, 7])
    quotient = check(made, [constant("h", [0, 2], [5, 7])])
    assert kept(quotient) == [1]
    assert apply(made, quotient)[0]["y"].bias.tolist() == [31]
    assert quotient.declined == {}


@pytest.mark.parametrize("how", ["fixed", "padded"])
def test_where_no_bias_takes_them_one_constant_carries_all(how):
    reader = {"bias_fixed": True} if how == "fixed" else {"term": {"padded": True}}
    made = two_layers([[0, 0], [1, 1], [0, 0], [0, 0]], [[2, 1, 3, 4]], [5, 0, 10, 0], **reader)
    quotient = check(made, [constant("h", [0, 2, 3], [5, 10, 0])])
    assert kept(quotient) in ([0, 1], [1, 2])
    assert not any(quotient.cuts["h"].offset)
    assert "bias" in quotient.declined["h"]


def test_zeros_need_no_bias():
    made = two_layers([[0, 0], [1, 1]], [[2, 1]], [-5, 0], bias_fixed=True)
    quotient = check(made, [constant("h", [0], [0])])
    assert kept(quotient) == [1]
    assert quotient.declined == {}


OFFSETS = ([[1, 1], [1, 1], [2, 2], [2, 2]], [[1, 2, 4, 8]], [0, 1, 2, 3], LINEAR)


def test_offsets_go_into_the_bias():
    quotient = check(two_layers(*OFFSETS), [claim("h", range(4), [0] * 4, [1, 1, 2, 2], range(4))])
    assert len(kept(quotient)) == 1
    assert quotient.declined == {}


def test_without_a_bias_only_equal_offsets_share_a_class():
    made = two_layers(*OFFSETS, bias_fixed=True)
    quotient = check(made, [claim("h", range(4), [0] * 4, [1, 1, 2, 2], range(4))])
    assert quotient.cuts["h"].carrier.tolist() == [0, 1, 1, 3]
    assert "bias" in quotient.declined["h"]


def test_unread_offset_behind_a_reader_without_bias():
    made = two_layers([[1, 1], [1, 1], [1, -1]], [[1, -1, 1]], [0, 1, 0], LINEAR, bias_fixed=True)
    lumped = claim("h", [0, 1], [0, 0], [1, 1], [0, 1])
    check(made, [lumped, unread("h", [0, 1], [0, 1])])
    check(made, [unread("h", [0, 1], [0, 1])])
    # a true constant may carry what is left of them
    rows, columns = [[1, 1], [1, 1], [0, 0], [1, -1]], [[1, -1, 1, 1]]
    made = two_layers(rows, columns, [0, 1, 4, 0], LINEAR, bias_fixed=True)
    check(made, [unread("h", [0, 1], [0, 1]), constant("h", [2], [4])])


def test_unread_with_a_bias():
    made = two_layers([[1, 1], [1, 1], [1, -1]], [[1, -1, 1]], [0, 1, 0], LINEAR)
    assert kept(check(made, [unread("h", [0, 1], [0, 1])])) == [2]


def test_a_later_claim_replaces_an_earlier_one():
    made = two_layers([[0, 0], [0, 0], [1, 1]], [[1, 1, 1]], [3, 3, 0])
    quotient = check(made, [claim("h", [0, 1], [0, 0]), constant("h", [0, 1], [3, 3])])
    assert kept(quotient) == [2]
    assert quotient.cuts["h"].kind == ("constant", "constant", "kept")


def test_an_emptied_layer_keeps_one_feature():
    made = two_layers([[0, 0], [0, 0]], [[1, 1]], [3, 4])
    quotient = check(made, [constant("h", [0, 1], [3, 4])])
    assert kept(quotient) == [0]
    assert quotient.cuts["h"].emptied
    assert apply(made, quotient)[0]["y"].terms[0].weight.tolist() == [[0]]
    one = two_layers([[0, 0]], [[1]], [3])
    assert check(one, [constant("h", [0], [3])]).cuts == {}


def test_pinned_layers_and_their_groups_are_not_cut():
    claims = [claim("h", [0, 1], [0, 0])]
    for pinned in ("h", "s"):
        made = net(
            source("x"),
            dense("h", "x", [[1, 1], [1, 1]], pinned="why" if pinned == "h" else None),
            each("s", 2, "h", pinned="why" if pinned == "s" else None),
            dense("y", "h", [[1, 1]], act=LINEAR),
        )
        assert check(made, claims).cuts == {}


def residual(columns=([[1, 1, 1]], [[1, 1, 1]]), dtype=np.float32):
    """a and b tied by their sum c; a's first two are 3, 1 times one; b's first and last equal."""
    return net(
        source("x", 2),
        dense("a", "x", [[3, 0], [1, 0], [0, 1]], dtype=dtype),
        dense("b", "x", [[1, 1], [1, 2], [1, 1]], dtype=dtype),
        each("c", 3, "a", "b"),
        dense("y", ["a", "b"], list(columns), act=LINEAR, dtype=dtype),
    )


CLAIMS = (claim("a", [0, 1], [0, 0], [3, 1]), claim("b", [0, 2], [0, 0]))


def test_a_group_is_cut_at_the_same_indices():
    quotient = check(residual(), CLAIMS)
    assert kept(quotient, "a") == kept(quotient, "b") == kept(quotient, "c") == [1, 2]
    assert quotient.cuts["c"].carrier.tolist() == [-1, -1, -1]
    assert set(quotient.cuts["c"].kind) == {"tied"}


def test_layers_of_a_group_that_agree_on_nothing_stay():
    claims = (claim("a", [0, 1], [0, 0], [3, 1]), CLAIMS[1])
    assert check(residual(), claims[:1]).cuts == {}
    assert check(residual(), claims[1:]).cuts == {}


@pytest.mark.parametrize("seed", range(12))
def test_claims_on_random_nets_leave_valid_cuts(seed):
    """Claims that need not be true: the cut fits the groups, and every number is where it was."""
    rng = np.random.default_rng(seed)
    made = random_net(rng, 2)
    claims = []
    for layer in made.layers:
        if any(True for _ in made.dense_readers(layer.name)) and rng.random() < 0.8:
            some = np.flatnonzero(rng.random(layer.width) < 0.7)
            if len(some):
                ratio = [int(r) for r in rng.choice([1, 2, -1], len(some))]
                classes = rng.integers(-1, 2, len(some)).tolist()
                claims.append(claim(layer.name, some, classes, ratio))
    quotient = compose(made, claims)[0]
    for group in groups(made):
        kept = group.kept((layer, quotient.keep(layer)) for layer in group.layers)
        assert kept[group.forced].all()
        for layer in group.layers:
            own = np.flatnonzero(kept[group.slots[layer.name]])
            assert quotient.keep(layer).tolist() == own.tolist()
            cut = quotient.cuts.get(layer.name)
            if cut is not None:
                assert set(cut.carrier.tolist()) <= {-1, *own.tolist()}
    for layer in apply(made, quotient)[0].layers:
        numbers = [t.weight for t in layer.terms if t.weight is not None]
        assert all(np.isfinite(array(n)).all() for n in numbers)


def test_unread_offsets_that_cancel_in_one_reader_only():
    made = net(
        source("x", 2),
        dense("h", "x", [[1, 1], [1, 1], [1, 1], [1, -1]], [0, 1, 1, 0], LINEAR),
        dense("a", "h", [[0, 1, -1, 1]], act=LINEAR, bias_fixed=True),
        dense("b", "h", [[2, -1, -1, 1]], act=LINEAR),
        dense("y", ["a", "b"], [[[1], [0]], [[0], [1]]], act=LINEAR),
    )
    check(made, [unread("h", [0, 1, 2], [0, 1, 1])])


def test_rows_that_go_do_not_hold_constants_back():
    """g has no bias, but the row of g that reads h0, which is constant, goes itself."""
    made = net(
        source("x", 2),
        dense("h", "x", [[0, 0], [1, 1], [1, 2]], [5, 0, 0]),
        dense("g", "h", [[0, 1, 1], [1, 1, 0]], bias_fixed=True),
        dense("y", "g", [[1, 0]], act=LINEAR),
    )
    quotient = check(made, [constant("h", [0], [5]), unread("g", [1])])
    assert kept(quotient) == [1, 2]
    assert kept(quotient, "g") == [0]
    assert "h" not in quotient.declined
