"""Boxes narrowed to what an input's type represents: the same inputs, no other."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto

from lumpcli.errors import UsageError
from lumpcli.loader import load
from lumpcli.slicing import input_types
from tests.slicing.models import bends, square


def test_types():
    host = load(bends(dtype=np.float64))
    assert input_types(host.graph, square()) == {"x": np.dtype("float64")}


def test_a_type_that_is_not_cut():
    model = bends()
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.BFLOAT16
    with pytest.raises(UsageError, match="'x' is bfloat16"):
        input_types(load(model).graph, square())
