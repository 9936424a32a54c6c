"""Conv and ConvTranspose: rows of weights with a tap per place of the kernel."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from lumpcli.ir import Array, Term
from lumpcli.loader.draft import Draft, DraftSite, Extents
from lumpcli.loader.handlers.matrix import matrix, matrix_sites, put_bias, why_no_bias
from lumpcli.loader.trace import Trace, attributes_of
from lumpcli.loader.weights import Stored

_LARGEST = 1 << 26  # entries of a grouped convolution, written out with its zeros


def conv(trace: Trace) -> str | None:
    """Conv: plain, grouped (blocks along the diagonal), or depthwise (a diagonal term)."""
    return _convolution(trace, transposed=False)


def conv_transpose(trace: Trace) -> str | None:
    """ConvTranspose: stored as (inputs, outputs per group, kernel)."""
    return _convolution(trace, transposed=True)


def _convolution(trace: Trace, *, transposed: bool) -> str | None:
    node = trace.node
    attributes = attributes_of(node)
    groups = int(attributes.get("group", 1))
    weight = matrix(trace, node.input[1], int(transposed))
    if isinstance(weight, str):
        return weight
    if weight.array.ndim < 3 or not weight.array.size:
        return f"its weights have shape {list(weight.array.shape)}"
    if groups > 1 and weight.row_scale is not None and transposed:
        return "its integers are in groups"
    width = len(weight.array) if not transposed else weight.array.shape[1] * groups
    bias = node.input[2] if len(node.input) > 2 else ""
    if bias:
        reason = why_no_bias(trace, bias, width)
        if reason is not None:
            return reason
    found = convolution_term(trace, node.input[0], weight.array, attributes, transposed)
    if isinstance(found, str):
        return found
    source, term = found
    term = replace(term, row_scale=weight.row_scale, limits=weight.limits)
    layer = trace.layer(width, [(source, term)], 1 - weight.array.ndim)
    matrix_sites(trace, layer, 1, weight, transposed)
    if term.diagonal:
        groups_follow(trace, layer, groups)
    layer.bias_fixed = False
    layer.bias_dtype = weight.stored.dtype
    if bias:
        put_bias(trace, layer, 2, bias)
    else:
        trace.site(layer, 2, "bias", None)
    return None


def convolution_term(
    trace: Trace, data: str, weight: Array, attributes: dict[str, Any], transposed: bool = False
) -> tuple[Draft, Term] | str:
    """What a convolution reads, and how; or why lumpcli does not know."""
    groups = int(attributes.get("group", 1))
    width = len(weight) if not transposed else weight.shape[1] * groups
    inputs = weight.shape[1] * groups if not transposed else len(weight)
    if weight.ndim < 3 or groups < 1 or width % groups or inputs % groups:
        return f"its weights have shape {list(weight.shape)}, for {groups} groups"
    geometry, padded = _geometry(attributes, weight.shape[2:], transposed)
    depthwise = groups == inputs > 1 and not (transposed and width > inputs)
    if groups > 1 and not depthwise and width * inputs * weight[0, 0].size > _LARGEST:
        return "it has too many groups of too many channels"
    source = trace.features(data, inputs, 1 - weight.ndim)
    image = trace.image(data)
    if not depthwise:
        rows = _rows(weight, groups, transposed)
        term = Term("", rows, padded=padded, via=geometry, blocks=groups, image=image)
        return source, term
    term = Term(
        "", weight[:, 0], diagonal=True, padded=padded, via=geometry, image=image, hull=True
    )
    if width > groups:
        term = replace(term, select=np.arange(width) // (width // groups), blocks=groups)
    return source, term


def _rows(weight: Array, groups: int, transposed: bool) -> Array:
    """The weights as (outputs, inputs, kernel), zeros between groups written out."""
    if groups == 1:
        return weight.swapaxes(0, 1) if transposed else weight
    parts = [p.swapaxes(0, 1) if transposed else p for p in np.split(weight, groups)]
    rows, columns = parts[0].shape[:2]
    whole = np.zeros((groups * rows, groups * columns, *weight.shape[2:]), weight.dtype)
    for b, part in enumerate(parts):
        whole[b * rows : (b + 1) * rows, b * columns : (b + 1) * columns] = part
    return whole


def _geometry(
    attributes: dict[str, Any], kernel: tuple[int, ...], transposed: bool
) -> tuple[str, bool]:
    """What tells how positions are read, "" for a plain 1 x 1; and whether zeros are, too."""
    automatic = attributes.get("auto_pad", b"NOTSET").decode()
    pads = [int(p) for p in attributes.get("pads", ())]
    told = {
        "kernel": list(kernel),
        "strides": list(attributes.get("strides", [1] * len(kernel))),
        "dilations": list(attributes.get("dilations", [1] * len(kernel))),
        "pads": pads or [0] * (2 * len(kernel)),
        "auto_pad": automatic,
        "output": [list(attributes.get(n, ())) for n in ("output_padding", "output_shape")],
    }
    padded = transposed or any(pads) or automatic.startswith("SAME")
    steps = set(told["strides"]) == {1} and not any(pads) and not any(told["output"])
    if set(kernel) == {1} and steps:  # SAME pads nothing then
        return "", False
    return f"{'ConvTranspose' if transposed else 'Conv'} {sorted(told.items())}", padded


def groups_follow(trace: Trace, layer: Draft, groups: int) -> None:
    """A depthwise convolution has as many groups as channels."""
    stored = Stored("group", np.array([groups], np.int64), "", np.dtype(np.int64))
    extents: Extents = ((0, layer, "groups", 1),)
    site = DraftSite(trace.number, -1, "extent", stored, attribute="group", extents=extents)
    layer.sites.append(site)
