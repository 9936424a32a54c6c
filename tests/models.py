"""Builders of small ONNX models whose numbers are small integers: float32 is exact on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, ValueInfoProto, helper, numpy_helper

Shape = Sequence[int | str]
Array = np.ndarray
node = helper.make_node
PLANTED = 6  # width of a planted layer
KEPT = 4  # what it leaves: feature 1 is feature 0, feature 3 is twice feature 2


def info(name: str, shape: Shape | None, dtype: Any = np.float32) -> ValueInfoProto:
    """A tensor's name, type and shape."""
    number = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return helper.make_tensor_value_info(name, number, None if shape is None else list(shape))


def build(
    nodes: Sequence[NodeProto],
    weights: Mapping[str, Array] | None = None,
    *,
    inputs: Mapping[str, Shape] | None = None,
    outputs: Sequence[str] = ("y",),
    opset: int = 17,
    ir: int = 8,
    dtype: Any = np.float32,
    listed: bool = False,
    domains: Sequence[str] = (),
    out_dtype: Any = None,
    values: Sequence[ValueInfoProto] = (),
) -> ModelProto:
    """A model of these nodes; `listed`: its initializers are graph inputs too."""
    given = weights or {}
    tensors = [numpy_helper.from_array(np.asarray(w), n) for n, w in given.items()]
    shapes = {"x": ("N", 5)} if inputs is None else inputs
    entries = [info(n, s, dtype) for n, s in shapes.items()]
    if listed:
        entries += [info(n, np.shape(w), np.asarray(w).dtype) for n, w in given.items()]
    results = [info(n, None, out_dtype or dtype) for n in outputs]
    graph = helper.make_graph(nodes, "g", entries, results, tensors, value_info=values)
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    return helper.make_model(graph, opset_imports=imports, ir_version=ir)


def planted(read: int = 5, dtype: Any = np.float32, seed: int = 0) -> tuple[Array, Array]:
    """Rows (6, read) and bias (6,): feature 1 duplicates feature 0, feature 3 doubles feature 2."""
    rng = np.random.default_rng(seed)
    rows = rng.choice([-3, -2, -1, 1, 2, 3], (PLANTED, read))
    bias = rng.choice([-2, -1, 1, 2], PLANTED)
    for numbers in (rows, bias):
        numbers[1] = numbers[0]
        numbers[3] = 2 * numbers[2]
    return rows.astype(dtype), bias.astype(dtype)


def reader(width: int = 3, dtype: Any = np.float32, seed: int = 9) -> Array:
    """Columns (6, width) for `MatMul`, all positive, so that no merged column vanishes."""
    rng = np.random.default_rng(seed)
    return rng.integers(1, 4, (PLANTED, width)).astype(dtype)


def around(
    first: Sequence[NodeProto],
    weights: Mapping[str, Array],
    *,
    activation: str = "Relu",
    dtype: Any = np.float32,
    **options: Any,
) -> ModelProto:
    """`first` makes `h` of `x`; then an activation and a MatMul by `v`, which make `y`."""
    tail = [node(activation, ["h"], ["r"]), node("MatMul", ["r", "v"], ["y"])]
    numbers = {**weights, "v": reader(dtype=dtype)}
    return build([*first, *tail], numbers, dtype=dtype, **options)


def mlp(dtype: Any = np.float32, **options: Any) -> ModelProto:
    """x (N, 5) -> Gemm of 6 planted features -> Relu -> MatMul -> y (N, 3)."""
    rows, bias = planted(dtype=dtype)
    gemm = node("Gemm", ["x", "w", "b"], ["h"], name="first", transB=1)
    return around([gemm], {"w": rows, "b": bias}, dtype=dtype, **options)


def integers(model: ModelProto, batch: int = 3, seed: int = 5) -> dict[str, Array]:
    """Integer values between -8 and 8 for each input; symbolic dimensions become `batch`."""
    rng = np.random.default_rng(seed)
    stored = {t.name for t in model.graph.initializer}
    found = {}
    for entry in model.graph.input:
        if entry.name not in stored:
            tensor = entry.type.tensor_type
            shape = [d.dim_value or batch for d in tensor.shape.dim]
            dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
            found[entry.name] = rng.integers(-8, 9, shape).astype(dtype)
    return found


def weight(model: ModelProto, name: str) -> Array:
    """An initializer's numbers."""
    return next(numpy_helper.to_array(t) for t in model.graph.initializer if t.name == name)


def names(model: ModelProto) -> list[str]:
    """The names of the initializers."""
    return [t.name for t in model.graph.initializer]


def unflattened(
    *nodes: NodeProto, first: bool = True, extra: Mapping[str, Array] | None = None, **options: Any
) -> ModelProto:
    """A Gemm whose output becomes an image t (N, 6, 2); the nodes make r of it, and y reads that.

    A convolution reads t too: `first`, or after the nodes.
    """
    parts = [planted(seed=seed) for seed in (0, 1)]
    rows, bias = (np.stack([part[k] for part in parts], axis=1) for k in (0, 1))
    weights = {
        "w": rows.reshape(2 * PLANTED, -1),
        "b": bias.reshape(-1),
        "k": reader(3).T[..., None],
    }
    weights |= {"v": np.concatenate([reader(seed=1), reader(seed=2)]), "to": np.array([0, -1, 2])}
    conv = [node("Conv", ["t", "k"], ["c"])]
    every = [
        node("Gemm", ["x", "w", "b"], ["h"], transB=1),
        node("Reshape", ["h", "to"], ["t"]),
        *(conv if first else []),
        *nodes,
        *([] if first else conv),
        node("Flatten", ["r"], ["f"]),
        node("MatMul", ["f", "v"], ["y"]),
    ]
    return build(every, {**weights, **(extra or {})}, outputs=("y", "c"), **options)
