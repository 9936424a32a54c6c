"""How the operators without matrices are written, opset by opset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx

from tests.graphs.heads import attend
from tests.graphs.pen import Pen
from tests.graphs.spec import Step

_UNARY: dict[str, tuple[str, dict[str, Any]]] = {
    "relu": ("Relu", {}),
    "leaky": ("LeakyRelu", {"alpha": 0.5}),
    "abs": ("Abs", {}),
    "hard_sigmoid": ("HardSigmoid", {"alpha": 0.25, "beta": 0.5}),
    "sigmoid": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
    "elu": ("Elu", {}),
    "softplus": ("Softplus", {}),
    "gelu": ("Gelu", {}),
    "hard_swish": ("HardSwish", {}),
    "identity": ("Identity", {}),
    "dropout": ("Dropout", {}),
    "cast": ("Cast", {"to": onnx.TensorProto.FLOAT}),
    "neg": ("Neg", {}),
}
_SCALAR = {
    "halve": ("Mul", 0.5),
    "twice": ("Mul", 2.0),
    "divide": ("Div", 2.0),
    "increment": ("Add", 1.0),
    "relu_max": ("Max", 0.0),
}


def function(pen: Pen, step: Step) -> None:
    """A function of one number, as one node or as exporters compose it."""
    name, (x,), y = step.settings["function"], step.sources, step.output
    if name in _UNARY:
        operator, attributes = _UNARY[name]
        pen.node(operator, [x], y, **attributes)
    elif name in _SCALAR:
        operator, number = _SCALAR[name]
        pen.node(operator, [x, pen.number(f"{y}.number", number)], y)
    elif name in ("relu6", "clip"):
        _clip(pen, x, y, *((0.0, 6.0) if name == "relu6" else (-4.0, 4.0)))
    elif name == "relu_clip":
        pen.node("Clip", [x, pen.number(f"{y}.low", 0.0)], y)
    elif name in ("double", "double_relu"):
        wide = pen.node("Cast", [x], f"{y}.wide", to=onnx.TensorProto.DOUBLE)
        if name == "double_relu":
            wide = pen.node("Relu", [wide], f"{y}.relu")
        pen.node("Cast", [wide], y, to=onnx.TensorProto.FLOAT)
    elif name == "swish":
        pen.node("Mul", [x, pen.node("Sigmoid", [x], f"{y}.gate")], y)
    elif name == "gelu_erf":
        z = pen.node("Div", [x, pen.number(f"{y}.root", 2**0.5)], f"{y}.z")
        z = pen.node("Erf", [z], f"{y}.erf")
        z = pen.node("Add", [z, pen.number(f"{y}.one", 1.0)], f"{y}.sum")
        z = pen.node("Mul", [x, z], f"{y}.product")
        pen.node("Mul", [z, pen.number(f"{y}.half", 0.5)], y)
    else:
        z = pen.node("Add", [x, pen.number(f"{y}.three", 3.0)], f"{y}.sum")
        _clip(pen, z, f"{y}.clip", 0.0, 6.0)
        z = pen.node("Mul", [x, f"{y}.clip"], f"{y}.product")
        pen.node("Div", [z, pen.number(f"{y}.six", 6.0)], y)


def _clip(pen: Pen, x: str, y: str, low: float, high: float) -> None:
    if pen.opset < 11:
        pen.node("Clip", [x], y, min=low, max=high)
        return
    pen.node("Clip", [x, pen.number(f"{y}.low", low), pen.number(f"{y}.high", high)], y)


def spatial(pen: Pen, step: Step) -> None:
    """Everything within channels."""
    s, (x,), y = step.settings, step.sources, step.output
    operator = s["operator"]
    if operator in _SHAPES:
        _SHAPES[operator](pen, step)
    elif operator.startswith("Global"):
        pen.node(operator, [x], y)
    elif operator.startswith("Reduce"):
        start = 1 if s["last"] else 2
        axes = [start + k for k in range(s["rank"])]
        if s["negative"]:
            axes = [k - s["rank"] - 2 for k in axes]
        first = 13 if operator == "ReduceSum" else 18
        pen.axes(operator, x, y, axes, first, keepdims=int(s["keep"]))
    else:
        attributes = s["window"].attributes(pen.rng, dilated=s["dilated"])
        if operator == "AveragePool":
            attributes["count_include_pad"] = int(s["include"])
        if operator == "LpPool":
            attributes["p"] = 2
        pen.node(operator, [x], y, **attributes)


def _pad(pen: Pen, step: Step) -> None:
    s, (x,), y = step.settings, step.sources, step.output
    begins, ends = s["pads"].tolist()
    pads = [0, 0, *begins, 0, 0, *ends]
    if pen.opset < 11:
        pen.node("Pad", [x], y, mode=s["mode"], pads=pads)
        return
    inputs = [x, pen.whole(f"{y}.pads", pads)]
    if s["mode"] == "constant" and pen.rng.random() < 0.5:
        inputs.append(pen.number(f"{y}.zero", 0.0))
    pen.node("Pad", inputs, y, mode=s["mode"])


def _resize(pen: Pen, step: Step) -> None:
    s, (x,), y = step.settings, step.sources, step.output
    scales = np.array([1.0, 1.0, *s["scales"]])
    if pen.opset < 11:
        pen.node("Upsample", [x, pen.store(f"{y}.scales", scales)], y, mode="nearest")
        return
    attributes = {
        "mode": "nearest",
        "coordinate_transformation_mode": "asymmetric",
        "nearest_mode": "floor",
    }
    roi = "" if pen.opset >= 13 else pen.store(f"{y}.roi", np.zeros(0))
    if not s["sizes"]:
        pen.node("Resize", [x, roi, pen.store(f"{y}.scales", scales)], y, **attributes)
        return
    made = pen.tensor(y)
    sizes = pen.whole(f"{y}.sizes", [pen.graph.batch or 1, made.width, *made.spatial])
    none = "" if pen.opset >= 13 else pen.store(f"{y}.none", np.zeros(0))
    pen.node("Resize", [x, roi, none, sizes], y, **attributes)


def _reshape(pen: Pen, step: Step) -> None:
    """Flatten and its inverse, in the forms of `form`: what the batch is, what the channels are."""
    form, (x,), y = step.settings["form"], step.sources, step.output
    made = pen.tensor(y)
    if form == "flatten":
        pen.node("Flatten", [x], y, **({"axis": 1} if pen.rng.random() < 0.5 else {}))
        return
    batch, channels = form.split("_")
    if step.settings["operator"] == "Flatten":
        rest = [made.width * made.positions]
    else:
        rest = [made.width, *made.spatial]
    if channels == "free":
        rest[0] = -1
    if batch != "dynamic":
        start = {"zero": 0, "free": -1, "batch": pen.graph.batch or 0}[batch]
        pen.node("Reshape", [x, pen.whole(f"{y}.shape", [start, *rest])], y)
        return
    shape = pen.node("Shape", [x], f"{y}.of")
    zero = pen.number(f"{y}.index", 0, np.int64)
    size = pen.node("Gather", [shape, zero], f"{y}.size")
    size = pen.axes("Unsqueeze", size, f"{y}.vector", [0], 13)
    parts = [size, pen.whole(f"{y}.rest", rest)]
    shape = pen.node("Concat", parts, f"{y}.shape", axis=0)
    pen.node("Reshape", [x, shape], y)


def _transpose(pen: Pen, step: Step) -> None:
    (x,), y = step.sources, step.output
    rank = len(pen.tensor(x).spatial) + 2
    first = pen.tensor(x).layout == "first"
    perm = [0, *range(2, rank), 1] if first else [0, rank - 1, *range(1, rank - 1)]
    pen.node("Transpose", [x], y, perm=perm)


def _squeeze(pen: Pen, step: Step) -> None:
    (x,), y = step.sources, step.output
    axes = [2 + k for k in range(step.settings["axes"])]
    pen.axes(step.settings["operator"], x, y, axes, 13)


_SHAPES: dict[str, Callable[[Pen, Step], None]] = {
    "Pad": _pad,
    "Resize": _resize,
    "Flatten": _reshape,
    "Unflatten": _reshape,
    "Transpose": _transpose,
    "Squeeze": _squeeze,
    "Unsqueeze": _squeeze,
}


# --- several tensors, or other channels

_MERGE = {"add": "Add", "sub": "Sub", "sum": "Sum", "mul": "Mul", "max": "Max", "min": "Min"}


def merge(pen: Pen, step: Step) -> None:
    """Sums, products, maxima."""
    operator = _MERGE.get(step.settings["operator"], "Mean")
    pen.node(operator, step.sources, step.output)


def concat(pen: Pen, step: Step) -> None:
    """Concat along the channels."""
    tensor = pen.tensor(step.output)
    rank = 2 if "flat" in tensor.layout else len(tensor.spatial) + 2
    axis = rank - 1 if tensor.layout == "last" else 1
    axis = axis - rank if step.settings["negative"] else axis
    pen.node("Concat", step.sources, step.output, axis=axis)


def split(pen: Pen, step: Step) -> None:
    """Split along the channels, sizes given or left out."""
    (x,), sizes = step.sources, list(pen.tensor(step.sources[0]).blocks)
    inputs, attributes = [x], {"axis": 1}
    if not step.settings["default"] and pen.opset < 13:
        attributes["split"] = sizes
    elif not step.settings["default"]:
        inputs.append(pen.whole(f"{step.output}.sizes", sizes))
    elif pen.opset >= 18:
        attributes["num_outputs"] = len(sizes)
    name = f"/{step.output}"
    pen.nodes.append(
        onnx.helper.make_node("Split", inputs, list(step.outputs), name=name, **attributes)
    )


def cut(pen: Pen, step: Step) -> None:
    """Slice of the channels."""
    s, (x,), y = step.settings, step.sources, step.output
    ends = np.cumsum([0, *pen.tensor(x).blocks]).tolist()
    start, stop = ends[s["start"]], ends[s["stop"]]
    if s["open"] and s["stop"] == len(ends) - 1:
        stop = 2**31 - 1
    if pen.opset < 10:
        pen.node("Slice", [x], y, starts=[start], ends=[stop], axes=[1])
        return
    inputs = [pen.whole(f"{y}.{k}", [v]) for k, v in (("from", start), ("to", stop), ("axes", 1))]
    pen.node("Slice", [x, *inputs], y)


def gather(pen: Pen, step: Step) -> None:
    """Gather of channels by constant indices."""
    indices = step.numbers["indices"].astype(int).tolist()
    inputs = [step.sources[0], pen.whole(f"{step.output}.indices", indices)]
    pen.node("Gather", inputs, step.output, axis=1)


def shuffle(pen: Pen, step: Step) -> None:
    """Reshape, Transpose, Reshape."""
    (x,), y, groups = step.sources, step.output, step.settings["groups"]
    tensor = pen.tensor(x)
    start, each = (0, tensor.width // groups) if step.settings["form"] == "zero" else (-1, 0)
    each = each or tensor.width // groups
    shape = pen.whole(f"{y}.apart.shape", [start, groups, each, *tensor.spatial])
    apart = pen.node("Reshape", [x, shape], f"{y}.apart")
    perm = [0, 2, 1, *range(3, 3 + len(tensor.spatial))]
    turned = pen.node("Transpose", [apart], f"{y}.turned", perm=perm)
    shape = pen.whole(f"{y}.shape", [start, tensor.width, *tensor.spatial])
    pen.node("Reshape", [turned, shape], y)


WRITE: dict[str, Callable[[Pen, Step], None]] = {
    "conv": Pen.conv,
    "transposed": Pen.conv,
    "depthwise": Pen.depthwise,
    "dense": Pen.dense,
    "embedding": Pen.embedding,
    "scale": Pen.per_channel,
    "offset": Pen.per_channel,
    "prelu": Pen.per_channel,
    "batchnorm": Pen.batchnorm,
    "filled": Pen.filled,
    "function": function,
    "spatial": spatial,
    "attend": attend,
    "merge": merge,
    "concat": concat,
    "split": split,
    "slice": cut,
    "gather": gather,
    "shuffle": shuffle,
}
