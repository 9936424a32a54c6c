"""A stated domain comes back to the last bit; whatever else stands there is a clear error."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from lumpcli.box import KEY, Box, from_text, stated, to_text
from lumpcli.errors import InputError

INPUTS = {"x": (1, 3), "z": ()}
TINY, THIRD = 5e-324, 1 / 3


def entry(**more):
    return json.dumps({"version": 1, "inputs": {"x": more}})


def packed(*numbers):
    return base64.b64encode(np.array(numbers, "<f8").tobytes()).decode()


def test_the_documented_form():
    box = Box.everywhere(0.0, 1.0, {"x": (1, 3)})
    wanted = {"version": 1, "inputs": {"x": {"all": ["0x0.0p+0", "0x1.0000000000000p+0"]}}}
    assert json.loads(to_text(box)) == wanted
    each = Box({"x": (np.array([[0.0, 1, 2]]), np.full((1, 3), 2.0))})
    assert json.loads(to_text(each))["inputs"]["x"] == {"each": [packed(0, 1, 2), packed(2, 2, 2)]}


@pytest.mark.parametrize(
    ("lower", "upper"),
    [
        ([[-THIRD, -THIRD, -THIRD]], [[THIRD, THIRD, THIRD]]),
        ([[-THIRD, -TINY, 0.0]], [[1e308, TINY, 0.1]]),
        ([[0.1, 0.1, 0.1]], [[0.1, 0.1, np.nextafter(0.1, 1)]]),
    ],
)
def test_every_bit_comes_back(lower, upper):
    box = Box({"z": (np.array(-2.5), np.array(TINY)), "x": (np.array(lower), np.array(upper))})
    text = to_text(box)
    text.encode("ascii")
    back = from_text(text, INPUTS)
    assert list(back.ranges) == ["z", "x"]
    for name, ends in box.ranges.items():
        for end, other in zip(ends, back.ranges[name], strict=True):
            assert (end.shape, end.tobytes()) == (other.shape, other.tobytes())
    assert to_text(back) == text


def test_the_text_is_as_short_as_it_should_be():
    inputs = {"x": (1, 3, 224, 224)}
    assert len(to_text(Box.everywhere(0.0, 1.0, inputs))) < 100
    bounds = np.random.default_rng(0).random((1, 784))
    assert len(to_text(Box({"x": (bounds - 1, bounds)}))) < 2 * 784 * 11


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("9" * 10_000, "is not JSON"),
        ("null", "does not have the keys"),
        ("{}", "does not have the keys"),
        ('{"version": 1, "inputs": {}}', "does not have the keys"),
        ('{"version": 1, "inputs": []}', "does not have the keys"),
        ('{"version": "1", "inputs": {"x": 0}}', "does not have the keys"),
        ('{"version": 1, "inputs": {"x": 0}, "and": 0}', "does not have the keys"),
        ('{"version": 2, "shape": "round"}', "has version 2, this lumpcli reads version 1"),
        ('{"version": 1, "inputs": {"q": 0}}', "about 'q', which is no input"),
        ('{"version": 1, "inputs": {"x": 0}}', "has no two bounds for 'x'"),
        (entry(all=["0x0.0p+0"]), "has no two bounds for 'x'"),
        (entry(all=["0x0.0p+0"] * 2, each=[]), "has no two bounds for 'x'"),
        (entry(all=[0, 1]), "has no two bounds for 'x'"),
        (entry(all=["0x0.0p+0", "1.5"]), "no hexadecimal float64: '1.5'"),
        (entry(all=["0x0.0p+0", "0x1p+0"]), "no hexadecimal float64: '0x1p"),
        (entry(all=["0x0.0p+0", "0x1p+9999"]), "no hexadecimal float64"),
        (entry(all=["0x0.0p+0", "inf"]), "is no box: the bounds of 'x' are not all finite"),
        (entry(all=["nan", "nan"]), "is no box: the bounds of 'x' are not all finite"),
        (entry(all=["0x1.8000000000000p+0", "0x0.0p+0"]), r"lower bound of 'x' at \[0, 0\], 1.5"),
        (entry(each=["%%%%", "%%%%"]), "that are not base64"),
        (entry(each=["é", "é"]), "that are not base64"),
        (entry(each=[packed(0, 0), packed(1, 1)]), "has 16 bytes of bounds for 'x', not 24"),
        (entry(each=[packed(0, 0, np.nan), packed(1, 1, 1)]), "not all finite"),
    ],
)
def test_what_is_no_domain(text, message):
    with pytest.raises(InputError, match=message) as error:
        from_text(text, INPUTS)
    assert KEY in str(error.value)


def test_a_text_does_not_cost_memory():
    with pytest.raises(InputError, match="too many elements"):
        from_text(entry(all=["0x0.0p+0"] * 2), {"x": (10**6, 10**6)})


def test_it_is_found_among_other_metadata():
    text = entry(all=["0x0.0p+0"] * 2)
    assert stated([("author", "me")], INPUTS) is None
    found = stated([("author", "me"), (KEY, text)], INPUTS)
    assert found is not None
    assert to_text(found) == text
    with pytest.raises(InputError, match="is stated twice"):
        stated([(KEY, text), (KEY, text)], INPUTS)
