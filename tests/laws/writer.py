"""Networks as ONNX models, in the dialects that exporters write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from tests.laws.core import Rng
from tests.laws.spec import Layer, Matrix, Network

# how a dense layer is written: "gemm" and what it has (t: transB, a: alpha and beta, c: the bias
# as a row of a matrix); matmul with the Add in either order, or a Sub
FORMS = ("gemm", "gemm_t", "gemm_a", "gemm_ta", "gemm_c", "matmul", "matmul_swapped", "matmul_sub")
STORES = ("initializer", "constant", "identity", "transpose")
LAYOUTS = ("batch", "sequence", "columns", "vector")


@dataclass
class Writer:
    """Collects the nodes and initializers of one model.

    `layout`: features are the last axis of (N, d) or (N, T, d), the first of (d, N), or alone.
    """

    rng: Rng
    double: bool = False
    opset: int = 13
    layout: str = "batch"
    forms: Sequence[str] = FORMS
    stores: Sequence[str] = STORES
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    initializers: list[onnx.TensorProto] = field(default_factory=list)
    written: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)

    @property
    def dtype(self) -> Any:
        """The type of all numbers."""
        return np.float64 if self.double else np.float32

    @property
    def on_the_left(self) -> bool:
        """Whether weights are the left operand."""
        return self.layout in ("columns", "vector")

    def node(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Append a node named after its output."""
        name = f"/{output}"
        self.nodes.append(helper.make_node(operator, inputs, [output], name=name, **attributes))
        return output

    def store(self, name: str, values: Matrix) -> str:
        """A constant, stored in a random way; its name."""
        array = np.ascontiguousarray(values.astype(self.dtype))
        if not (array == values).all():
            raise ValueError(f"{name} is not exact in {array.dtype}")
        way = str(self.rng.choice(list(self.stores)))
        if way == "constant":
            return self.node("Constant", [], name, value=numpy_helper.from_array(array))
        if way == "transpose" and array.ndim == 2:
            flipped = np.ascontiguousarray(array.T)
            self.initializers.append(numpy_helper.from_array(flipped, f"{name}.t"))
            return self.node("Transpose", [f"{name}.t"], name, perm=[1, 0])
        if way == "identity":
            self.initializers.append(numpy_helper.from_array(array, f"{name}.same"))
            return self.node("Identity", [f"{name}.same"], name)
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def vector(self, numbers: Matrix) -> Matrix:
        """Numbers per feature in the shape that broadcasts along the features' axis."""
        return numbers[:, None] if self.layout == "columns" else numbers

    # --- layers

    def layer(self, layer: Layer) -> None:
        """Write one layer; its tensor has its name."""
        plain = layer.activation == "identity"
        before = layer.name if plain else f"{layer.name}.z"
        if layer.kind == "dense":
            self._dense(layer, before)
        elif layer.kind == "scale":
            factors = self.store(f"{layer.name}.scale", self.vector(layer.matrix))
            self.node("Mul", [layer.sources[0], factors], before)
        elif layer.kind == "product":
            self.node("Mul", layer.sources, before)
        elif layer.kind == "sum" and len(layer.sources) == 1:
            before = self.node("Identity", layer.sources, before) if plain else layer.sources[0]
        elif layer.kind == "sum":
            self._sum(layer, before)
        if not plain:
            self._activate(layer, before)

    def _sum(self, layer: Layer, output: str) -> None:
        if len(layer.sources) > 2 and set(layer.signs) == {1}:
            self.node("Sum", layer.sources, output)
            return
        name = layer.sources[0]
        for k, (source, sign) in enumerate(zip(layer.sources[1:], layer.signs[1:], strict=True)):
            last = k == len(layer.sources) - 2
            operator = "Add" if sign > 0 else "Sub"
            name = self.node(operator, [name, source], output if last else f"{output}.{k}")

    def _dense(self, layer: Layer, output: str) -> None:
        form, names = self.written.get(layer.share or "", (self._form(layer), {}))
        if form.startswith("gemm"):
            self._gemm(layer, output, form, names)
        else:
            self._matmul(layer, output, form, names)
        self.written[layer.name] = (form, names)

    def _form(self, layer: Layer) -> str:
        """A form that can say what the layer needs."""
        forms = list(self.forms)
        if self.layout != "batch":
            forms = [f for f in forms if not f.startswith("gemm")] or ["matmul"]
        elif layer.bias is None and layer.place and self.opset >= 11:
            forms = [f for f in forms if f.startswith("gemm")] or ["gemm"]
        elif layer.bias is None and not layer.place:
            forms = ["matmul"]
        return str(self.rng.choice(forms))

    def _stored(self, names: dict[str, str], key: str, name: str, values: Matrix) -> str:
        """A constant of the layer, or of the layer it shares with."""
        if key not in names:
            names[key] = self.store(name, values)
        return names[key]

    def _gemm(self, layer: Layer, output: str, form: str, names: dict[str, str]) -> None:
        scaled, turned = "a" in form[4:], "t" in form[4:]
        alpha, beta = (2.0, 0.5) if scaled else (1.0, 1.0)
        attributes: dict[str, Any] = {"alpha": alpha, "beta": beta} if scaled else {}
        matrix = layer.matrix / alpha
        matrix = matrix if turned else matrix.T
        inputs = [layer.sources[0], self._stored(names, "weight", f"{layer.name}.w", matrix)]
        if layer.bias is not None or self.opset < 11:
            bias = layer.biases / beta
            if len(set(bias.tolist())) == 1 and self.rng.random() < 0.5:
                bias = bias[:1]
            bias = bias[None, :] if form == "gemm_c" else bias
            inputs.append(self._stored(names, "bias", f"{layer.name}.b", bias))
        if turned:
            attributes["transB"] = 1
        self.node("Gemm", inputs, output, **attributes)

    def _matmul(self, layer: Layer, output: str, form: str, names: dict[str, str]) -> None:
        has_bias = layer.bias is not None or layer.place
        product = f"{output}.product" if has_bias else output
        data = layer.sources[0]
        matrix = layer.matrix if self.on_the_left else layer.matrix.T
        weight = self._stored(names, "weight", f"{layer.name}.w", matrix)
        self.node("MatMul", [weight, data] if self.on_the_left else [data, weight], product)
        if not has_bias:
            return
        sign = -1.0 if form == "matmul_sub" else 1.0
        bias = self._stored(names, "bias", f"{layer.name}.b", self.vector(sign * layer.biases))
        operands = [bias, product] if form == "matmul_swapped" else [product, bias]
        self.node("Sub" if sign < 0 else "Add", operands, output)

    def _activate(self, layer: Layer, source: str) -> None:
        function, output = layer.function, layer.name
        attributes = dict(function.attributes)
        inputs = [source]
        if function.operator == "PRelu":
            assert layer.slopes is not None
            inputs.append(self.store(f"{output}.slopes", self.vector(layer.slopes)))
        elif function.operator == "Max":
            inputs.append(self.store(f"{output}.zero", np.zeros(())))
        elif function.operator == "Clip" and self.opset >= 11:
            low, high = float(attributes.pop("min")), float(attributes.pop("max"))
            inputs.append(self.store(f"{output}.low", np.array(low)))
            inputs.append(self.store(f"{output}.high", np.array(high)))
        self.node(function.operator, inputs, output, **attributes)

    # --- the model

    def shape(self, width: int) -> list[int | str]:
        """The shape of a tensor of features."""
        return {
            "batch": ["N", width],
            "sequence": ["N", "T", width],
            "columns": [width, "N"],
            "vector": [width],
        }[self.layout]

    def model(self, network: Network) -> onnx.ModelProto:
        """The whole model, checked."""
        for layer in network.layers:
            if layer.kind != "input":
                self.layer(layer)
        kind = onnx.TensorProto.DOUBLE if self.double else onnx.TensorProto.FLOAT
        inputs = [x.name for x in network.layers if x.kind == "input"]

        def described(names: Sequence[str]) -> list[onnx.ValueInfoProto]:
            return [
                helper.make_tensor_value_info(n, kind, self.shape(network[n].width)) for n in names
            ]

        graph = helper.make_graph(
            self.nodes,
            "laws",
            described(inputs),
            described(network.outputs),
            self.initializers,
        )
        made = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8
        )
        onnx.checker.check_model(made, full_check=True)
        return made
