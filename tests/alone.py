"""One node of a model run alone, in float64 where onnxruntime can; and what terms claim of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import numpy as np
import onnx
import onnxruntime as ort
from onnx import ModelProto, NodeProto, helper, numpy_helper

from lumpcli.ir import Array, Symmetry, Term

Apply = Callable[[Array], Array]  # features along the last axis, before and after

_FLOATS = (np.float16, np.float32, np.float64)


def session(model: ModelProto | str) -> ort.InferenceSession:
    """onnxruntime on one thread, with optimisations off."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    source = model if isinstance(model, str) else model.SerializeToString()
    return ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])


class Alone:
    """A node with the inputs it had in a run; the features of some may be replaced."""

    def __init__(
        self, model: ModelProto, node: NodeProto, inputs: Mapping[str, Array], output: str
    ) -> None:
        self.model, self.node, self.inputs, self.output = model, node, dict(inputs), output
        self._sessions: dict[tuple[bool, tuple[str, ...]], ort.InferenceSession] = {}
        self._double = True

    def run(self, replaced: Mapping[str, Array]) -> Array:
        """The output, in float64."""
        if self._double:
            try:
                return self._run(replaced, double=True)
            except (ort.capi.onnxruntime_pybind11_state.NotImplemented, _Invalid, _Failed):
                self._double = False
        return self._run(replaced, double=False)

    def _run(self, replaced: Mapping[str, Array], *, double: bool) -> Array:
        feeds = {}
        for name, value in self.inputs.items():
            if name in self._widened() and value.dtype in _FLOATS:
                wanted = np.dtype(np.float64) if double else value.dtype
            else:
                wanted = value.dtype
            feeds[name] = np.array(replaced.get(name, value), wanted, order="C")
        key = (double, tuple(replaced))
        if key not in self._sessions:
            self._sessions[key] = session(self._model(feeds, replaced))
        feeds = {name: feeds[name] for name in replaced}
        return np.asarray(self._sessions[key].run(None, feeds)[0], np.float64)

    def _widened(self) -> set[str]:
        """The inputs that have the type of the first one that is a float."""
        version = next(o.version for o in self.model.opset_import if o.domain in ("", "ai.onnx"))
        schema = onnx.defs.get_schema(self.node.op_type, version, "")
        kinds = [i.type_str for i in schema.inputs]
        kinds += kinds[-1:] * len(self.node.input)  # the last may be variadic
        return {
            name
            for name, kind in zip(self.node.input, kinds, strict=False)
            if kind == (kinds[1] if self.node.op_type == "Where" else kinds[0])
        }

    def _model(self, feeds: Mapping[str, Array], replaced: Collection[str]) -> ModelProto:
        entries = [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(feed.dtype), [None] * feed.ndim
            )
            for name, feed in feeds.items()
            if name in replaced
        ]
        rest = [numpy_helper.from_array(v, n) for n, v in feeds.items() if n not in replaced]
        result = onnx.ValueInfoProto(name=self.output)
        graph = helper.make_graph([self.node], "alone", entries, [result], rest)
        made = helper.make_model(graph, opset_imports=self.model.opset_import)
        made.ir_version = max(self.model.ir_version, 7)
        return made


_state = ort.capi.onnxruntime_pybind11_state
_Invalid, _Failed = _state.InvalidGraph, _state.Fail


def broken_claims(term: Term, apply: Apply, x: Array, generator: np.random.Generator) -> list[str]:
    """What a term says of how its reader treats positions, and is not so.

    `apply` is the reader on features along the last axis: each is treated alone, and alike; ratios
    and constants go through as `symmetry` and `padded` say.
    """
    found = []
    before = apply(x)

    def differ(got: Array, wanted: Array) -> bool:
        scale = np.nanmax(np.abs(np.where(np.isfinite(wanted), wanted, 0)), initial=1.0)
        return not np.allclose(got, wanted, rtol=1e-4, atol=1e-4 * scale, equal_nan=True)

    own = np.zeros(x.shape[-1]) if term.at is None else term.at
    with np.errstate(all="ignore"):
        for _ in range(3):
            chosen = np.array([generator.choice(np.flatnonzero(own == group)) for group in own])
            if differ(apply(x[..., chosen]), before[..., chosen]):
                found.append("it does not treat features alone and alike")
                break
        if term.symmetry is Symmetry.NONE:
            factors = []
        elif term.symmetry is Symmetry.HOMOGENEOUS:
            factors = [4.0]
        else:
            factors = [4.0, -2.0]
        for factor in factors:
            size = abs(factor) if term.symmetry is Symmetry.ABSOLUTE else factor
            if differ(apply(factor * x), size * before):
                found.append(f"a factor of {factor} does not go through")
        if term.symmetry is Symmetry.LINEAR:
            other = generator.integers(-4, 5, x.shape).astype(np.float64)
            if differ(apply(x + other), before + apply(other)):
                found.append("sums do not go through")
        if not term.padded:
            constant = apply(np.full(x.shape, 3.0))
            if differ(constant, np.full(constant.shape, 3.0)):
                found.append("constants do not go through")
            linear = term.symmetry in (Symmetry.LINEAR, Symmetry.HOMOGENEOUS)
            if linear and differ(apply(x + 3.0), before + 3.0):
                found.append("offsets do not go through")
    return found
