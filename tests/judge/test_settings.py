from __future__ import annotations

import numpy as np
import pytest

from lumpcli.errors import UsageError
from lumpcli.judge import Settings, verify
from tests.judge.models import mlp


def test_settings_out_of_range(tmp_path):
    path = mlp(tmp_path / "a.onnx")
    for settings in (
        Settings(samples=0),
        Settings(seed=-1),
        Settings(tolerance=float("nan")),
        Settings(tolerance=-1.0),
        Settings(timeout=0.0),
        Settings(jobs=0),
        Settings(dims={"N": 0}),
        Settings(input_shapes={"x": (0, 6)}),
        Settings(inputs={"q": np.ones(1)}),
        Settings(dims={"Q": 1}),
    ):
        with pytest.raises(UsageError):
            verify(path, path, settings)


def test_the_defaults_are_in_range():
    Settings().check()
    assert (Settings().samples, Settings().seed, Settings().tolerance) == (64, 0, None)
