"""Sites: what the file holds for a layer, in the file's own layout."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from lumpcli.ir import Activation, Layer, Moments, Net, Term
from lumpcli.loader import Site, Stored, load
from lumpcli.loader.site import Extent
from tests.models import around, build, mlp, node, planted, reader

ROWS, BIAS = planted()
LAYER = Layer("h", 6, (Term("x", ROWS),), BIAS, activation=Activation("PRelu", (), BIAS / 2))


def _site(role, stored, **where):
    return Site(0, 1, "h", role, stored, **where)


def _value(site, layer):
    """What the site holds for a net with that layer, and one of four features."""
    source = Layer("x", 5 if layer.is_dense else 6)
    return site.values(Net((source, layer, Layer("four", 4))))


def _stored(array):
    array = np.asarray(array)
    return Stored("w", array, "w", array.dtype)


def test_a_matrix_as_it_is_or_transposed():
    site = _site("weight", _stored(ROWS))
    np.testing.assert_array_equal(_value(site, LAYER), ROWS)
    np.testing.assert_array_equal(_value(replace(site, transposed=True), LAYER), ROWS.T)


@pytest.mark.parametrize(
    ("shape", "axis"), [((6,), -1), ((1, 6), -1), ((1, 1, 6), -1), ((6, 1), -2), ((1, 6, 1), -2)]
)
def test_numbers_per_feature_keep_their_rank(shape, axis):
    for role, numbers in (("bias", BIAS), ("slopes", BIAS / 2)):
        site = _site(role, _stored(numbers.reshape(shape)), axis=axis)
        np.testing.assert_array_equal(_value(site, LAYER), numbers.reshape(shape), strict=True)


def test_a_diagonal_weight_lies_along_the_axis():
    layer = Layer("h", 6, (Term("x", BIAS, diagonal=True),))
    site = _site("weight", _stored(BIAS[:, None]), axis=-2)
    np.testing.assert_array_equal(_value(site, layer), BIAS[:, None], strict=True)


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_one_number_stays_one_number_while_it_can(shape):
    site = _site("bias", _stored(np.full(shape, 2, "f4")))
    same = replace(LAYER, bias=np.full(6, 2, "f4"))
    np.testing.assert_array_equal(_value(site, same), np.full(shape, 2, "f4"), strict=True)
    assert _value(site, LAYER).shape == (*shape[:-1], 6)


def test_a_bias_that_may_be_added_is_one_axis():
    site = _site("bias", None)
    np.testing.assert_array_equal(_value(site, LAYER), BIAS)
    assert _value(site, replace(LAYER, bias=None)) is None


def test_widths_in_a_shape():
    """Of several layers, or of the parts of one."""
    extents = (Extent(2, "h"), Extent(0, "four", "width", 2))
    site = _site("extent", _stored(np.array([-1, 1, 8])), extents=extents)
    assert _value(site, LAYER).tolist() == [2, 1, 6]
    assert site.stored.array.tolist() == [-1, 1, 8]


def test_limits_of_a_slice():
    layer = Layer("h", 2, (Term("x", None, diagonal=True, select=np.array([3, 4])),))
    for measure, limit in (("first", 3), ("stop", 5)):
        site = _site("extent", _stored(np.array([9])), extents=(Extent(0, "h", measure),))
        assert _value(site, layer).tolist() == [limit]


def test_indices_of_the_features_taken():
    layer = Layer("h", 3, (Term("x", None, diagonal=True, select=np.array([5, 0, 5])),))
    site = _site("indices", _stored(np.array([0, 1, 2], "i4")))
    np.testing.assert_array_equal(_value(site, layer), np.array([5, 0, 5], "i4"), strict=True)


@pytest.mark.parametrize("transposed", [False, True])
def test_the_blocks_of_a_grouped_convolution_lie_below_each_other(transposed):
    """(outputs, inputs per group, kernel), or (inputs, outputs per group, kernel)."""
    first, second = np.arange(24, dtype="f4").reshape(2, 3, 2, 2)
    whole = np.zeros((6, 4, 2), "f4")
    whole[:3, :2], whole[3:, 2:] = first, second
    layer = Layer("h", 6, (Term("four", whole, blocks=2),))
    site = _site("weight", _stored(whole), transposed=transposed)
    stored = site.values(Net((Layer("four", 4), layer)))
    parts = [p.swapaxes(0, 1) for p in (first, second)] if transposed else [first, second]
    np.testing.assert_array_equal(stored, np.concatenate(parts), strict=True)


@pytest.mark.parametrize("transposed", [False, True])
def test_a_kernel_keeps_its_axes(transposed):
    kernel = np.arange(6 * 5 * 2 * 3, dtype="f4").reshape(6, 5, 2, 3)
    layer = Layer("h", 6, (Term("x", kernel, via="Conv"),))
    stored = _value(_site("weight", _stored(kernel), transposed=transposed), layer)
    assert stored.shape == ((5, 6, 2, 3) if transposed else (6, 5, 2, 3))
    np.testing.assert_array_equal(stored.swapaxes(0, 1) if transposed else stored, kernel)


def test_a_depthwise_kernel_has_one_input_per_group():
    kernel = np.arange(18, dtype="f4").reshape(6, 3)
    layer = Layer("h", 6, (Term("x", kernel, diagonal=True, via="Conv"),))
    stored = _value(_site("weight", _stored(kernel[:, None])), layer)
    np.testing.assert_array_equal(stored, kernel[:, None], strict=True)


@pytest.mark.parametrize(
    ("shape", "axis"), [((3, 6), -1), ((6, 3), -2), ((1, 3, 6), -1), ((3, 6, 2), -2)]
)
def test_a_table_over_positions_keeps_its_shape(shape, axis):
    array = np.arange(np.prod(shape), dtype="f4").reshape(shape)
    rows = np.moveaxis(array, axis, 0).reshape(6, -1)
    source = Layer("p", rows.shape[1])
    layer = Layer("h", 6, (Term("p", rows),))
    site = _site("table", _stored(array), axis=axis)
    np.testing.assert_array_equal(site.values(Net((source, layer))), array, strict=True)


def test_what_a_batch_normalisation_measured():
    moments = Moments(BIAS + 1, BIAS * BIAS, Fraction(1, 8))
    layer = Layer("h", 6, (Term("x", BIAS, diagonal=True, moments=moments),))
    for role, numbers in (("mean", BIAS + 1), ("variance", BIAS * BIAS), ("weight", BIAS)):
        np.testing.assert_array_equal(_value(_site(role, _stored(BIAS)), layer), numbers)


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
                value = site.values(host.net)
                np.testing.assert_array_equal(value, site.stored.array, strict=True)
                assert site.stored.name == host.model.graph.node[site.node].input[site.slot]
    assert counts == [5, 3, 4]
