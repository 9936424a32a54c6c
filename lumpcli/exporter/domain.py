"""The domain of a model: the box of inputs for which it is meant, stated in the model itself."""

from __future__ import annotations

from onnx import ModelProto, TensorProto, ValueInfoProto

from lumpcli.box import KEY, Box, stated, to_text
from lumpcli.errors import UsageError

_FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)


def domain_of(model: ModelProto) -> Box | None:
    """The domain that a model states, or None. Raises InputError for a malformed statement."""
    return stated(((entry.key, entry.value) for entry in model.metadata_props), _shapes(model))


def state_domain(model: ModelProto, box: Box) -> None:
    """Let a model state a domain, in place: what lies in the box and in the domain stated before.

    Other metadata stay as they are. Raises UsageError where nothing lies in both or the box is of
    other inputs, InputError for a malformed statement.
    """
    check_box(model, box)
    before = domain_of(model)
    text = to_text(before.intersect(box) if before else box)
    _clear(model)
    model.metadata_props.add(key=KEY, value=text)


def without_domain(model: ModelProto) -> ModelProto:
    """A copy of a model that states no domain."""
    copy = ModelProto()
    copy.CopyFrom(model)
    _clear(copy)
    return copy


def _clear(model: ModelProto) -> None:
    for place in reversed(range(len(model.metadata_props))):
        if model.metadata_props[place].key == KEY:
            del model.metadata_props[place]


def check_box(model: ModelProto, box: Box) -> None:
    """Raise UsageError unless a box bounds inputs of a model, in their shapes, and no others."""
    if not box.ranges:
        raise UsageError("box: it has no bounds for any input")
    shapes = _shapes(model)
    box.matches({name: shape for name, shape in shapes.items() if name in box.ranges})


def _shapes(model: ModelProto) -> dict[str, tuple[int, ...]]:
    """The shapes of the inputs of floats; a size that the model leaves open counts as 1."""
    stored = {tensor.name for tensor in model.graph.initializer}
    return {
        value.name: tuple(max(dim.dim_value, 1) for dim in value.type.tensor_type.shape.dim)
        for value in model.graph.input
        if value.name not in stored and _bounded(value)
    }


def _bounded(value: ValueInfoProto) -> bool:
    """Whether an input is of floats, and its rank is known."""
    tensor = value.type.tensor_type
    return tensor.elem_type in _FLOATS and tensor.HasField("shape")
