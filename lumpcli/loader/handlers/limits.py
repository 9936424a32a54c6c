"""The limits of a Slice."""

from __future__ import annotations

from lumpcli.loader.trace import Trace, attributes_of

Limits = tuple[list[int], list[int], list[int], list[int]]  # starts, ends, axes, steps


def slice_limits(trace: Trace) -> Limits | str:
    """What a Slice is told, in attributes (before opset 10) or inputs."""
    node = trace.node
    attributes = attributes_of(node)
    told: dict[str, list[int] | None] = {
        name: list(attributes[name]) for name in ("starts", "ends", "axes") if name in attributes
    }
    for name, tensor in zip(("starts", "ends", "axes", "steps"), node.input[1:], strict=False):
        if tensor:
            told[name] = trace.integers(tensor)
    starts, ends = told.get("starts"), told.get("ends")
    if starts is None or ends is None or len(starts) != len(ends):
        return "its limits are not constant"
    axes, steps = told.get("axes", [*range(len(starts))]), told.get("steps", [1] * len(starts))
    if axes is None or steps is None or not len(axes) == len(steps) == len(starts):
        return "its axes or steps are not constant"
    return starts, ends, axes, steps
