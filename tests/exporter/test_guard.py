"""Guards leave a model as it is inside the box, and do what they say outside of it."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from lumpcli.bounds import ladder
from lumpcli.box import Box
from lumpcli.errors import UsageError
from lumpcli.exporter import guard, state_domain
from lumpcli.judge import Settings, verify
from lumpcli.loader import load, read_model
from lumpcli.wire import write
from tests.models import build, info, mlp, node

LOWER, UPPER = np.array([[-1.0, 0.0, 2.0, -4.0, -8.0]]), np.array([[1.0, 0.5, 3.0, 4.0, -8.0]])
EACH = Box({"x": (LOWER, UPPER)})
ALL = Box.everywhere(-1.0, 2.0, {"x": (1, 5)})
OPSETS = [7, 8, 9, 10, 11, 12, 13, 17, 18, 21]


def ran(model, **feeds):
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, feeds), strict=True))


def guarded(model, box, how):
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    guard(copy, box, how)
    assert (copy.ir_version, copy.opset_import) == (model.ir_version, model.opset_import)
    return copy


def check(model, width):
    """Full checks by onnx; they demand shapes of outputs."""
    for output in model.graph.output:
        if not output.type.tensor_type.HasField("shape"):
            output.CopyFrom(info(output.name, ("N", width)))
    onnx.checker.check_model(model, full_check=True)


def points(dtype=np.float32):
    """Rows on both sides of every bound by a unit in the last place, and far from it."""
    rng = np.random.default_rng(3)
    rows = [rng.integers(-16, 17, (200, 5)) / 2, np.broadcast_to(LOWER, (5, 5))]
    rows += [np.clip(rows[0], LOWER, UPPER), np.clip(rows[0], -1, 2)]
    found = np.concatenate(rows).astype(dtype)
    for row, side in ((200, -np.inf), (201, np.inf)):
        found[row, 1] = np.nextafter(dtype(0), dtype(side))
    found[202, 3], found[203, 0] = np.inf, -np.inf
    return found


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize(("box", "lower", "upper"), [(EACH, LOWER, UPPER), (ALL, -1, 2)])
def test_clipped_inputs(opset, box, lower, upper):
    model = mlp(opset=opset, ir=8)
    if opset < 8 and box is EACH:
        with pytest.raises(UsageError, match="clipping 'x' needs operator set 8 or later, not 7"):
            guard(model, box, "clip")
        return
    x = points()
    clipped = ran(guarded(model, box, "clip"), x=x)["y"]
    np.testing.assert_array_equal(clipped, ran(model, x=np.clip(x, lower, upper).astype("f4"))["y"])


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize(("box", "lower", "upper"), [(EACH, LOWER, UPPER), (ALL, -1, 2)])
def test_an_output_per_sample(opset, box, lower, upper):
    model = mlp(opset=opset, ir=8)
    made = guarded(model, box, "output")
    check(made, 3)
    x = points()
    x[0, 2] = np.nan
    found = ran(made, x=x)
    wanted = ((lower <= x) & (x <= upper)).all(axis=1)
    assert 0 < wanted.sum() < len(x)
    np.testing.assert_array_equal(found["inside_box"], wanted)
    np.testing.assert_array_equal(found["y"], ran(model, x=x)["y"])
    output = made.graph.output[1].type.tensor_type
    assert [d.dim_param for d in output.shape.dim] == ["N"]


@pytest.mark.parametrize("dtype", [np.float64, np.float16])
@pytest.mark.parametrize("box", [EACH, ALL])
def test_other_types(dtype, box):
    model = mlp(dtype=dtype, opset=17)
    x = points(dtype)
    lower, upper = box.ranges["x"]
    clipped = ran(guarded(model, box, "clip"), x=x)["y"]
    np.testing.assert_array_equal(
        clipped, ran(model, x=np.clip(x, lower, upper).astype(dtype))["y"]
    )
    inside = ran(guarded(model, box, "output"), x=x)["inside_box"]
    np.testing.assert_array_equal(inside, ((lower <= x) & (x <= upper)).all(axis=1))


def test_bounds_between_two_numbers_of_the_type_are_rounded_inward():
    """The float32 next to 0.1 is above it: it is outside."""
    model = build([node("Identity", ["x"], ["y"])])
    box = Box.everywhere(-0.1, 0.1, {"x": (1, 5)})
    least = np.nextafter(np.float32(0.1), np.float32(0))
    x = np.array([[0.1] * 5, [least] * 5, [-0.1] * 5], np.float32)
    assert ran(guarded(model, box, "output"), x=x)["inside_box"].tolist() == [False, True, False]
    clipped = ran(guarded(model, box, "clip"), x=x)["y"]
    assert np.abs(clipped).max() == least
    point = Box.everywhere(0.1, 0.1, {"x": (1, 5)})
    with pytest.raises(UsageError, match="no float32 lies between two bounds of 'x'"):
        guard(model, point, "clip")


def two_inputs(first, second, opset=17):
    shapes = {"x": first, "z": second}
    return build([node("Add", ["x", "z"], ["y"])], inputs=shapes, opset=opset)


@pytest.mark.parametrize("opset", [12, 18])
def test_both_inputs_of_a_sample_count(opset):
    model = two_inputs(("N", 2), ("N", 2), opset)
    box = Box.everywhere(0.0, 1.0, {"x": (1, 2), "z": (1, 2)})
    x = np.array([[0, 1], [0, 1], [2, 0]], np.float32)
    z = np.array([[1, 1], [-1, 0], [0, 0]], np.float32)
    found = ran(guarded(model, box, "output"), x=x, z=z)["inside_box"]
    assert found.tolist() == [True, False, False]
    only = Box({"z": box.ranges["z"]})
    found = ran(guarded(model, only, "output"), x=x, z=z)["inside_box"]
    assert found.tolist() == [True, False, True]
    clipped = ran(guarded(model, only, "clip"), x=x, z=z)["y"]
    np.testing.assert_array_equal(clipped, x + np.clip(z, 0, 1))


@pytest.mark.parametrize(
    ("first", "second"), [((3, 2), (3, 2)), (("N", 2), ("M", 2)), (("N", 2), (1, 2))]
)
def test_one_answer_where_the_batch_cannot_be_told(first, second):
    model = two_inputs(first, second)
    shapes = [tuple(d if isinstance(d, int) else 1 for d in s) for s in (first, second)]
    box = Box.everywhere(0.0, 1.0, dict(zip("xz", shapes, strict=True)))
    made = guarded(model, box, "output")
    zeros = {"x": np.zeros((3, 2), "f4"), "z": np.zeros((1 if second[0] == 1 else 3, 2), "f4")}
    assert ran(made, **zeros)["inside_box"].shape == ()
    assert ran(made, **zeros)["inside_box"].item()
    zeros["x"][-1, -1] = 2
    assert not ran(made, **zeros)["inside_box"].item()


def test_samples_of_a_single_number():
    model = build([node("Neg", ["x"], ["y"])], inputs={"x": ("N",)})
    made = guarded(model, Box.everywhere(0.0, 1.0, {"x": (1,)}), "output")
    found = ran(made, x=np.array([0.5, 2], np.float32))["inside_box"]
    assert found.tolist() == [True, False]


def branching():
    """Two branches read x from outside; one has a tensor of its own that is called x_clipped."""
    outputs = [helper.make_tensor_value_info("b", TensorProto.FLOAT, None)]
    branches = {
        f"{name}_branch": helper.make_graph(nodes, name, [], outputs)
        for name, nodes in (
            ("then", [node("Neg", ["x"], ["b"])]),
            ("else", [node("Abs", ["x"], ["x_clipped"]), node("Neg", ["x_clipped"], ["b"])]),
        )
    }
    nodes = [
        node("ReduceSum", ["x"], ["s"], keepdims=0),
        node("Greater", ["s", "zero"], ["c"]),
        node("If", ["c"], ["y"], **branches),
    ]
    return build(nodes, {"zero": np.float32(0)})


def test_readers_inside_of_subgraphs():
    model = branching()
    made = guarded(model, ALL, "clip")
    assert "x_clipped_1" in [name for n in made.graph.node for name in n.output]
    for sign in (-1, 1):
        x = sign * np.arange(5, dtype=np.float32).reshape(1, 5)
        np.testing.assert_array_equal(
            ran(made, x=x)["y"], ran(model, x=np.clip(x, -1, 2).astype("f4"))["y"]
        )


def test_names_that_are_taken():
    nodes = [node("Neg", ["x"], ["inside_box"]), node("Neg", ["inside_box"], ["x_lower"])]
    model = build(nodes, outputs=("inside_box", "x_lower"))
    made = guarded(model, EACH, "output")
    assert [o.name for o in made.graph.output] == ["inside_box", "x_lower", "inside_box_1"]
    check(made, 5)
    x = points()
    np.testing.assert_array_equal(ran(made, x=x)["x_lower"], x)


def test_nothing_else_changes():
    model = mlp(ir=3, listed=True)
    model.metadata_props.add(key="author", value="me")
    for how in ("clip", "output"):
        made = guarded(model, ALL, how)
        for part in ("initializer", "input", "value_info"):
            assert getattr(made.graph, part) == getattr(model.graph, part)
        assert made.metadata_props == model.metadata_props
        check(made, 3)


@pytest.mark.parametrize("box", [EACH, ALL])
@pytest.mark.parametrize("how", ["clip", "output"])
def test_a_guarded_model_is_equal_in_its_domain_only(tmp_path, box, how):
    model = mlp()
    model.graph.output[0].CopyFrom(info("y", ("N", 3)))
    made = guarded(model, box, how)
    state_domain(made, box)
    onnx.save(model, tmp_path / "a.onnx")
    onnx.save(made, tmp_path / "b.onnx")
    for pair in (("a.onnx", "b.onnx"), ("b.onnx", "a.onnx")):
        verdict = verify(*(tmp_path / name for name in pair))
        assert (verdict.status, verdict.reason) == ("equal", "")
        assert [row.max_abs for row in verdict.outputs] == [0, 0]
        assert verdict.uncompared == (("inside_box",) if how == "output" else ())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"how": "shout"}, "no guard is called 'shout'; there are clip, output"),
        ({"model": mlp(opset=6)}, "needs operator set 7 or later, not 6"),
        ({"box": Box({})}, "no bounds for any input"),
        ({"box": Box.everywhere(0.0, 1.0, {"q": (1, 5)})}, "no input 'q'"),
        ({"box": Box.everywhere(0.0, 1.0, {"x": (1, 4)})}, r"have shape \(1, 4\)"),
    ],
)
def test_what_cannot_be_guarded(change, message):
    given = {"model": mlp(), "box": ALL, "how": "clip"} | change
    before = given["model"].SerializeToString()
    with pytest.raises(UsageError, match=message):
        guard(**given)
    assert given["model"].SerializeToString() == before


@pytest.mark.parametrize("how", ["clip", "output"])
def test_weights_that_stay_in_their_file(tmp_path, how):
    """A large model is guarded as it is read: placeholders stand for its numbers."""
    rng = np.random.default_rng(0)
    weights = {"w": rng.integers(-3, 4, (5, 60_000)).astype("f4"), "v": np.ones((60_000, 3), "f4")}
    nodes = [
        node("MatMul", ["x", "w"], ["h"]),
        node("Relu", ["h"], ["r"]),
        node("MatMul", ["r", "v"], ["y"]),
    ]
    onnx.save(build(nodes, weights), tmp_path / "a.onnx")
    model, payloads = read_model(tmp_path / "a.onnx")
    assert payloads is not None
    guard(model, EACH, how)
    state_domain(model, EACH)
    write(model, payloads, tmp_path / "b.onnx")
    verdict = verify(tmp_path / "a.onnx", tmp_path / "b.onnx", Settings(samples=9))
    assert (verdict.status, verdict.outputs[0].max_abs) == ("equal", 0)


def test_what_is_clipped_can_still_be_bounded():
    """With one pair of bounds: a guarded model may be reduced again."""
    model = mlp()
    made = guarded(model, ALL, "clip")
    plain, behind = (ladder(load(m), ALL, rungs=("interval",)) for m in (model, made))
    assert plain.tensors.keys() == {"h"}
    for end in ("lower", "upper"):
        found, wanted = (getattr(phases.tensors["h"], end) for phases in (behind, plain))
        np.testing.assert_array_equal(found, wanted)
        assert np.isfinite(wanted).all()
