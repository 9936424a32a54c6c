"""Functions of one tensor, element by element: those lumpcli knows, and those it declines."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, numpy_helper

from lumpcli.api import reduce
from lumpcli.ir import Symmetry
from lumpcli.loader import load
from tests.evaluate import disagreements, run
from tests.loader.checks import same_outputs, shrinks, stays
from tests.models import PLANTED, build, info, integers, node, planted, reader, unflattened

ROWS, BIAS = planted()
GEMM = node("Gemm", ["x", "w", "b"], ["h"], transB=1)
SLOPES = np.array([0.5, 0.5, -2, -2, 1, 0], "f4")


def _through(*nodes, extra=None, rows=ROWS, bias=BIAS, **options):
    """Gemm makes h of x, the nodes make r of it, and a Gemm with bias makes y."""
    weights = {"w": rows, "b": bias, "v": reader(), "last": np.ones(3, "f4"), **(extra or {})}
    tail = node("Gemm", ["r", "v", "last"], ["y"])
    return build([GEMM, *nodes, tail], weights, **options)


def _equal_rows():
    """Planted rows whose features 2 and 3 are equal: what any function allows."""
    rows, bias = ROWS.copy(), BIAS.copy()
    rows[3], bias[3] = rows[2], bias[2]
    return rows, bias


EXACT = [  # on integers, in float32
    *(("Relu", {}), ("Abs", {}), ("LeakyRelu", {"alpha": 0.25}), ("LeakyRelu", {"alpha": 0.0})),
    *(("LeakyRelu", {"alpha": 1.0}), ("LeakyRelu", {"alpha": -1.0}), ("Sign", {}), ("Round", {})),
    *(("LeakyRelu", {"alpha": 2.0}), ("Floor", {}), ("Ceil", {}), ("Neg", {}), ("Identity", {})),
    *(("ThresholdedRelu", {"alpha": 4.0}), ("ThresholdedRelu", {"alpha": 0.0})),
    ("Shrink", {"lambd": 1.5, "bias": 0.5}),
    ("HardSigmoid", {"alpha": 0.125, "beta": 0.5}),
    *(("Clip", {}), ("Max", {}), ("Min", {}), ("Dropout", {})),
]
ANY_RATIO = ("Relu", "Abs", "LeakyRelu", "Neg", "Identity", "Clip", "Max", "Min", "Dropout", "Sign")


@pytest.mark.parametrize(("operator", "attributes"), EXACT)
def test_functions_exact_in_float32_are_cut(operator, attributes):
    """By ratio 2 where the function allows it, and equal rows always."""
    function = node(operator, ["h"], ["r"], **attributes)
    doubles = operator in ANY_RATIO or attributes == {"alpha": 0.0}
    name = "h" if operator in ("Identity", "Dropout", "Max", "Min") else "r"
    shrinks(_through(function), (name,), after=4 if doubles else 5)
    rows, bias = _equal_rows()
    shrinks(_through(function, rows=rows, bias=bias), (name,))


SMOOTH = {
    "Tanh": (Symmetry.ODD, 9),
    "Sigmoid": (Symmetry.POINT, 9),
    "Erf": (Symmetry.ODD, 9),
    "Softplus": (Symmetry.NONE, 9),
    "Softsign": (Symmetry.ODD, 9),
    "Elu": (Symmetry.NONE, 9),
    "Selu": (Symmetry.NONE, 9),
    "Celu": (Symmetry.NONE, 12),
    "HardSwish": (Symmetry.NONE, 14),
    "Mish": (Symmetry.NONE, 18),
    "Gelu": (Symmetry.NONE, 20),
    "Exp": (Symmetry.NONE, 13),
    "Sin": (Symmetry.ODD, 9),
    "Cos": (Symmetry.EVEN, 9),
    "Atan": (Symmetry.ODD, 9),
    "Asinh": (Symmetry.ODD, 9),
    "HardSigmoid": (Symmetry.POINT, 9),
}


@pytest.mark.parametrize("operator", SMOOTH)
def test_functions_that_round(operator):
    """Understood as onnxruntime computes them; equal rows are merged."""
    symmetry, opset = SMOOTH[operator]
    rows, bias = _equal_rows()
    columns = reader() / 8
    model = _through(node(operator, ["h"], ["r"]), rows=rows / 8, bias=bias / 8, opset=opset)
    model.graph.initializer[2].CopyFrom(numpy_helper.from_array(columns.astype("f4"), "v"))
    host = load(model)
    assert host.net["r"].symmetry is symmetry
    assert disagreements(host, integers(model), 1e-6) == []
    reduced = reduce(model).model
    assert load(reduced).net["r"].width == 4
    inputs = integers(model)
    np.testing.assert_allclose(run(model, inputs)["y"], run(reduced, inputs)["y"], rtol=1e-5)


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_both_kinds_of_gelu(approximate):
    model = _through(node("Gelu", ["h"], ["r"], approximate=approximate), opset=20)
    assert load(model).net["r"].activation.attributes == (approximate,)
    assert disagreements(load(model), integers(model), 1e-6) == []


def test_silu_as_a_product():
    rows, bias = _equal_rows()
    nodes = [node("Sigmoid", ["h"], ["g"]), node("Mul", ["h", "g"], ["r"])]
    model = _through(*nodes, rows=rows, bias=bias)
    assert disagreements(load(model), integers(model), 1e-6) == []
    assert load(reduce(model).model).net["r"].width == 4


@pytest.mark.parametrize("shape", [(1,), (1, 1), ()])
@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0, -1.0, -2.0])
def test_prelu_of_one_slope(slope, shape):
    model = _through(node("PRelu", ["h", "s"], ["r"]), extra={"s": np.full(shape, slope, "f4")})
    shrinks(model)


@pytest.mark.parametrize("shape", [(PLANTED,), (1, PLANTED)])
def test_prelu_of_one_slope_per_feature(shape):
    model = _through(node("PRelu", ["h", "s"], ["r"]), extra={"s": SLOPES.reshape(shape)})
    reduced = shrinks(model)
    assert load(reduced).net["r"].activation.slopes.tolist() == [0.5, -2, 1, 0]


def test_prelu_slopes_keep_equal_rows_apart():
    slopes = np.arange(PLANTED, dtype="f4")
    assert any("graph output" in r for r in stays(_through(_PRELU, extra={"s": slopes})))


def test_prelu_over_weights_on_the_left():
    nodes = [
        node("MatMul", ["w", "x"], ["h"]),
        node("PRelu", ["h", "s"], ["r"]),
        node("MatMul", ["v", "r"], ["y"]),
    ]
    weights = {"w": ROWS, "s": SLOPES[:, None], "v": reader().T.copy()}
    shrinks(build(nodes, weights, inputs={"x": (5, 7)}))
    weights["s"] = np.arange(7, dtype="f4")
    model = build(nodes, weights, inputs={"x": (5, 7)})
    assert any("'s' of shape [7] is not one number per feature" in r for r in stays(model))


def test_prelu_of_a_vector_that_became_an_image():
    prelu = node("PRelu", ["t", "s"], ["r"])
    reduced = shrinks(unflattened(prelu, extra={"s": SLOPES[:, None]}))
    assert load(reduced).net["r"].activation.slopes.tolist() == [0.5, -2, 1, 0]
    reasons = stays(unflattened(prelu, first=False, extra={"s": SLOPES[:, None]}))
    assert any("its features lie along several axes" in r for r in reasons)


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
@pytest.mark.parametrize("first", [True, False])
def test_prelu_of_one_slope_of_a_vector_that_became_an_image(shape, first):
    """Before a convolution has read it as channels, its features are the vector's."""
    prelu = node("PRelu", ["t", "s"], ["r"])
    model = unflattened(prelu, first=first, extra={"s": np.full(shape, 0.5, "f4")})
    along = PLANTED if first and len(shape) == 2 else 2 * PLANTED
    assert load(model).net["r"].width == along
    reduced = reduce(model).model
    assert load(reduced).net["r"].width == along * 4 // PLANTED
    same_outputs(model, reduced)


