"""What is in a model and what could go: the answer of `stats`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import ValueInfoProto, helper

from lumpcli.analysis import Values
from lumpcli.ir import Layer, Net, groups
from lumpcli.loader import Host
from lumpcli.measures import count
from lumpcli.measures.bounds import lower_bound
from lumpcli.measures.changes import (
    Stage,
    constant_outputs,
    count_duplicates,
    layer_changes,
    removed,
    why_unchanged,
)
from lumpcli.measures.deep import near_miss, numerical_rank
from lumpcli.results import Domain, LayerStats, Stats


def measure(
    host: Host,
    source: str,
    values: Values,
    exact: Sequence[Stage],
    rounding: Net,
    *,
    file_bytes: int,
    deep: bool = False,
    domain: Domain | None = None,
) -> Stats:
    """Describe a model, given the stages of an exact run, and what a within-rounding run leaves.

    `domain`: what the model states.
    """
    model, net = host.model, host.net
    quotient, reduced = exact[0].quotient, exact[-1].reduced
    total = count.features(net)
    reducible = total - count.features(net, reduced)
    return Stats(
        source=source,
        ir_version=model.ir_version,
        opsets={o.domain or "ai.onnx": o.version for o in model.opset_import},
        producer=f"{model.producer_name} {model.producer_version}".strip(),
        inputs={
            i.name: _type_of(i) for i in model.graph.input if i.name not in host.weights.tensors
        },
        outputs={o.name: _type_of(o) for o in model.graph.output},
        operators=dict(sorted(Counter(n.op_type for n in model.graph.node).items())),
        file_bytes=file_bytes,
        parameters=count.parameters(host),
        layers=tuple(_layers(net, values, exact, rounding, deep)),
        features=total,
        reducible=reducible,
        reducible_percent=100.0 * reducible / total if total else 0.0,
        lower_bound=lower_bound(net, reduced),
        constant_outputs=constant_outputs(net, values),
        why_not=None if reducible else why_unchanged(net, quotient, host.notes),
        domain=domain,
        notes=host.notes,
    )


def _layers(
    net: Net, values: Values, exact: Sequence[Stage], loose: Net, deep: bool
) -> list[LayerStats]:
    quotient, reduced = exact[0].quotient, exact[-1].reduced
    changes = {c.name: c for c in layer_changes(exact)}
    found: dict[str, LayerStats] = {}
    for group in groups(net):
        for layer in group.layers:
            if not layer.is_dense or not layer.listed:
                continue
            change = changes[layer.name]
            why = removed(layer, group, quotient)
            lumped = [i for i, kind in why.items() if kind == "lumped"]
            duplicate = count_duplicates(lumped, layer, group, quotient) if lumped else 0
            rank = numerical_rank(layer) if deep else None
            found[layer.name] = LayerStats(
                name=layer.name,
                node=change.node,
                operators="+".join(layer.operators),
                width=layer.width,
                parameters=count.layer_parameters(layer),
                macs=count.layer_macs(layer),
                constant=change.constant,
                unread=change.unread,
                duplicate=duplicate,
                proportional=change.lumped - duplicate,
                linear=change.linear,
                within_rounding=max(0, reduced.width(layer.name) - loose.width(layer.name)),
                reducible=layer.width - reduced.width(layer.name),
                pinned=change.pinned,
                near_miss=near_miss(layer, values[layer.name]) if deep else None,
                rank=rank,
                rank_of=_rank_limit(layer) if deep else None,
            )
    return [found[layer.name] for layer in net.dense_layers]


def _rank_limit(layer: Layer) -> int:
    return min(layer.width, sum(int(t.flat.shape[1]) for t in layer.terms if not t.diagonal))


def _type_of(info: ValueInfoProto) -> str:
    """A tensor's type as a person writes it: float32[N,784]."""
    if not info.type.HasField("tensor_type"):
        return str(info.type.WhichOneof("value"))
    tensor = info.type.tensor_type
    try:
        dtype: Any = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.elem_type)).name
    except (KeyError, TypeError):
        dtype = "unknown"
    if not tensor.HasField("shape"):
        return f"{dtype}[...]"
    dims = [
        str(d.dim_value) if d.HasField("dim_value") else d.dim_param or "?"
        for d in tensor.shape.dim
    ]
    return f"{dtype}[{','.join(dims)}]"
