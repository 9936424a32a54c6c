"""On a box: bounds are computed again, for the box that is stated."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import onnx
import pytest

from lumpcli.api import Granted, reduce
from lumpcli.box import Box
from lumpcli.certify import check
from lumpcli.errors import UsageError
from lumpcli.proofs import Refused
from tests.models import build, node


@pytest.fixture
def files(tmp_path):
    """On [0, 1] one neuron is 0, and two are linear."""
    nodes = [
        node("Gemm", ["x", "w", "b"], ["z"], transB=1),
        node("Relu", ["z"], ["h"]),
        node("Gemm", ["h", "v", "c"], ["y"], transB=1),
    ]
    numbers = {"w": [[1, 2], [-1, -1], [1, -1], [2, 0]], "b": [1, -1, 0, 3], "v": [[1, 2, 3, 4]]}
    weights = {name: np.array(some, "f4") for name, some in {**numbers, "c": [1]}.items()}
    onnx.save(build(nodes, weights, inputs={"x": ("N", 2)}), tmp_path / "a.onnx")
    return [tmp_path / name for name in ("a.onnx", "b.onnx", "c.json")]


def changed(files, change):
    document = json.loads(files[2].read_text())
    change(document)
    files[2].write_text(json.dumps(document))
    return check(*files)


@pytest.mark.parametrize("semantics", ["real", "float32"])
def test_a_box_is_stated_and_bounds_are_computed_again(files, semantics):
    a, b, c = files
    reduce(a, b, certificate=c, check=False, granted=Granted(("0,1",), semantics, seed=3))
    told = json.loads(c.read_text())["box"]
    assert (told["seed"], told["semantics"]) == (3, semantics)
    ends = told["inputs"]["x"]
    assert [[float(e) for e in ends[k]] for k in ("lower", "upper")] == [[0, 0], [1, 1]]
    proved = check(a, b, c)
    assert (proved.box, proved.features) == (True, 2)


@pytest.mark.parametrize("first", [[], [node("Flatten", ["x"], ["s"])]], ids=["", "Flatten"])
def test_inputs_of_one_value_are_constants(files, first):
    """Where the second input is 1/2, one row is twice the other: x + 2 and 2 x + 4."""
    a, b, c = files
    nodes = [
        *first,
        node("Gemm", ["s" if first else "x", "w", "b"], ["z"]),
        node("Relu", ["z"], ["h"]),
        node("MatMul", ["h", "v"], ["y"]),
    ]
    numbers = {"w": [[1, 2], [2, 0]], "b": [1, 4], "v": [[1], [3]]}
    weights = {name: np.array(some, "f4") for name, some in numbers.items()}
    onnx.save(build(nodes, weights, inputs={"x": ("N", 2)}), a)
    box = Box({"x": (np.array([[-4.0, 0.5]]), np.array([[4.0, 0.5]]))})
    assert reduce(a, b, certificate=c, granted=Granted(box)).layers[0].lumped == 1
    assert check(a, b, c).box


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d: d.pop("box"), "may be of the other sign"),
        (lambda d: d["box"]["inputs"]["x"].update(upper=["1.0", "-1.0"]), "is above the upper"),
        (lambda d: d["box"]["inputs"]["x"].update(upper=["1.0", "1e999"]), "not all finite"),
        (lambda d: d["box"]["inputs"]["x"].update(upper=["1.0"]), "contradicts the models"),
        (lambda d: d["box"]["inputs"]["x"].update(lower=["-9.0", "0.0"]), "may not be|other sign"),
        (lambda d: d["box"]["inputs"].update(z=d["box"]["inputs"]["x"]), "no input 'z'"),
        (lambda d: d["box"].update(rungs=[]), None),
        (lambda d: d.update(level="rounding"), "not of any within rounding"),
    ],
)
def test_other_boxes(files, change, reason):
    a, b, c = files
    reduce(a, b, certificate=c, check=False, granted=Granted(("0,1",)))
    before = c.read_text()
    if reason is None:
        assert changed(files, change).box
    else:
        with pytest.raises(Refused, match=reason):
            changed(files, change)
    c.write_text(before)
    assert check(a, b, c).box


def test_what_cannot_be_certified(files):
    a, b, c = files
    with pytest.raises(UsageError, match="no --time-budget"):
        reduce(a, b, certificate=c, granted=Granted(("0,1",), budget=9.0))
    with pytest.raises(UsageError, match="no --milp"):
        reduce(a, b, certificate=c, granted=Granted(("0,1",), milp=True))
    with pytest.raises(UsageError, match="level rounding"):
        reduce(a, b, certificate=c, level="rounding", granted=Granted(("0,1",)))
    assert not b.exists()


def test_the_reduced_model_may_state_that_box_as_its_domain_and_no_other(files):
    a, b, c = files
    reduce(a, b, certificate=c, granted=Granted(("0,1",)))
    model = onnx.load(b)
    (entry,) = model.metadata_props
    assert check(a, b, c).box
    entry.value = entry.value.replace("1", "2")
    onnx.save(model, b)
    content = hashlib.sha256(b.read_bytes()).hexdigest()
    with pytest.raises(Refused, match="the models differ here"):
        changed(files, lambda d: d["reduced"].update(model=content))