_PRELU = node("PRelu", ["h", "s"], ["r"])


@pytest.mark.parametrize("shape", [(3, 1), (3, PLANTED)])
def test_prelu_slopes_of_another_shape_are_declined(shape):
    slopes = np.arange(np.prod(shape), dtype="f4").reshape(shape)
    model = _through(_PRELU, extra={"s": slopes}, inputs={"x": (3, 5)})
    assert any(f"'s' of shape {list(shape)} is not one number per" in r for r in stays(model))


def test_prelu_of_computed_slopes_is_declined():
    nodes = [node("Exp", ["t"], ["s"]), _PRELU]
    assert any("'s' is computed" in r for r in stays(_through(*nodes, extra={"t": SLOPES * 0})))


LIMITS = [(None, None), (0, None), (None, 4), (-3, 3), (0, 6)]


@pytest.mark.parametrize(("low", "high"), LIMITS)
def test_clip_by_attributes_or_inputs(low, high):
    attributes = {k: float(v) for k, v in (("min", low), ("max", high)) if v is not None}
    by_attribute = node("Clip", ["h"], ["r"], **attributes)
    given = ["h", "" if low is None else "low", "" if high is None else "high"]
    limits = {"low": np.array(low or 0, "f4"), "high": np.array(high or 0, "f4")}
    after = 4 if (low, high) in LIMITS[:2] else 5
    shrinks(_through(by_attribute, opset=9), after=after)
    by_input = _through(node("Clip", given, ["r"]), extra=limits, opset=13)
    shrinks(by_input, after=after)


