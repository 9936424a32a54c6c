"""Models with raw data in every place where ONNX can have it, and the bytes of odd messages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from lumpcli.wire import read, write
from lumpcli.wire.walk import varint
from tests.models import build, info, node

LEAST = 17  # bytes: what tests let a payload have


def lower(monkeypatch, least: int = LEAST) -> None:
    """Let small files and tensors be treated as large ones."""
    monkeypatch.setattr("lumpcli.wire.reading.SMALLEST_FILE", 0)
    monkeypatch.setattr("lumpcli.wire.reading.SMALLEST_PAYLOAD", least)


def tensor(name: str, size: int, seed: int = 0) -> TensorProto:
    """Some floats."""
    return numpy_helper.from_array(np.random.default_rng(seed).standard_normal(size, "f4"), name)


def sparse(name: str, size: int = 30):
    """A sparse tensor with large values and indices."""
    indices = numpy_helper.from_array(np.arange(size) * 2, f"{name}_indices")
    return helper.make_sparse_tensor(tensor(name, size), indices, [3 * size])


def nested() -> ModelProto:
    """Initializers, attributes, subgraphs in subgraphs, functions, sparse tensors, training."""
    inner = helper.make_graph(
        [node("Constant", [], ["i"], value=tensor("t", 40, 1))],
        *("inner", [], [info("i", None)], [tensor("ii", 41, 2)]),
    )
    branch = helper.make_graph(
        [node("If", ["flag"], ["o"], then_branch=inner, else_branch=inner)],
        *("outer", [], [info("o", None)], [tensor("oi", 300, 3)]),
    )
    odd = node("Odd", [], ["q"], domain="odd", graphs=[inner, branch])
    many = [tensor("m0", 50, 4), tensor("m1", 3), tensor("m2", 60)]
    odd.attribute.append(helper.make_attribute("many", many))
    odd.attribute.append(helper.make_attribute("s", sparse("a")))
    odd.attribute.append(helper.make_attribute("ss", [sparse("b"), sparse("c", 3)]))
    nodes = [
        node("Constant", [], ["c"], value=tensor("c", 70, 5)),
        node("If", ["flag"], ["z"], then_branch=branch, else_branch=branch),
        *(odd, node("Add", ["x", "w"], ["y"])),
    ]
    model = build(nodes, {"w": np.arange(100, dtype="f4"), "flag": np.array(True)})
    model.graph.sparse_initializer.append(sparse("sparse"))
    model.graph.initializer.append(TensorProto(name="empty", dims=[0], data_type=1, raw_data=b""))
    opset = [helper.make_opsetid("", 17)]
    body = [node("Constant", [], ["k"], value=tensor("k", 80, 6))]
    function = helper.make_function("odd", "F", [], ["k"], body, opset)
    function.attribute_proto.append(helper.make_attribute("default", tensor("d", 90, 7)))
    model.functions.append(function)
    step = helper.make_graph([], "step", [], [], [tensor("momentum", 33, 8)])
    model.training_info.add().initialization.CopyFrom(step)
    return model


def all_raw(message):
    """Every raw data in a message, found by protobuf's own means."""
    for descriptor, value in message.ListFields():
        if isinstance(message, TensorProto) and descriptor.name == "raw_data":
            yield value
        if descriptor.message_type is not None:
            for entry in [value] if hasattr(value, "ListFields") else value:
                yield from all_raw(entry)


def field(number: int, content: bytes) -> bytes:
    """A field of bytes, or of a message, as it is written."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def around(raw: bytes, tail: bytes = b"") -> bytes:
    """A message of a model whose only tensor ends in raw data and `tail`."""
    start = TensorProto(name="w", dims=[len(raw)], data_type=2).SerializeToString()
    return field(7, field(5, start + field(9, raw) + tail))


def again(path: Path) -> bytes:
    """What is written of what is read."""
    copy = path.with_name("again")
    write(*read(path), copy)
    return copy.read_bytes()
