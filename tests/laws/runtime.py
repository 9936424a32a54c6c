"""Running a model in onnxruntime, and what a reduction of it did to every layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx.reference import ReferenceEvaluator

from lumpcli.api import reduce
from lumpcli.judge.double import make_double
from lumpcli.results import Level, Result
from tests.laws.core import Rng
from tests.laws.spec import Network

Feeds = dict[str, Any]
_SILENT = 4


def session(model: onnx.ModelProto | bytes) -> Any:
    """A quiet session on the CPU, one thread, optimisations off."""
    content = model if isinstance(model, bytes) else model.SerializeToString()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _SILENT
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def run(model: onnx.ModelProto | bytes, feeds: Feeds) -> list[Any]:
    """All outputs."""
    outputs: list[Any] = session(model).run(None, feeds)
    return outputs


def evaluated(model: onnx.ModelProto, feeds: Feeds, wide: bool) -> list[Any]:
    """All outputs by onnx's reference evaluator; `wide`: in float64."""
    if wide:
        narrow, model = model, onnx.ModelProto()
        model.CopyFrom(narrow)
        make_double(model)
        feeds = {n: v.astype(np.float64) if v.dtype.kind == "f" else v for n, v in feeds.items()}
    outputs: list[Any] = ReferenceEvaluator(model).run(None, feeds)
    return outputs


def feeds_for(model: onnx.ModelProto, rng: Rng, batch: int = 9, largest: int = 4) -> Feeds:
    """Random small integers for every input; free dimensions get a size."""
    feeds = {}
    sizes: dict[str, int] = {"N": batch, "T": 3}
    for info in model.graph.input:
        tensor = info.type.tensor_type
        shape = [sizes[d.dim_param] if d.dim_param else d.dim_value for d in tensor.shape.dim]
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        feeds[info.name] = rng.integers(-largest, largest + 1, shape).astype(dtype)
    return feeds


FACTS = ("unread", "constant", "lumping")  # passes that cut by facts on single features


def reduced(
    model: onnx.ModelProto, level: Level = "exact", passes: Sequence[str] = FACTS
) -> Result:
    """The reduction of a model in memory; lumpcli loads what it wrote and compares (law 5)."""
    return reduce(model, level=level, passes=passes)


def widths(network: Network, result: Result) -> dict[str, int]:
    """The width of each dense layer of a network after a reduction."""
    found = {}
    by_node = {change.node: change.features.after for change in result.layers}
    for layer in network.dense:
        nodes = [f"/{layer.name}{ending}" for ending in ("", ".z", ".product", ".z.product")]
        found[layer.name] = next(by_node[n] for n in nodes if n in by_node)
    return found


def removed(result: Result) -> int:
    """How many features went."""
    return result.features.before - result.features.after


def same_bytes(a: onnx.ModelProto, b: onnx.ModelProto) -> bool:
    """Whether two models are the same file."""
    return bool(a.SerializeToString() == b.SerializeToString())


def farthest(before: list[Any], after: list[Any]) -> float:
    """The largest difference, relative to each output's largest value (at least 1)."""
    worst = 0.0
    for a, b in zip(before, after, strict=True):
        assert a.shape == b.shape
        assert np.isfinite(a).all()
        if a.size:
            worst = max(worst, float(abs(a - b).max()) / max(1.0, float(abs(a).max())))
    return worst


def identical(before: list[Any], after: list[Any]) -> bool:
    """Whether all outputs are equal as numbers, every one."""
    return all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def constant_bytes(model: onnx.ModelProto) -> int:
    """How many bytes the numbers of a model take."""
    tensors = [*model.graph.initializer]
    tensors += [a.t for node in model.graph.node for a in node.attribute if a.HasField("t")]
    return sum(onnx.numpy_helper.to_array(t).nbytes for t in tensors)
