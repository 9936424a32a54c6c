"""In which types inputs are stored: thresholds are numbers of these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from onnx.helper import tensor_dtype_to_np_dtype

from lumpcli.box import Box
from lumpcli.errors import UsageError
from lumpcli.loader import Graph

Types = Mapping[str, np.dtype[Any]]
_FLOATS = ("float16", "float32", "float64")


def input_types(graph: Graph, box: Box) -> dict[str, np.dtype[Any]]:
    """The types of the inputs that a box bounds. UsageError for one that numpy does not have."""
    stored = {info.name: info.type.tensor_type.elem_type for info in graph.proto.input}
    types = {name: np.dtype(tensor_dtype_to_np_dtype(stored[name])) for name in box.ranges}
    for name, kind in types.items():
        if kind.name not in _FLOATS:
            wanted = ", ".join(_FLOATS)
            raise UsageError(f"the input {name!r} is {kind.name}; boxes of {wanted} can be sliced")
    return types
