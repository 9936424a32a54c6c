"""Programs compute what their model computes, and know the length of their sums."""

from __future__ import annotations

import numpy as np
import pytest

from lumpcli.bounds import lower
from lumpcli.loader import load
from tests.bounds.containing import box_for, computed
from tests.bounds.operators import FLATS, IMAGES, SMOOTH, between_layers
from tests.bounds.rational import dense_model, random_layers


@pytest.mark.parametrize("name", [*IMAGES, *FLATS, *SMOOTH])
def test_values_are_those_of_onnxruntime(name: str) -> None:
    rng = np.random.default_rng(5)
    model = between_layers(name, rng)
    program, box = lower(load(model)), box_for(model, rng)
    points = box.sample(np.random.default_rng(7), 9)
    values = program.evaluate({n: p.astype(np.float32) for n, p in points.items()})
    wanted = computed(model, box, ["z", "d"], 9, 7)
    for tensor, expected in zip(("z", "d"), wanted, strict=True):
        found = values[program.tensors[tensor].step].reshape(expected.shape)
        if name in ("Sign", "Floor", "Ceil"):
            continue  # a jump: float32 may be on the other side
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_steps_that_no_activation_needs_are_gone() -> None:
    model = dense_model(random_layers(np.random.default_rng(0), [3, 4, 5]))
    program = lower(load(model))
    assert [step.size for step in program.steps] == [3, 4, 4, 5, 5]
    assert program.target_steps == (1, 3)
    assert program.readers == ((1,), (2,), (3,), (4,), ())
    assert program.roundings > 5 + 4 + 1
    assert program.largest == 5
