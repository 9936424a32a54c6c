"""The door: a model file becomes a net laid over the model, which stays whole."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import ModelProto, NodeProto, TensorProto

from lumpcli.errors import InputError
from lumpcli.ir import Net
from lumpcli.loader.graph import Graph, all_tensors, describe, index, read_model
from lumpcli.loader.handlers import HANDLERS, OTHERS, READ_SIZES
from lumpcli.loader.site import Site
from lumpcli.loader.tensors import external_file, location_of
from lumpcli.loader.trace import Trace, is_default
from lumpcli.loader.weights import Weights


@dataclass(frozen=True)
class Host:
    """A model with the net laid over it; `path` is None for a model in memory.

    `sites` say where the net's numbers are stored, `axes` which tensors hold the features of which
    layer and along which axis (from the end; None: along several), `ranks` how many axes tensors
    have where that is known, `notes` what lumpcli did not understand, a line each.
    """

    path: Path | None
    graph: Graph
    weights: Weights
    net: Net
    sites: tuple[Site, ...]
    axes: dict[str, tuple[str, int | None]]
    ranks: dict[str, int]
    notes: tuple[str, ...]

    @property
    def data_files(self) -> dict[str, Path]:
        """The files of external data, by the location the model gives."""
        found: dict[str, Path] = {}
        for tensor in all_tensors(self.model):
            if tensor.data_location == TensorProto.EXTERNAL:
                path, _ = external_file(tensor, self.graph.folders)
                found.setdefault(location_of(tensor), path)
        return found

    @property
    def model(self) -> ModelProto:
        """The model as it was read, large numbers left in its file; not to be changed."""
        return self.graph.model


def load(
    source: str | os.PathLike[str] | ModelProto,
    *,
    folder: str | os.PathLike[str] = ".",
    freeze_initializers: bool = False,
    whole: bool = False,
) -> Host:
    """Read a model from a path, or lay a net over one in memory (external data in `folder`).

    `whole`: large numbers are read into the model, too, and do not stay in its file.

    Any valid model goes through: what is not understood is pinned with a reason. Raises
    InputError for what is no model, a broken graph, or missing or short external data.
    """
    if isinstance(source, ModelProto):
        return _lay(index(source, (Path(folder),)), None, freeze_initializers)
    if not os.fspath(source):
        raise InputError("the name of the model is empty")
    path = Path(source)
    model, payloads = read_model(path, whole)
    try:
        graph = index(model, (path.parent, path.resolve().parent), payloads)
        return _lay(graph, path, freeze_initializers)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _lay(graph: Graph, path: Path | None, freeze_initializers: bool) -> Host:
    weights = Weights(graph, freeze_initializers)
    trace = Trace(graph, weights)
    notes = []
    for number in graph.order:
        trace.number = number
        reason = _visit(trace, graph.proto.node[number])
        if reason is not None:
            notes.append(reason)
    net, sites = trace.finish()
    axes = {
        name: (view.layer.tensor, view.axis if len(view.axes) == 1 else None)
        for name, view in (*trace.views.items(), *trace.spreads.items())
    }
    ranks = {name: len(shape) for name, shape in trace.shapes.items()}
    return Host(path, graph, weights, net, tuple(sites), axes, ranks, tuple(notes))


def _malformed(trace: Trace, node: NodeProto) -> str | None:
    """What a node lacks that its operator demands."""
    if not onnx.defs.has(node.op_type):
        return None
    try:
        schema = onnx.defs.get_schema(node.op_type, trace.opset, "")
    except onnx.defs.SchemaError:
        return f"opset {trace.opset} does not have it"
    if not schema.min_input <= len(node.input) <= schema.max_input or "" in [
        *node.input[: schema.min_input],
        *node.output[:1],
    ]:
        return f"it has {len(node.input)} inputs"
    given = {a.name for a in node.attribute}
    missing = [a.name for a in schema.attributes.values() if a.required and a.name not in given]
    return f"it lacks the attribute {missing[0]!r}" if missing else None


def _visit(trace: Trace, node: NodeProto) -> str | None:
    """Handle one node; where nobody can, pin what it reads.

    The reason is told where something understood is pinned, or where weights stay unseen.
    """
    if node.output and all(name in trace.sizes for name in node.output):
        return None
    local = any((f.domain, f.name) == (node.domain, node.op_type) for f in trace.functions)
    handler = None
    if not local:
        own = OTHERS.get((node.domain, node.op_type))
        handler = HANDLERS.get(node.op_type) if is_default(node) else own
    malformed = _malformed(trace, node) if handler is not None and is_default(node) else None
    reason = malformed
    if node.op_type not in READ_SIZES or not is_default(node):
        for name in node.input:
            if name in trace.sizes:
                trace.pin(name, f"{describe(node)} computes with its width")
    if handler is not None and malformed is None:
        reason = handler(trace)
        if reason is None:
            return None
    because = f" ({reason})" if reason else ""
    pins = False
    for name in node.input:
        pins |= trace.pin(name, f"its output is read by {describe(node)}{because}")
    telling = pins or malformed or node.op_type in ("Gemm", "MatMul", "Conv", "ConvTranspose")
    return f"{describe(node)}{because}" if reason and telling else None
