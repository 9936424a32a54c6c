"""Models on disk, their numbers in data files."""

from __future__ import annotations

import numpy as np
import onnx

from tests.evaluate import run
from tests.models import integers, mlp


def save(path, model, location="weights.bin", threshold=0, **options):
    """The model at the path, with its numbers in data files beside it."""
    path.parent.mkdir(exist_ok=True)
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    external = {"save_as_external_data": True, "location": location, "size_threshold": threshold}
    onnx.save(copy, path, **(external | options))
    return path


def works(path, model=None):
    """The file runs from where it lies, and gives the outputs of the model."""
    model = model or mlp()
    inputs = integers(model)
    expected, found = run(model, inputs), run(str(path), inputs)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, strict=True)