def test_clip_by_limits_that_are_not_constants_or_no_range_is_declined():
    model = _through(node("Clip", ["h", "low"], ["r"]), inputs={"x": ("N", 5), "low": ()}, opset=13)
    assert "Clip 'r' (its limit 'low' is not a constant)" in stays(model)
    limits = {"low": np.array(3, "f4"), "high": np.array(-3, "f4")}
    model = _through(node("Clip", ["h", "low", "high"], ["r"]), extra=limits, opset=13)
    assert "Clip 'r' (its limits are not a range)" in stays(model, runs=False)


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
@pytest.mark.parametrize(
    ("operator", "number", "after"), [("Max", 0, 4), ("Max", 2, 5), ("Min", 4, 5)]
)
def test_max_and_min_with_a_number(operator, number, after, shape, first):
    given = ["c", "h"] if first else ["h", "c"]
    extra = {"c": np.full(shape, number, "f4")}
    shrinks(_through(node(operator, given, ["r"]), extra=extra), after=after)


def test_a_cast_to_integers_is_a_function():
    nodes = [node("Cast", ["h"], ["i"], to=TensorProto.INT32), node("Cast", ["i"], ["r"], to=1)]
    shrinks(_through(*nodes), ("i", "r"), after=5)


def test_a_cast_to_wider_numbers_passes_features_on():
    nodes = [
        node("MatMul", ["x", "w"], ["h"]),
        node("Cast", ["h"], ["d"], to=TensorProto.DOUBLE),
        node("Relu", ["d"], ["r"]),
        node("MatMul", ["r", "v"], ["y"]),
    ]
    weights = {"w": ROWS.T.copy(), "v": reader(dtype="f8")}
    shrinks(build(nodes, weights, out_dtype="f8"))


@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax", "Hardmax", "LpNormalization"])
def test_functions_of_several_features_are_declined(operator):
    """Also where the features they mix are duplicates."""
    reasons = stays(_through(node(operator, ["h"], ["r"])), tolerance=1e-6)
    assert any(r.startswith(f"its output is read by {operator} 'r'") for r in reasons)


def test_an_attribute_lumpcli_does_not_know_is_declined():
    model = _through(node("Relu", ["h"], ["r"], strength=3))
    reasons = stays(model, runs=False)
    assert "Relu 'r' (it has an attribute lumpcli does not know: strength)" in reasons


@pytest.mark.parametrize("operator", ["Relu", "Gelu", "Identity", "Dropout", "Clip"])
def test_an_operator_of_another_domain_with_the_same_name_is_declined(operator):
    model = _through(
        node(operator, ["h"], ["r"], domain="com.microsoft", name="odd"), domains=["com.microsoft"]
    )
    model.graph.value_info.append(info("r", ("N", 6)))
    reasons = stays(model, runs=False)
    assert f"its output is read by com.microsoft.{operator} 'odd'" in reasons


def test_attributes_that_are_not_finite_are_declined():
    model = _through(node("LeakyRelu", ["h"], ["r"], alpha=float("nan")))
    assert "LeakyRelu 'r' (an attribute is not finite)" in stays(model, runs=False)


@pytest.mark.parametrize("operator", ["Relu", "PRelu", "Clip", "Max", "Pow", "Cast", "Neg"])
def test_functions_of_what_is_no_layer_make_none(operator):
    extra = {"c": np.array(2, "f4")}
    given = ["x", "c"] if operator in ("PRelu", "Max", "Pow") else ["x"]
    attributes = {"to": TensorProto.FLOAT16} if operator == "Cast" else {}
    model = build([node(operator, given, ["y"], **attributes)], extra)
    assert load(model).net.layers == ()
    assert load(model).notes == ()
