"""Where samples are drawn: a box that is given, or what the models state, or everywhere."""

from __future__ import annotations

import sys

import numpy as np
import onnx
import pytest

from lumpcli.box import KEY, Box, to_text
from lumpcli.errors import InputError, UsageError
from lumpcli.judge import Settings, verify
from lumpcli.judge.domain import find_domain, guards
from lumpcli.judge.signature import read_signature
from lumpcli.results import InputRange
from tests.judge import models
from tests.judge.models import mlp, node, save, scaled, tensor

UNIT = Box.everywhere(0.0, 1.0, {"x": (1, 6)})
RIGHT = Box.everywhere(0.5, 2.0, {"x": (1, 6)})
FAR = Box.everywhere(3.0, 4.0, {"x": (1, 6)})


def stating(path, box):
    """Let a file state a domain: a box, or any text."""
    model = onnx.load(path)
    text = to_text(box) if isinstance(box, Box) else box
    model.metadata_props.add(key=KEY, value=text)
    onnx.save(model, path)
    return path


def watched(path, name="inside_box", dtype=bool, box=UNIT):
    """The network with one more output, which says that its first element is positive."""
    model = onnx.load(mlp(path))
    model.graph.node.append(node("Cast", ["x"], [name], to=models.TensorProto.BOOL))
    if dtype is not bool:
        model.graph.node[-1].CopyFrom(node("Identity", ["x"], [name]))
    model.graph.output.append(tensor(name, ("N", 6), dtype))
    onnx.save(model, path)
    return path if box is None else stating(path, box)


def only_for_positive(path):
    """Without its ReLUs: the same function where they are active."""

    def positive(weights):
        weights.update({n: np.abs(w) for n, w in weights.items()})

    return mlp(path.with_name("a.onnx"), edit=positive), mlp(
        path, edit=positive, activation="Identity"
    )


def found(a, b, **settings):
    inside = find_domain(read_signature(a), read_signature(b), Settings(**settings))
    if inside is None:
        return None
    lower, upper = inside.box.ranges["x"]
    return float(lower.min()), float(upper.max()), inside.summary.origin


def test_which_box_counts(tmp_path):
    plain = mlp(tmp_path / "p.onnx")
    unit = stating(mlp(tmp_path / "u.onnx"), UNIT)
    right = stating(mlp(tmp_path / "r.onnx"), RIGHT)
    assert found(plain, plain) is None
    assert found(plain, unit) == (0, 1, "stated by the second model")
    assert found(unit, plain) == (0, 1, "stated by the first model")
    assert found(unit, right) == (0.5, 1, "stated by both models")
    assert found(unit, right, everywhere=True) is None
    assert found(unit, right, box=FAR) == (3, 4, "given")
    assert found(unit, right, box=["0,9", "x=-1,2"]) == (-1, 2, "given")


def test_domains_without_a_common_input(tmp_path):
    a = stating(mlp(tmp_path / "a.onnx"), UNIT)
    b = stating(mlp(tmp_path / "b.onnx"), FAR)
    with pytest.raises(UsageError, match=r"a\.onnx and .*b\.onnx state domains that have no"):
        verify(a, b)
    assert verify(a, b, Settings(everywhere=True)).status == "equal"


def test_equal_inside_only(tmp_path):
    a, b = only_for_positive(tmp_path / "b.onnx")
    assert verify(a, b).status == "different"
    verdict = verify(a, b, Settings(box=UNIT))
    assert (verdict.status, verdict.samples) == ("equal", 64)
    assert verdict.domain is not None
    assert verdict.domain.inputs == (InputRange("x", 0, 1, True),)
    stating(b, UNIT)
    assert verify(a, b).status == "equal"
    assert verify(a, b, Settings(everywhere=True)).status == "different"
    assert verify(a, b, Settings(box=["-1,1"])).status == "different"
    assert verify(a, b, Settings(box=["-1,1"])).domain is not None


def test_a_slip_inside_is_found(tmp_path):
    a = mlp(tmp_path / "a.onnx")
    b = stating(mlp(tmp_path / "b.onnx", edit=scaled("v", 1 + 1e-3)), UNIT)
    assert verify(a, b).status == "different"


