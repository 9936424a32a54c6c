"""Guards: what a model that is meant for a box does with inputs outside of it.

`clip`: every element of an input outside its bounds becomes the nearest bound, and whatever read
the input reads that. `output`: one more output says whether an input is inside. Both leave what the
model computes inside the box as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, TensorShapeProto, ValueInfoProto, helper

from lumpcli.box import GUARD, Box, uniform
from lumpcli.errors import UsageError
from lumpcli.exporter.domain import check_box
from lumpcli.exporter.tensors import make_tensor
from lumpcli.ir import Array
from lumpcli.loader import DEFAULT_DOMAINS, local_names, names_in, subgraphs

Guard = Literal["clip", "output"]
_OLDEST = 7  # before it, operators do not broadcast
_CLIP_TYPES = 12  # from here on, runtimes clip other types than float32 too
_CLIP_INPUTS = 11  # from here on, the bounds of Clip are inputs; before, attributes of float32
_MAX_BROADCASTS = 8
_AT_LEAST = 12  # from here on there are GreaterOrEqual and LessOrEqual
_AXES_INPUT = 18  # from here on, the axes of ReduceMin are an input
Ends = tuple[Array, Array]  # lower and upper bounds, in the input's type


def guard(model: ModelProto, box: Box, how: Guard) -> None:
    """Guard a model, in place; `ir_version` and operator sets stay as they are.

    Bounds that are no numbers of an input's type are rounded inward. Raises UsageError where the
    box does not fit the model, has no number of a type in it, or the model's operator set is too
    old.
    """
    if how not in get_args(Guard):
        raise UsageError(f"no guard is called {how!r}; there are {', '.join(get_args(Guard))}")
    check_box(model, box)
    pen = _Pen(model)
    if pen.opset < _OLDEST:
        raise UsageError(f"a guard needs operator set {_OLDEST} or later, not {pen.opset}")
    inputs = {value.name: value for value in model.graph.input if value.name in box.ranges}
    bounds = _ends(box, inputs)
    if how == "clip":
        _clip(model, pen, bounds)
    else:
        _add_output(model, pen, bounds, list(inputs.values()))


def _ends(box: Box, inputs: Mapping[str, ValueInfoProto]) -> dict[str, Ends]:
    """The bounds of each input in its type; of one element where all have the same."""
    types = {
        name: helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        for name, value in inputs.items()
    }
    found = {}
    for name, ends in box.inward(types).ranges.items():
        alike = uniform(*ends)
        lower, upper = (np.asarray(end.flat[0]) if alike else end for end in ends)
        found[name] = lower.astype(types[name]), upper.astype(types[name])
    return found


class _Pen:
    """Writes nodes of one output each, whose names are new."""

    def __init__(self, model: ModelProto) -> None:
        self.opset = next((o.version for o in model.opset_import if o.domain in DEFAULT_DOMAINS), 1)
        self.nodes: list[NodeProto] = []
        graph = model.graph
        self._names = names_in(graph) | {value.name for value in (*graph.output, *graph.value_info)}

    def name(self, stem: str) -> str:
        """A name that no tensor has."""
        name, count = stem, 0
        while name in self._names:
            count += 1
            name = f"{stem}_{count}"
        self._names.add(name)
        return name

    def write(self, operator: str, inputs: Sequence[str], stem: str, **attributes: Any) -> str:
        """A node; returns the name of its output, which begins with `stem`."""
        name = self.name(stem)
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def constant(self, value: Array, stem: str) -> str:
        """A constant as a node: an initializer would have to be an input in old files."""
        return self.write("Constant", [], stem, value=make_tensor("", value))


# --- clip ---------------------------------------------------------------------------------


def _clip(model: ModelProto, pen: _Pen, bounds: Mapping[str, Ends]) -> None:
    renamed = {name: _clipped(pen, name, *ends) for name, ends in bounds.items()}
    _redirect(model.graph.node, renamed)
    for place, node in enumerate(pen.nodes):
        model.graph.node.insert(place, node)


def _clipped(pen: _Pen, name: str, lower: Array, upper: Array) -> str:
    stem = f"{name}_clipped"
    if lower.ndim == 0 and (pen.opset >= _CLIP_TYPES or lower.dtype == np.float32):
        if pen.opset < _CLIP_INPUTS:
            return pen.write("Clip", [name], stem, min=float(lower), max=float(upper))
        return pen.write("Clip", [name, *_constants(pen, name, lower, upper)], stem)
    if pen.opset < _MAX_BROADCASTS:
        raise UsageError(
            f"clipping {name!r} needs operator set {_MAX_BROADCASTS} or later, not {pen.opset}"
        )
    least, most = _constants(pen, name, lower, upper)
    raised = pen.write("Max", [name, least], f"{name}_raised")
    return pen.write("Min", [raised, most], stem)


def _constants(pen: _Pen, name: str, lower: Array, upper: Array) -> tuple[str, str]:
    return pen.constant(lower, f"{name}_lower"), pen.constant(upper, f"{name}_upper")


def _redirect(nodes: Iterable[NodeProto], renamed: Mapping[str, str]) -> None:
    """Let nodes, and those of their subgraphs, read other tensors."""
    for node in nodes:
        for place, name in enumerate(node.input):
            node.input[place] = renamed.get(name, name)
        for body in subgraphs(node):
            own = local_names(body)
            visible = {old: new for old, new in renamed.items() if old not in own}
            _redirect(body.node, visible)
            for output in body.output:
                output.name = visible.get(output.name, output.name)


# --- output -------------------------------------------------------------------------------


def _add_output(
    model: ModelProto, pen: _Pen, bounds: Mapping[str, Ends], inputs: Sequence[ValueInfoProto]
) -> None:
    batch = _batch(inputs)
    flags = []
    for value in inputs:
        rank = len(value.type.tensor_type.shape.dim)
        within = _within(pen, value.name, *bounds[value.name])
        flags.append(_least(pen, within, value.name, range(batch is not None, rank)))
    flag = flags[0]
    for other in flags[1:]:
        flag = pen.write("Mul", [flag, other], "all_inside")
    name = pen.write("Cast", [flag], GUARD, to=TensorProto.BOOL)
    model.graph.node.extend(pen.nodes)
    output = helper.make_tensor_value_info(name, TensorProto.BOOL, [])
    if batch is not None:
        output.type.tensor_type.shape.dim.add().CopyFrom(batch)
    model.graph.output.append(output)


def _batch(inputs: Sequence[ValueInfoProto]) -> TensorShapeProto.Dimension | None:
    """The first size of all inputs where it is open, and named the same: the number of samples."""
    sizes = [size for value in inputs for size in value.type.tensor_type.shape.dim[:1]]
    names = {size.dim_param for size in sizes if size.dim_value <= 0}
    known = len(sizes) == len(inputs) and all(size.dim_value <= 0 for size in sizes)
    named = len(inputs) == 1 or "" not in names
    return sizes[0] if known and named and len(names) == 1 else None


def _within(pen: _Pen, name: str, lower: Array, upper: Array) -> str:
    """Whether each element is between its bounds, which NaN is not."""
    least, most = _constants(pen, name, lower, upper)
    if pen.opset >= _AT_LEAST:
        above = pen.write("GreaterOrEqual", [name, least], f"{name}_above")
        below = pen.write("LessOrEqual", [name, most], f"{name}_below")
        return pen.write("And", [above, below], f"{name}_within")
    below = pen.write("Less", [name, least], f"{name}_below")
    above = pen.write("Greater", [name, most], f"{name}_above")
    beyond = pen.write("Or", [below, above], f"{name}_beyond")
    inside = pen.write("Not", [beyond], f"{name}_not_beyond")
    zero = pen.write("Sub", [name, name], f"{name}_zero")  # NaN where the element is no number
    one = pen.constant(np.ones((), lower.dtype), f"{name}_one")
    number = pen.write("Less", [zero, one], f"{name}_number")
    return pen.write("And", [inside, number], f"{name}_within")


def _least(pen: _Pen, flags: str, name: str, axes: Sequence[int]) -> str:
    """1.0 where all flags along some axes are set, else 0.0."""
    numbers = pen.write("Cast", [flags], f"{name}_flags", to=TensorProto.FLOAT)
    if not axes:
        return numbers
    if pen.opset < _AXES_INPUT:
        return pen.write("ReduceMin", [numbers], f"{name}_inside", axes=list(axes), keepdims=0)
    given = pen.constant(np.array(axes, np.int64), f"{name}_axes")
    return pen.write("ReduceMin", [numbers, given], f"{name}_inside", keepdims=0)
