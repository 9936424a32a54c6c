"""A program in the making: what the operators of a model may ask for and add."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from onnx import NodeProto, helper

from lumpcli.bounds.affine import Matrix, Sum, Take, Unbounded, usable
from lumpcli.bounds.program import Operation, Step, Tensor
from lumpcli.bounds.rounding import Array
from lumpcli.loader import Weights

LARGEST = 2**24  # elements of a tensor, indices of an operation


class Build:
    """The steps so far, and which tensor is which."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.steps: list[Step] = []
        self.tensors: dict[str, Tensor] = {}
        self.folded: dict[str, Array] = {}  # integers that the model computes from shapes
        self.reasons: dict[str, str] = {}
        self.targets: dict[str, Tensor] = {}

    def constant(self, name: str) -> Array | None:
        """The numbers of a constant tensor."""
        if name in self.folded:
            return self.folded[name]
        stored = self.weights.get(name) if name else None
        return None if stored is None else stored.array

    def add(
        self, operation: Operation | None, sources: Sequence[Tensor], shape: Sequence[int]
    ) -> Tensor:
        """A new step, as a tensor of that shape."""
        size = int(np.prod(shape, dtype=np.int64))
        if not 0 < size <= LARGEST:
            raise Unbounded(f"a tensor of {size} elements")
        self.steps.append(Step(size, operation, tuple(s.step for s in sources)))
        return Tensor(len(self.steps) - 1, tuple(int(n) for n in shape))

    def take(self, source: Tensor, index: Array) -> Tensor:
        """The elements `index` of a tensor, -1: zero, in the shape of `index`."""
        if index.size > LARGEST:
            raise Unbounded(f"an operation that reads {index.size} elements")
        size = int(np.prod(source.shape))
        flat = np.ascontiguousarray(index).reshape(-1)
        if len(flat) == size and (flat == np.arange(size)).all():
            return Tensor(source.step, tuple(int(n) for n in index.shape))
        return self.add(Take(flat, size), [source], index.shape)

    def matrix(self, source: Tensor, weight: Array) -> Tensor:
        """`source (groups, positions, inputs) @ weight (groups, inputs, outputs)`."""
        groups, positions, _ = source.shape
        operation = Matrix(usable(weight), positions)
        return self.add(operation, [source], (groups, positions, weight.shape[2]))

    def shifted(self, source: Tensor, bias: Array) -> Tensor:
        """A tensor plus a constant that broadcasts to it; after a product, one step with it.

        A bias on top of another is a step of its own: what they are together would be rounded.
        """
        full = np.broadcast_to(usable(bias), source.shape).reshape(-1)
        step = self.steps[source.step]
        if isinstance(step.operation, Matrix) and step.operation.bias is None:
            fused = Matrix(step.operation.weight, step.operation.positions, bias=full)
            return self.add(fused, [Tensor(s, ()) for s in step.sources], source.shape)
        return self.add(Sum((1,), bias=full), [source], source.shape)


class Node:
    """One node of the model, and what it reads."""

    def __init__(self, build: Build, proto: NodeProto, opset: int) -> None:
        self.build, self.proto, self.opset = build, proto, opset
        self.attributes = {a.name: helper.get_attribute_value(a) for a in proto.attribute}

    @property
    def kind(self) -> str:
        """The operator."""
        return str(self.proto.op_type)

    def has(self, slot: int) -> bool:
        """Whether an input is given."""
        return len(self.proto.input) > slot and self.proto.input[slot] != ""

    def tensor(self, slot: int = 0) -> Tensor:
        """A computed input; Unbounded where it is not known."""
        name = self.proto.input[slot] if self.has(slot) else ""
        if name not in self.build.tensors:
            raise Unbounded(self.build.reasons.get(name, f"{name!r} is not a number lumpcli reads"))
        return self.build.tensors[name]

    def constant(self, slot: int) -> Array | None:
        """A constant input, or None."""
        return self.build.constant(self.proto.input[slot]) if self.has(slot) else None

    def numbers(self, slot: int) -> Array:
        """A constant input of finite numbers, as float64; Unbounded where it is none."""
        found = self.constant(slot)
        if found is None:
            raise Unbounded(f"input {slot} of {self.kind} is computed, or of a type not followed")
        return usable(found)

    def integers(self, slot: int, attribute: str = "") -> list[int] | None:
        """Integers given as an attribute or as a constant input; None where not given."""
        if attribute in self.attributes:
            return [int(i) for i in np.atleast_1d(self.attributes[attribute])]
        if not self.has(slot):
            return None
        found = self.constant(slot)
        if found is None:
            raise Unbounded(f"input {slot} of {self.kind} is computed")
        return [int(i) for i in found.reshape(-1)]

    def number(self, attribute: str, default: float) -> float:
        """An attribute as it is stored: a float32."""
        return float(np.float32(self.attributes.get(attribute, default)))

    def allow(self, *names: str) -> None:
        """Raise Unbounded for an attribute that is not among these."""
        unknown: set[Any] = set(self.attributes) - set(names)
        if unknown:
            raise Unbounded(f"{self.kind} with the attribute {min(unknown)!r}")

    def moved(self, change: Callable[[Array], Array]) -> Tensor:
        """Elements of the first input, moved as `change` moves an array of their numbers."""
        source = self.tensor()
        index = np.arange(int(np.prod(source.shape))).reshape(source.shape)
        return self.build.take(source, change(index))
