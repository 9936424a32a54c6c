"""From a model to a program: for one sample, with all shapes known."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper
from onnx.reference import ReferenceEvaluator

from lumpcli.bounds.activations import ACTIVATIONS
from lumpcli.bounds.affine import Unbounded
from lumpcli.bounds.batches import one_by_one
from lumpcli.bounds.build import Build, Node
from lumpcli.bounds.functions import Function
from lumpcli.bounds.linear import add, average, batch_norm, conv, gemm, matmul, multiply, negate
from lumpcli.bounds.linear import reduce as reduce_
from lumpcli.bounds.moving import (
    concat,
    expand,
    flatten,
    gather,
    pad,
    reshape,
    same,
    slice_,
    squeeze,
    transpose,
    unsqueeze,
)
from lumpcli.bounds.program import Program, Step, Tensor
from lumpcli.loader import DEFAULT_DOMAINS, Graph, Host, describe

OPERATORS: dict[str, Callable[[Node], Tensor]] = {
    "Gemm": gemm,
    "MatMul": matmul,
    "Conv": conv,
    "BatchNormalization": batch_norm,
    **dict.fromkeys(("Add", "Sub", "Sum"), add),
    **dict.fromkeys(("Mul", "Div"), multiply),
    "Neg": negate,
    "AveragePool": average,
    **dict.fromkeys(("ReduceMean", "ReduceSum", "GlobalAveragePool"), reduce_),
    **dict.fromkeys(("Identity", "Dropout"), same),
    "Reshape": reshape,
    "Flatten": flatten,
    "Transpose": transpose,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Slice": slice_,
    "Gather": gather,
    "Pad": pad,
    "Expand": expand,
    "Concat": concat,
    **ACTIVATIONS,
}
_FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)
_SHAPES = ("Concat", "Gather", "Slice", "Unsqueeze", "Squeeze", "Cast", "Add", "Mul", "Sub", "Div")
_OLDEST = 7  # before it, operators broadcast otherwise, and train unless told not to
_MOST_FOLDED = 1000  # elements of a tensor of sizes


def input_shapes(graph: Graph, batch: int = 1) -> dict[str, tuple[int, ...]]:
    """The graph inputs and their shapes for one sample: a first axis of unknown size is `batch`.

    Inputs of another type than floats, and of other unknown sizes, are left out.
    """
    stored = {tensor.name for tensor in graph.proto.initializer}
    found = {}
    for info in graph.proto.input:
        shape = _shape(info, batch)
        if info.name not in stored and shape is not None:
            found[info.name] = shape
    return found


def narrow_inputs(graph: Graph) -> list[str]:
    """The graph inputs of float types narrower than float32."""
    narrow = (TensorProto.FLOAT16, TensorProto.BFLOAT16)
    return [i.name for i in graph.proto.input if i.type.tensor_type.elem_type in narrow]


def _shape(info: ValueInfoProto, batch: int) -> tuple[int, ...] | None:
    tensor = info.type.tensor_type
    if tensor.elem_type not in _FLOATS or not tensor.HasField("shape"):
        return None
    sizes = [d.dim_value for d in tensor.shape.dim]
    if sizes and sizes[0] <= 0:
        sizes[0] = batch
    return tuple(sizes) if min(sizes, default=1) > 0 else None


def lower(host: Host, *, outputs: bool = False) -> Program:
    """The program of a model's top graph; whatever is not followed is named with a reason.

    With `outputs` the graph's outputs are targets, too.
    """
    program = _lowered(host, 1, outputs)
    if input_shapes(host.graph) == input_shapes(host.graph, 2):
        return program
    return one_by_one(program, lambda: _lowered(host, 2, outputs))


def _lowered(host: Host, batch: int, outputs: bool) -> Program:
    build, graph = Build(host.weights), host.graph
    shapes = input_shapes(graph, batch)
    inputs = {name: build.add(None, [], shape) for name, shape in shapes.items()}
    build.tensors.update(inputs)
    local = {(f.domain, f.name) for f in graph.model.functions}
    for number in graph.order:
        proto = graph.proto.node[number]
        if all(build.constant(name) is not None for name in proto.output if name):
            continue
        reason = "it is defined in the model itself"
        if (proto.domain, proto.op_type) not in local:
            reason = _visit(build, proto, graph.opset)
        if reason:
            build.reasons |= {n: f"{describe(proto)}: {reason}" for n in proto.output if n}
    if outputs:
        names = [info.name for info in graph.proto.output]
        build.targets |= {n: build.tensors[n] for n in names if n in build.tensors}
    return _pruned(build, inputs, made_by_none(host))


def made_by_none(host: Host) -> set[str]:
    """The tensors that the layers of a model read and none of them makes."""
    return {layer.name for layer in host.net.layers if not layer.terms}


def _visit(build: Build, proto: NodeProto, opset: int) -> str:
    """Follow one node, or say why not."""
    if opset < _OLDEST:
        return f"operator sets below {_OLDEST} are not followed"
    operator = OPERATORS.get(proto.op_type) if proto.domain in DEFAULT_DOMAINS else None
    try:
        if _fold(build, proto, opset):
            return ""
        if operator is None:
            return "the operator is not followed"
        build.tensors[proto.output[0]] = operator(Node(build, proto, opset))
    except Unbounded as error:
        return str(error)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, MemoryError) as error:
        return f"its shapes or attributes do not fit ({type(error).__name__})"
    return ""


def _fold(build: Build, proto: NodeProto, opset: int) -> bool:
    """Compute integers that follow from shapes."""
    if proto.op_type == "Shape" and proto.input[0] in build.tensors and not proto.attribute:
        build.folded[proto.output[0]] = np.array(build.tensors[proto.input[0]].shape, np.int64)
        return True
    known = [build.constant(name) for name in proto.input]
    if proto.op_type not in _SHAPES or not known:
        return False
    given = [k for k in known if k is not None and k.dtype.kind == "i" and k.size <= _MOST_FOLDED]
    if len(given) < len(known):
        return False
    node = helper.make_model(
        helper.make_graph(
            [proto],
            "one",
            [helper.make_tensor_value_info(n, TensorProto.INT64, None) for n in set(proto.input)],
            [helper.make_tensor_value_info(proto.output[0], TensorProto.INT64, None)],
        ),
        opset_imports=[helper.make_opsetid("", opset)],
    )
    found = _evaluated(node, dict(zip(proto.input, given, strict=True)))
    if found.dtype.kind != "i":
        return False
    build.folded[proto.output[0]] = found
    return True


def _evaluated(model: ModelProto, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    try:
        (found,) = ReferenceEvaluator(model).run(None, dict(inputs))
    except Exception as error:  # of many kinds: it is the reference's way to say no
        raise Unbounded(f"its sizes cannot be computed ({type(error).__name__})") from None
    return np.asarray(found)


def _pruned(build: Build, inputs: Mapping[str, Tensor], others: Collection[str]) -> Program:
    """The program without steps that no activation, target, input or one of `others` needs."""
    steps = build.steps
    needed = {n for n, step in enumerate(steps) if isinstance(step.operation, Function)}
    needed |= {tensor.step for tensor in (*inputs.values(), *build.targets.values())}
    needed |= {build.tensors[name].step for name in others if name in build.tensors}
    for number in reversed(range(len(steps))):
        if number in needed:
            needed.update(steps[number].sources)
    order = {old: new for new, old in enumerate(sorted(needed))}

    def renumbered(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {n: replace(t, step=order[t.step]) for n, t in tensors.items() if t.step in order}

    kept = tuple(
        Step(steps[old].size, steps[old].operation, tuple(order[s] for s in steps[old].sources))
        for old in order
    )
    return Program(
        kept,
        renumbered(inputs),
        renumbered(build.tensors),
        renumbered(build.targets),
        dict(build.reasons),
    )
