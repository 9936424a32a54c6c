"""A model states its domain among its metadata, and nothing else of it changes."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from lumpcli.box import KEY, Box, to_text
from lumpcli.errors import InputError, UsageError
from lumpcli.exporter import domain_of, state_domain, without_domain
from lumpcli.loader import load
from tests.models import build, mlp, node

UNIT = Box.everywhere(0.0, 1.0, {"x": (1, 5)})


def decorated():
    model = mlp(ir=9)
    model.metadata_props.add(key="author", value="me")
    model.metadata_props.add(key="", value="")
    return model


def test_stated_read_and_removed():
    model = decorated()
    before = model.SerializeToString()
    assert domain_of(model) is None
    state_domain(model, UNIT)
    assert [p.key for p in model.metadata_props] == ["author", "", KEY]
    read = onnx.ModelProto.FromString(model.SerializeToString())
    found = domain_of(read)
    assert found is not None
    assert to_text(found) == to_text(UNIT)
    assert without_domain(read).SerializeToString() == before
    assert domain_of(read) is not None
    assert without_domain(without_domain(read)).SerializeToString() == before


def test_a_domain_only_gets_smaller():
    model = decorated()
    state_domain(model, UNIT)
    state_domain(model, Box.everywhere(-1.0, 0.5, {"x": (1, 5)}))
    state_domain(model, Box({"x": (np.zeros((1, 5)), np.array([[1, 1, 0.25, 1, 1]]))}))
    found = domain_of(model)
    assert found is not None
    lower, upper = found.ranges["x"]
    assert (lower.tolist(), upper.tolist()) == ([[0] * 5], [[0.5, 0.5, 0.25, 0.5, 0.5]])
    assert [p.key for p in model.metadata_props].count(KEY) == 1
    text = model.SerializeToString()
    with pytest.raises(UsageError, match="lower bound of 'x'"):
        state_domain(model, Box.everywhere(2.0, 3.0, {"x": (1, 5)}))
    assert model.SerializeToString() == text


@pytest.mark.parametrize(
    ("box", "message"),
    [
        (Box({}), "no bounds for any input"),
        (Box.everywhere(0.0, 1.0, {"w": (6, 5)}), "no input 'w'"),
        (Box.everywhere(0.0, 1.0, {"ids": (2,)}), "no input 'ids'"),
        (Box.everywhere(0.0, 1.0, {"x": (5,)}), r"has \(1, 5\)"),
    ],
)
def test_a_box_of_other_inputs(box, message):
    """Weights that are also inputs, and integers, have no bounds."""
    model = mlp(listed=True)
    model.graph.input.add(name="ids").type.tensor_type.elem_type = onnx.TensorProto.INT64
    with pytest.raises(UsageError, match=message):
        state_domain(model, box)


def test_inputs_without_bounds_have_none():
    nodes = [node("Add", ["x", "z"], ["y"])]
    model = build(nodes, inputs={"x": ("N", 5), "z": (1, 5)})
    state_domain(model, UNIT)
    found = domain_of(model)
    assert found is not None
    assert list(found.ranges) == ["x"]


@pytest.mark.parametrize("text", ["", "{", to_text(Box.everywhere(0.0, 1.0, {"q": (1, 5)}))])
def test_malformed_statements(text):
    model = decorated()
    model.metadata_props.add(key=KEY, value=text)
    for read in (domain_of, lambda m: state_domain(m, UNIT)):
        with pytest.raises(InputError, match=KEY):
            read(model)
    assert domain_of(without_domain(model)) is None


def test_one_pair_survives_another_batch_size():
    """Tools fix the batch size of a file; bounds of each element cannot follow that."""
    model = mlp()
    state_domain(model, UNIT)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4
    found = domain_of(model)
    assert found is not None
    assert found.ranges["x"][0].shape == (4, 5)


def test_the_reduction_does_not_read_it():
    model = mlp()
    before = load(model).net
    state_domain(model, UNIT)
    assert [layer.width for layer in load(model).net.layers] == [x.width for x in before.layers]
