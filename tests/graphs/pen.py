"""Writing ONNX nodes: constants, and the operators with matrices or numbers per channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from tests.graphs.spec import Array, Graph, Rng, Step, Tensor

_STORES = ("initializer",) * 5 + ("constant", "identity", "transpose")


@dataclass
class Pen:
    """Collects the nodes and initializers of one model."""

    graph: Graph
    rng: Rng
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    initializers: list[onnx.TensorProto] = field(default_factory=list)

    @property
    def opset(self) -> int:
        """The operator set."""
        return self.graph.opset

    def tensor(self, name: str) -> Tensor:
        """A tensor by name."""
        return self.graph.tensors[name]

    def node(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Append a node named after its output."""
        name = f"/{output}"
        self.nodes.append(helper.make_node(operator, inputs, [output], name=name, **attributes))
        return output

    def store(self, name: str, values: Array) -> str:
        """A constant of floats, stored in a random way; its name."""
        array = np.ascontiguousarray(values.astype(np.float32))
        assert (array == values).all()
        way = str(self.rng.choice(_STORES))
        if way == "constant":
            return self.node("Constant", [], name, value=numpy_helper.from_array(array))
        if way == "identity":
            self.initializers.append(numpy_helper.from_array(array, f"{name}.same"))
            return self.node("Identity", [f"{name}.same"], name)
        if way == "transpose" and array.ndim > 1:
            flipped = np.ascontiguousarray(array.T)
            self.initializers.append(numpy_helper.from_array(flipped, f"{name}.t"))
            return self.node("Transpose", [f"{name}.t"], name, perm=list(range(array.ndim))[::-1])
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def number(self, name: str, value: float, dtype: Any = np.float32) -> str:
        """One number."""
        self.initializers.append(numpy_helper.from_array(np.array(value, dtype), name))
        return name

    def whole(self, name: str, values: Sequence[int]) -> str:
        """A list of integers, as an initializer or a Constant."""
        array = numpy_helper.from_array(np.array(values, np.int64), name)
        if self.rng.random() < 0.5:
            return self.node("Constant", [], name, value=array)
        self.initializers.append(array)
        return name

    def along(self, tensor: Tensor, values: Array, whole: bool) -> Array:
        """Numbers per channel in a shape that broadcasts: (C, 1, 1), or (1, C, 1, 1) if `whole`."""
        shape = [1] if whole else []
        if tensor.layout == "first":
            return values.reshape(*shape, -1, *[1] * len(tensor.spatial))
        return values.reshape(*shape, *([1] * len(tensor.spatial) if whole else []), -1)

    def axes(
        self, operator: str, source: str, output: str, axes: list[int], first: int, **more: Any
    ) -> str:
        """A node whose axes are an attribute, or from opset `first` an input."""
        if self.opset < first:
            return self.node(operator, [source], output, axes=axes, **more)
        return self.node(operator, [source, self.whole(f"{output}.axes", axes)], output, **more)

    # --- matrices

    def biased(self, step: Step, operator: str, inputs: list[str], **attributes: Any) -> None:
        """A convolution with its bias as an input, or added, or subtracted."""
        output, place = step.output, step.settings["place"]
        bias = step.numbers.get("bias")
        if bias is None:
            self.node(operator, inputs, output, **attributes)
            return
        values = bias.reshape(-1)
        if place == "input":
            inputs = [*inputs, self.store(f"{output}.b", values)]
            self.node(operator, inputs, output, **attributes)
            return
        product = self.node(operator, inputs, f"{output}.z", **attributes)
        sign = -1.0 if place == "sub" else 1.0
        shaped = self.along(self.tensor(output), sign * values, place == "add")
        added = self.store(f"{output}.b", shaped)
        operands = [added, product] if place == "add_swapped" else [product, added]
        self.node("Sub" if sign < 0 else "Add", operands, output)

    def conv(self, step: Step) -> None:
        """Conv and ConvTranspose."""
        window, groups = step.settings["window"], step.settings["groups"]
        weight = step.numbers["weight"][:, 0]
        attributes = window.attributes(self.rng)
        if groups > 1 or self.rng.random() < 0.3:
            attributes["group"] = groups
        if step.kind == "transposed":
            out, read, taps = weight.shape
            weight = weight.reshape(groups, out // groups, read, taps).transpose(0, 2, 1, 3)
            weight = weight.reshape(groups * read, out // groups, taps)
            if any(step.settings["extras"]):
                attributes["output_padding"] = list(step.settings["extras"])
        weight = weight.reshape(*weight.shape[:2], *window.kernel)
        inputs = [step.sources[0], self.store(f"{step.output}.w", weight)]
        operator = "ConvTranspose" if step.kind == "transposed" else "Conv"
        self.biased(step, operator, inputs, **attributes)

    def depthwise(self, step: Step) -> None:
        """A Conv with as many groups as channels."""
        window, kernel = step.settings["window"], step.numbers["kernel"]
        weight = kernel.reshape(len(kernel), 1, *window.kernel)
        attributes = window.attributes(self.rng)
        attributes["group"] = len(kernel) // step.settings["times"]
        inputs = [step.sources[0], self.store(f"{step.output}.w", weight)]
        self.biased(step, "Conv", inputs, **attributes)

    def dense(self, step: Step) -> None:
        """Gemm or MatMul."""
        output, form, weight = step.output, step.settings["form"], step.numbers["weight"]
        if step.settings["reads"] == "flat_last":
            weight = weight.transpose(0, 1, 3, 2)
        rows = weight.reshape(weight.shape[0] * weight.shape[1], -1)
        bias = step.numbers.get("bias")
        values = np.zeros(len(rows)) if bias is None else bias.reshape(-1)
        if form == "matmul" or (bias is None and self.opset < 11):
            inputs = [step.sources[0], self.store(f"{output}.w", rows.T)]
            product = output if bias is None else f"{output}.z"
            self.node("MatMul", inputs, product)
            if bias is not None:
                added = self.store(f"{output}.b", values)
                swapped = step.settings["place"] == "add_swapped"
                operands = [added, product] if swapped else [product, added]
                self.node("Add", operands, output)
            return
        alpha, beta = (2.0, 0.5) if form == "gemm_a" else (1.0, 1.0)
        attributes: dict[str, Any] = {"alpha": alpha, "beta": beta} if form == "gemm_a" else {}
        stored = (rows if form == "gemm_t" else rows.T) / alpha
        inputs = [step.sources[0], self.store(f"{output}.w", stored)]
        if bias is not None:
            inputs.append(self.store(f"{output}.b", values / beta))
        if form == "gemm_t":
            attributes["transB"] = 1
        self.node("Gemm", inputs, output, **attributes)

    def embedding(self, step: Step) -> None:
        """A Gather of rows of a table."""
        table = self.store(f"{step.output}.w", step.numbers["weight"][:, 0, :, 0].T)
        self.node("Gather", [table, step.sources[0]], step.output)

    # --- numbers per channel

    def per_channel(self, step: Step) -> None:
        """Mul, Div, Add, Sub and PRelu."""
        output, source = step.output, step.sources[0]
        tensor, whole = self.tensor(source), step.settings.get("rank4", False)
        ((key, values),) = step.numbers.items()
        stored = self.store(f"{output}.{key}", self.along(tensor, values, whole))
        if step.kind == "prelu":
            self.node("PRelu", [source, stored], output)
            return
        operator = step.settings["operator"]
        name = {"mul": "Mul", "div": "Div", "add": "Add", "sub": "Sub"}[operator.split("_")[0]]
        operands = [source, stored] if "_" not in operator else [stored, source]
        self.node(name, operands, output)

    def batchnorm(self, step: Step) -> None:
        """BatchNormalization."""
        keys = ("gamma", "beta", "mean", "var")
        stored = [self.store(f"{step.output}.{k}", step.numbers[k]) for k in keys]
        inputs = [step.sources[0], *stored]
        self.node("BatchNormalization", inputs, step.output, epsilon=step.settings["epsilon"])

    def filled(self, step: Step) -> None:
        """ConstantOfShape, added or multiplied."""
        output, value = step.output, step.settings["value"]
        source = self.tensor(step.sources[0])
        shape = self.whole(f"{output}.shape", [1, source.width, *[1] * len(source.spatial)])
        number = numpy_helper.from_array(np.array([value], np.float32))
        made = self.node("ConstantOfShape", [shape], f"{output}.same", value=number)
        self.node("Mul" if value else "Add", [source.name, made], output)
