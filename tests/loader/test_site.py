"""Sites: what the file holds for a layer, in the file's own layout."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lumpcli.ir import Activation, Layer, Term
from lumpcli.loader import Site, Stored, load
from tests.models import around, build, mlp, node, planted, reader

ROWS, BIAS = planted()
LAYER = Layer("h", 6, (Term("x", ROWS),), BIAS, activation=Activation("PRelu", (), BIAS / 2))


def _site(role, stored, **where):
    return Site(0, 1, "h", role, stored, **where)


def _stored(array):
    array = np.asarray(array)
    return Stored("w", array, "w", array.dtype)


def test_a_matrix_as_it_is_or_transposed():
    site = _site("weight", _stored(ROWS))
    np.testing.assert_array_equal(site.values(LAYER), ROWS)
    np.testing.assert_array_equal(replace(site, transposed=True).values(LAYER), ROWS.T)


@pytest.mark.parametrize(
    ("shape", "axis"), [((6,), -1), ((1, 6), -1), ((1, 1, 6), -1), ((6, 1), -2), ((1, 6, 1), -2)]
)
def test_numbers_per_feature_keep_their_rank(shape, axis):
    for role, numbers in (("bias", BIAS), ("slopes", BIAS / 2)):
        site = _site(role, _stored(numbers.reshape(shape)), axis=axis)
        np.testing.assert_array_equal(site.values(LAYER), numbers.reshape(shape), strict=True)


def test_a_diagonal_weight_lies_along_the_axis():
    layer = Layer("h", 6, (Term("x", BIAS, diagonal=True),))
    site = _site("weight", _stored(BIAS[:, None]), axis=-2)
    np.testing.assert_array_equal(site.values(layer), BIAS[:, None], strict=True)


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_one_number_stays_one_number_while_it_can(shape):
    site = _site("bias", _stored(np.full(shape, 2, "f4")))
    same = replace(LAYER, bias=np.full(6, 2, "f4"))
    np.testing.assert_array_equal(site.values(same), np.full(shape, 2, "f4"), strict=True)
    assert site.values(LAYER).shape == (*shape[:-1], 6)


def test_a_bias_that_may_be_added_is_one_axis():
    site = _site("bias", None)
    np.testing.assert_array_equal(site.values(LAYER), BIAS)
    assert site.values(replace(LAYER, bias=None)) is None


def test_a_width_in_a_shape():
    site = _site("width", _stored(np.array([-1, 1, 6])), axis=2)
    narrow = Layer("h", 4, (Term("x", ROWS[:4]),))
    assert site.values(narrow).tolist() == [-1, 1, 4]
    assert site.stored.array.tolist() == [-1, 1, 6]


def test_every_site_holds_what_the_file_holds():
    """Read back unchanged, each site's values are the stored ones."""
    nodes = [
        node("MatMul", ["w", "x"], ["m"]),
        node("Add", ["b", "m"], ["a"]),
        node("PRelu", ["a", "s"], ["p"]),
        node("Mul", ["p", "d"], ["q"]),
        node("MatMul", ["v", "q"], ["y"]),
    ]
    column = BIAS[:, None]
    weights = {"w": ROWS, "b": column, "s": column / 4, "d": 2 * column, "v": reader().T.copy()}
    models = [build(nodes, weights, inputs={"x": (5, 2)}), mlp()]
    gemm = node("Gemm", ["x", "w", "b"], ["p"])
    reshape = node("Reshape", ["p", "t"], ["h"])
    models.append(around([gemm, reshape], {"w": ROWS.T.copy(), "b": BIAS, "t": np.array([-1, 6])}))
    counts = []
    for model in models:
        host = load(model)
        counts.append(len(host.sites))
        for site in host.sites:
            if site.stored is not None:
                value = site.values(host.net[site.layer])
                np.testing.assert_array_equal(value, site.stored.array, strict=True)
                assert site.stored.name == host.model.graph.node[site.node].input[site.slot]
    assert counts == [5, 3, 4]
