"""Queries or keys that are multiples of one another: as exporters write attention, to the number.

Weights are small integers, so float32 computes the scores exactly, compared bit for bit.
"""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from lumpcli.api import reduce, stats
from tests.e2e.attention import (
    HEADS,
    LENGTH,
    READ,
    WIDTH,
    attention,
    cut_to,
    equal,
    fused,
    stored_anew,
)
from tests.e2e.channels import check_unchanged
from tests.models import node, weight

# row -> (factor, row it is a multiple of): one in each head
TWICE = {1: (2.0, 0), 7: (2.0, 4)}
NEGATIVE = {0: (-0.5, 2), 5: (-0.5, 6)}
THRICE = {3: (3.0, 1), 4: (3.0, 6)}
BOTH = {1: (2.0, 0), 2: (-0.5, 3), 5: (3.0, 4), 6: (-1.0, 4)}
ONE_HEAD = {1: (2.0, 0), 2: (3.0, 0)}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("scale", ["Div", "Mul", "both", "none"])
@pytest.mark.parametrize("side", ["q", "k"])
@pytest.mark.parametrize("multiples", [TWICE, NEGATIVE, THRICE], ids=str)
def test_a_multiple_in_each_head(multiples, side, scale, bias):
    cut_to(attention(**{side: multiples}, scale=scale, bias=bias), WIDTH - HEADS)


@pytest.mark.parametrize("side", ["q", "k"])
def test_what_is_written(side):
    """Row 0 of the other side has twice row 1 on top, row 4 twice row 7: as it is worked out."""
    model = attention(**{side: TWICE})
    other = "k" if side == "q" else "q"
    small = cut_to(model, WIDTH - HEADS)
    for kind in "wb":
        old = weight(model, f"{kind}{other}").copy()
        old[..., 0] += 2 * old[..., 1]
        old[..., 4] += 2 * old[..., 7]
        keep = [0, 2, 3, 4, 5, 6]
        np.testing.assert_array_equal(weight(small, f"{kind}{other}"), old[..., keep])
        np.testing.assert_array_equal(
            weight(small, f"{kind}{side}"), weight(model, f"{kind}{side}")[..., keep]
        )


def test_several_per_head():
    cut_to(attention(q=BOTH), WIDTH - 2 * HEADS)


def test_queries_and_keys():
    """Each head loses one by its queries, and one by its keys."""
    cut_to(attention(q=TWICE, k={3: (2.0, 2), 6: (-0.5, 5)}), WIDTH - 2 * HEADS)


def test_queries_in_one_head_keys_in_the_other():
    cut_to(attention(q={1: (2.0, 0)}, k={5: (3.0, 4)}), WIDTH - HEADS)


def test_as_many_as_the_head_with_fewest():
    """Head 0 could lose two, head 1 one: in head 0 one row of the keys is as it was."""
    model = attention(q={**ONE_HEAD, 7: (2.0, 4)})
    small = cut_to(model, WIDTH - HEADS)
    old, new = weight(model, "wk"), weight(small, "wk")
    assert any(np.array_equal(old[:, 2], column) for column in new.T)


@pytest.mark.parametrize("side", ["q", "k"])
def test_one_head_alone_changes_nothing(side):
    model = attention(**{side: ONE_HEAD})
    result = reduce(model)
    assert not result.changed
    check_unchanged(model)


@pytest.mark.parametrize("name", ["wq", "bq"])
def test_one_ulp_away_nothing_changes(name):
    model = attention(q=TWICE)
    numbers = weight(model, name).copy()
    numbers[..., [1, 7]] = np.nextafter(numbers[..., [1, 7]], np.float32(np.inf))
    stored_anew(model, name, numbers)
    check_unchanged(model)


def test_zeros_and_multiples_add_up():
    """Head 0 has a query that is 0, head 1 one that is a multiple: each loses one."""
    model = attention(q={1: (0.0, 0), 5: (2.0, 4)})
    cut_to(model, WIDTH - HEADS)


def test_what_cancels_goes_too():
    """q1 = -q0 and k1 = k0: the two products cancel. So in head 1, whose products 4 and 5 do."""
    model = attention(q={1: (-1.0, 0), 5: (-1.0, 4)}, k={1: (1.0, 0), 5: (1.0, 4)})
    cut_to(model, WIDTH - 2 * HEADS)


def test_one_head_without_a_reshape():
    cut_to(attention(q={1: (2.0, 0), 7: (-0.5, 4)}, heads=1), WIDTH - 2)


def test_rows_may_be_multiples_across_heads():
    """Not of the same head: nothing can take them over."""
    check_unchanged(attention(q={4: (2.0, 0), 5: (2.0, 1)}))