def test_your_own_data_lie_inside(tmp_path):
    a, b = only_for_positive(tmp_path / "b.onnx")
    stating(b, UNIT)
    inside, outside = {"x": np.full((3, 6), 1.0)}, {"x": np.full((3, 6), -1.0)}
    assert verify(a, b, Settings(inputs=inside)).status == "equal"
    with pytest.raises(UsageError, match="given for input x is not inside the box"):
        verify(a, b, Settings(inputs=outside))
    assert verify(a, b, Settings(inputs=outside, everywhere=True)).status == "different"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"box": UNIT, "everywhere": True}, "not both"),
        ({"box": ["x=0"]}, "neither lo,hi nor name=lo,hi"),
        ({"box": ["q=0,1"]}, "no input 'q'"),
        ({"box": Box({"q": UNIT.ranges["x"]})}, "no input q"),
        ({"box": Box.everywhere(0.0, 1.0, {"x": (1, 7)})}, r"shape \(1, 7\) do not fit"),
        ({"box": Box.everywhere(0.1, 0.1, {"x": (1, 6)})}, "no float32 lies between"),
    ],
)
def test_boxes_that_do_not_fit(tmp_path, settings, message):
    a = mlp(tmp_path / "a.onnx")
    with pytest.raises(UsageError, match=message):
        verify(a, a, Settings(**settings))


def test_inputs_of_integers_have_no_bounds(tmp_path):
    nodes = [
        node("Cast", ["i"], ["f"], to=models.TensorProto.FLOAT),
        node("Add", ["x", "f"], ["y"]),
    ]
    ports = [tensor("x", ("N", 3)), tensor("i", ("N", 3), np.int64)]
    path = save(tmp_path / "a.onnx", nodes, ports, [tensor("y", ("N", 3))])
    verdict = verify(path, path, Settings(box=["0,1"]))
    assert verdict.status == "equal"
    assert verdict.domain is not None
    assert [entry.input for entry in verdict.domain.inputs] == ["x"]
    with pytest.raises(UsageError, match=r"input i is int64\[N,3\], which cannot have bounds"):
        verify(path, path, Settings(box=Box.everywhere(0.0, 1.0, {"i": (1, 3)})))


def test_malformed_domains_name_the_file(tmp_path):
    a = mlp(tmp_path / "a.onnx")
    b = stating(mlp(tmp_path / "b.onnx"), "{")
    for pair in ((a, b), (b, a)):
        with pytest.raises(InputError, match=rf"b\.onnx: the domain .* \({KEY}\) is not JSON"):
            verify(*pair)
    assert verify(a, b, Settings(everywhere=True)).status == "equal"


def test_an_output_that_guards_is_not_compared(tmp_path):
    a, b = mlp(tmp_path / "a.onnx"), watched(tmp_path / "b.onnx")
    numbered = watched(tmp_path / "n.onnx", name="inside_box_2")
    for pair, name in (((a, b), "inside_box"), ((numbered, a), "inside_box_2")):
        verdict = verify(*pair)
        assert (verdict.status, verdict.uncompared) == ("equal", (name,))
        assert {row.name for row in verdict.outputs} == {"y"}
        assert verdict.referee == "agrees"
    both = verify(b, b)
    assert {row.name for row in both.outputs} == {"y", "inside_box"}
    assert both.uncompared == ()


@pytest.mark.parametrize(
    "more",
    [{"box": None}, {"name": "inside"}, {"name": "inside_box_b"}, {"dtype": np.float32}],
)
def test_other_outputs_are_a_difference(tmp_path, more):
    a, b = mlp(tmp_path / "a.onnx"), watched(tmp_path / "b.onnx", **more)
    assert not guards(read_signature(a), read_signature(b))
    verdict = verify(a, b)
    assert verdict.status == "different"
    assert verdict.reason.startswith("outputs differ: y against y, inside")


def test_only_the_model_that_states_a_domain_may_guard(tmp_path):
    a = stating(mlp(tmp_path / "a.onnx"), UNIT)
    b = watched(tmp_path / "b.onnx", box=None)
    assert verify(a, b).status == "different"


def test_large_models_are_compared_inside_too(tmp_path, monkeypatch):
    """In a process of their own: the settings, the files and the verdict go there and back."""
    a, b = only_for_positive(tmp_path / "b.onnx")
    stating(b, UNIT)
    here = verify(a, b)
    monkeypatch.setattr(sys.modules["lumpcli.judge.verify"], "LARGE", 0)
    assert verify(a, b) == here
    assert verify(a, b, Settings(box=UNIT)).status == "equal"
    with pytest.raises(UsageError, match="no input 'q'"):
        verify(a, b, Settings(box=["q=0,1"]))
