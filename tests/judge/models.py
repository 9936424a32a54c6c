"""Small models for the judge's tests; every builder writes a file and returns its path."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

Edit = Callable[[dict[str, np.ndarray]], None]
Shape = Sequence[int | str | None]
node = helper.make_node


def tensor(name: str, shape: Shape, dtype: type = np.float32) -> ValueInfoProto:
    number = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return helper.make_tensor_value_info(name, number, list(shape))


def save(
    path: Path,
    nodes: Sequence[NodeProto],
    inputs: Sequence[ValueInfoProto],
    outputs: Sequence[ValueInfoProto],
    weights: Mapping[str, np.ndarray] | None = None,
    opset: int = 17,
    domains: Sequence[str] = (),
) -> Path:
    initializers = [numpy_helper.from_array(w, n) for n, w in (weights or {}).items()]
    graph = helper.make_graph(nodes, "g", inputs, outputs, initializers)
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=8), path)
    return path


def mlp(
    path: Path,
    batch: int | str = "N",
    dtype: type = np.float32,
    activation: str = "Relu",
    edit: Edit | None = None,
    input_name: str = "x",
    output_name: str = "y",
    inputs: int = 6,
) -> Path:
    """x (batch, 6) -> Gemm 16 -> activation -> Gemm 4 -> y; `edit` changes the weights."""
    rng = np.random.default_rng(7)
    weights = {
        "w": rng.standard_normal((16, inputs)),
        "b": rng.standard_normal(16),
        "v": rng.standard_normal((4, 16)),
        "c": rng.standard_normal(4),
    }
    weights = {n: w.astype(dtype) for n, w in weights.items()}
    if edit is not None:
        edit(weights)
    nodes = [
        node("Gemm", [input_name, "w", "b"], ["h"], transB=1),
        node(activation, ["h"], ["r"]),
        node("Gemm", ["r", "v", "c"], [output_name], transB=1),
    ]
    ins = [tensor(input_name, (batch, inputs), dtype)]
    return save(path, nodes, ins, [tensor(output_name, (batch, 4), dtype)], weights)


def slow(path: Path, layers: int = 400) -> Path:
    """About 10 ms per layer, one shared weight."""
    names = ["x", *(f"h{i}" for i in range(layers - 1)), "y"]
    nodes = [node("MatMul", [a, "w"], [b]) for a, b in pairwise(names)]
    weight = {"w": np.eye(512, dtype=np.float32)}
    return save(path, nodes, [tensor("x", (512, 512))], [tensor("y", (512, 512))], weight)


def custom(path: Path) -> Path:
    """An operator of a domain nobody registered."""
    nodes = [node("Mystery", ["x"], ["y"], domain="nowhere")]
    return save(path, nodes, [tensor("x", (1, 3))], [tensor("y", (1, 3))], domains=["nowhere"])


def unary(path: Path, operator: str, shape: Shape = ("N", 4), **attributes: float) -> Path:
    nodes = [node(operator, ["x"], ["y"], **attributes)]
    return save(path, nodes, [tensor("x", shape)], [tensor("y", shape)])


def embedding(path: Path, rows: int = 5, dtype: type = np.int64, batch: int | str = "N") -> Path:
    """Ids (batch, 3) -> rows of a table -> sum."""
    table = np.random.default_rng(1).standard_normal((rows, 4)).astype(np.float32)
    nodes = [
        node("Cast", ["ids"], ["index"], to=TensorProto.INT64),
        node("Gather", ["table", "index"], ["e"], axis=0),
        node("ReduceSum", ["e", "axes"], ["y"], keepdims=0),
    ]
    weights = {"table": table, "axes": np.asarray([1])}
    return save(path, nodes, [tensor("ids", (batch, 3), dtype)], [tensor("y", (batch, 4))], weights)


def random_normal(path: Path, scale: float = 1.0, identity: bool = False) -> Path:
    """r: random, y: scale * x. `identity` numbers the random operator anew."""
    first = [node("Identity", ["x"], ["h"]), node("Identity", ["h"], ["i"])] if identity else []
    source = "i" if identity else "x"
    nodes = [
        *first,
        node("RandomNormalLike", [source], ["r"]),
        node("Mul", [source, "s"], ["y"]),
    ]
    outputs = [tensor("r", (1, 8)), tensor("y", (1, 8))]
    return save(path, nodes, [tensor("x", (1, 8))], outputs, {"s": np.float32([scale])})


def scaled(name: str, factor: float) -> Edit:
    """An edit that multiplies the largest number of one weight."""

    def edit(weights: dict[str, np.ndarray]) -> None:
        flat = weights[name].reshape(-1)
        flat[np.argmax(np.abs(flat))] *= factor

    return edit


def rounded_by_a_third(weights: dict[str, np.ndarray]) -> None:
    """Hidden features times 3, their readers by a third: the same function, rounded elsewhere."""
    for name, factor in (("w", 3), ("b", 3), ("v", 1 / 3)):
        weights[name] = (weights[name].astype(np.float64) * factor).astype(weights[name].dtype)