def test_strict_rounds_nothing():
    """q0 = 3 q1 asks k1 to take over 3 k0: exact, but for long numbers."""
    cut_to(attention(q={0: (3.0, 1), 4: (3.0, 6)}), WIDTH - HEADS, "strict")
    model = attention(q={0: (3.0, 1), 4: (3.0, 6)})
    odd = 1 + np.random.default_rng(0).integers(1, 2**23, (READ, WIDTH)) * 2.0**-23
    stored_anew(model, "wk", odd)
    result = reduce(model, level="strict")
    assert not result.changed
    assert reduce(model).rounded > 0


def test_what_would_overflow_stays():
    model = attention(q={1: (3.0, 0), 5: (3.0, 4)}, dtype="f2", bias=False)
    assert reduce(model).changed
    stored_anew(model, "wk", 55000 + 32 * np.random.default_rng(0).integers(0, 100, (READ, WIDTH)))
    check_unchanged(model)


def test_the_report(tmp_path):
    """Files: verified against the original in onnxruntime, and counted."""
    path = tmp_path / "a.onnx"
    onnx.save(attention(q=TWICE), path)
    result = reduce(path, tmp_path / "b.onnx")
    assert result.verdict is not None
    assert result.verdict.status == "equal"
    assert (result.folded, result.rounded) == (HEADS * (READ + 1), 0)
    layers = {layer.name: layer for layer in result.layers}
    for name in ("q_a", "k_a"):
        layer = layers[name]
        assert (layer.lumped, layer.constant, layer.unread) == (HEADS, 0, 0)
    found = {layer.name: layer for layer in stats(path).layers}
    assert (found["q_a"].proportional, found["q_a"].reducible) == (HEADS, HEADS)


def test_passes_are_chosen():
    model = attention(q=TWICE)
    assert not reduce(model, passes=("constant", "unread")).changed
    assert weight(reduce(model, passes=("lumping",)).model, "wq").shape == (READ, WIDTH - HEADS)


@pytest.mark.parametrize("layer", ["q_a", "k_a"])
def test_layers_the_user_keeps(layer):
    assert not reduce(attention(q=TWICE), exclude=[layer]).changed


@pytest.mark.parametrize("side", [0, 1])
def test_one_projection_for_all(side):
    multiples = {
        row + side * WIDTH: (factor, of + side * WIDTH) for row, (factor, of) in TWICE.items()
    }
    model = fused(multiples)
    small = reduce(model).model
    equal(model, small)
    assert weight(small, "wa").shape == (READ, 3 * WIDTH - 2 * HEADS)
    assert not reduce(small).changed


BETWEEN = {
    "an activation": [node("Relu", ["k_a"], ["k_b"])],
    "a factor per feature": [node("Mul", ["k_a", "factors"], ["k_b"])],
    "a second bias": [node("Mul", ["k_a", "two"], ["k_c"]), node("Add", ["k_c", "bk"], ["k_b"])],
    "a rotation": [
        node("Mul", ["k_a", "angles"], ["k_c"]),
        node("Add", ["k_a", "k_c"], ["k_b"]),
    ],
    "a normalisation": [
        node("LayerNormalization", ["k_a", "factors"], ["k_b"], axis=-1),
    ],
}


@pytest.mark.parametrize("name", BETWEEN)
def test_what_lies_between_keeps_rows_as_they_are(name):
    model = attention(q=TWICE)
    numbers = {
        "factors": np.arange(1, WIDTH + 1, dtype="f4"),
        "angles": np.arange(1, LENGTH * WIDTH + 1, dtype="f4").reshape(LENGTH, WIDTH),
    }
    nodes = []
    for one in model.graph.node:
        if one.op_type == "Reshape" and one.input[0] == "k_a":
            nodes += BETWEEN[name]
            one.input[0] = "k_b"
        nodes.append(one)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    for n, a in numbers.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(a, n))
    check_unchanged(model)


def test_keys_that_others_read_keep_their_rows():
    """A second output of the keys, before or after they are laid out in heads."""
    for tensor in ("k_a", "k_h", "k_t"):
        model = attention(q=TWICE)
        model.graph.node.append(node("Sigmoid", [tensor], ["more"]))
        model.graph.output.append(onnx.helper.make_tensor_value_info("more", 1, None))
        check_unchanged(model)


def test_a_matrix_that_others_use_keeps_its_rows():
    model = attention(q=TWICE)
    for one in model.graph.node:
        if "wv" in one.input:
            one.input[1] = "wk"
    model.graph.initializer.remove(next(t for t in model.graph.initializer if t.name == "wv"))
    check_unchanged(model)
