"""What a hostile author may change in a reduction and its certificate, one thing at a time."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import ModelProto, numpy_helper

Rng = np.random.Generator


@dataclass
class Proven:
    """A reduction as three files' contents, all of it open to changes."""

    name: str
    original: ModelProto
    reduced: ModelProto
    certificate: dict[str, Any]

    def copy(self) -> Proven:
        """One to be changed."""
        return copy.deepcopy(self)

    @property
    def claims(self) -> list[Any]:
        """What the certificate says of layers, and of steps."""
        said = self.certificate
        ends = [*said["box"]["inputs"].values()] if "box" in said else []
        return [*said["layers"], *said["rounds"], *said["before"], *ends]

    def sign(self) -> None:
        """Make the hashes right again."""
        for key in ("original", "reduced"):
            content = getattr(self, key).SerializeToString()
            self.certificate[key] = {"model": hashlib.sha256(content).hexdigest(), "data": {}}


def _numbers(said: Any) -> Iterator[tuple[list[Any], int]]:
    """Every entry of a list of numbers in a certificate, as list and place."""
    if isinstance(said, dict):
        for inner in said.values():
            yield from _numbers(inner)
    elif isinstance(said, list):
        for place, inner in enumerate(said):
            if isinstance(inner, (dict, list)):
                yield from _numbers(inner)
            else:
                yield said, place


def _containers(said: Any) -> Iterator[Any]:
    if isinstance(said, (dict, list)):
        yield said
        for inner in said.values() if isinstance(said, dict) else said:
            yield from _containers(inner)


_ODD: Sequence[Any] = (
    None,
    True,
    -1,
    1.5,
    "",
    "x",
    [],
    {},
    [[0]],
    10**12,
    "1e999999",
    "1/0",
    "0/1",
)


def a_number(case: Proven, rng: Rng) -> None:
    """An index or a rational becomes a neighbouring one."""
    found = [*_numbers(case.claims)]
    if not found:
        return
    said, place = found[rng.integers(len(found))]
    value = said[place]
    if isinstance(value, int):
        said[place] = max(0, value + int(rng.choice([-2, -1, 1, 2])))
    else:
        said[place] = str(rng.choice([f"-{value}", "0", "1", "2", "1/2", "3/7", "-1", "9" * 3999]))


def two_numbers(case: Proven, rng: Rng) -> None:
    """Two entries of one list change places."""
    found = [s for s in _containers(case.certificate) if isinstance(s, list) and len(s) > 1]
    if found:
        said = found[rng.integers(len(found))]
        i, j = rng.choice(len(said), 2, replace=False)
        said[i], said[j] = said[j], said[i]


def a_type(case: Proven, rng: Rng) -> None:
    """Something becomes something of another kind."""
    found = [c for c in _containers(case.certificate) if c]
    said = found[rng.integers(len(found))]
    key = list(said)[rng.integers(len(said))] if isinstance(said, dict) else rng.integers(len(said))
    said[key] = copy.deepcopy(_ODD[rng.integers(len(_ODD))])


def a_loss(case: Proven, rng: Rng) -> None:
    """Something is left out."""
    found = [c for c in _containers(case.claims) if c]
    if found:
        said = found[rng.integers(len(found))]
        del said[list(said)[rng.integers(len(said))] if isinstance(said, dict) else 0]


def a_copy(case: Proven, rng: Rng) -> None:
    """An entry of a list is there twice."""
    found = [c for c in _containers(case.certificate) if isinstance(c, list) and c]
    if found:
        said = found[rng.integers(len(found))]
        said.append(copy.deepcopy(said[rng.integers(len(said))]))


def a_counter(case: Proven, rng: Rng) -> None:
    """Level, count or assumption becomes another."""
    key = str(rng.choice(["level", "folded", "rounded", "freeze_initializers"]))
    now = case.certificate[key]
    if key == "level":
        case.certificate[key] = str(rng.choice(["strict", "exact", "rounding"]))
    else:
        case.certificate[key] = not now if isinstance(now, bool) else now + 1


def a_hash(case: Proven, rng: Rng) -> None:
    """The hash of a model is another one's."""
    case.certificate[str(rng.choice(["original", "reduced"]))]["model"] = "0" * 64


def the_files(case: Proven, rng: Rng) -> None:
    """The models change places, or one takes both."""
    a, b = case.original, case.reduced
    case.original, case.reduced = [(b, a), (a, a), (b, b)][rng.integers(3)]
    if rng.random() < 0.7:
        case.sign()


def a_weight(case: Proven, rng: Rng) -> None:
    """A stored number of either model moves by an ulp or more."""
    model = case.reduced if rng.random() < 0.6 else case.original
    floats = [t for t in model.graph.initializer if t.data_type in (1, 11) and any(t.dims)]
    floats = [t for t in floats if numpy_helper.to_array(t).size]
    if not floats:
        return
    tensor = floats[rng.integers(len(floats))]
    array = numpy_helper.to_array(tensor).copy()
    flat = array.reshape(-1)
    place = rng.integers(flat.size)
    one = flat[place]
    choices = [np.nextafter(one, array.dtype.type(9e9)), -one, one + 1, one * 2, 0, np.nan, np.inf]
    flat[place] = choices[rng.integers(len(choices)) if rng.random() < 0.7 else 0]
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    case.sign()


def a_node(case: Proven, rng: Rng) -> None:
    """A node of either model becomes another: operator, input, attribute."""
    model = case.reduced if rng.random() < 0.7 else case.original
    node = model.graph.node[rng.integers(len(model.graph.node))]
    kind = rng.integers(4)
    if kind == 0:
        node.op_type = str(rng.choice(["Relu", "Sigmoid", "Neg", "Identity", "Abs"]))
    elif kind == 1 and len(node.input) > 1:
        node.input[0], node.input[1] = node.input[1], node.input[0]
    elif kind == 2 and len(node.input):
        names = [n for other in model.graph.node for n in (*other.input, *other.output) if n]
        node.input[rng.integers(len(node.input))] = names[rng.integers(len(names))]
    elif node.attribute:
        attribute = node.attribute[rng.integers(len(node.attribute))]
        if attribute.type == 1:
            attribute.f *= 2
        elif attribute.type == 2:
            attribute.i = 1 - attribute.i
        else:
            node.attribute.remove(attribute)
    case.sign()


def a_model(case: Proven, rng: Rng) -> None:
    """Something else in a model: outputs, opset, metadata, an initializer."""
    model = case.reduced if rng.random() < 0.7 else case.original
    kind = rng.integers(4)
    if kind == 0:
        model.graph.output[0].name = model.graph.node[0].output[0]
    elif kind == 1:
        model.opset_import[0].version += 1
    elif kind == 2:
        model.metadata_props.add(key="k", value="v")
    elif model.graph.initializer:
        del model.graph.initializer[rng.integers(len(model.graph.initializer))]
    case.sign()


Change = Callable[[Proven, Rng], None]
CHANGES: tuple[Change, ...] = (
    *(a_number, a_number, a_number, two_numbers, a_type, a_loss, a_copy, a_counter, a_hash),
    *(the_files, a_weight, a_weight, a_weight, a_node, a_model),
)


def spoilt_text(text: str, rng: Rng) -> bytes:
    """A certificate that is hardly JSON any more."""
    kind = rng.integers(6)
    if kind == 0:
        return text[: rng.integers(len(text))].encode()
    if kind == 1:
        return text.replace('"layers"', '"layers": [], "layers"', 1).encode()
    if kind == 2:
        return text.replace("[", "[" * 100_000, 1).encode()
    if kind == 3:
        return text.replace('"rounded": ', '"rounded": 1e999999, "x": ', 1).encode()
    if kind == 4:
        return text.replace('"rounded": ', '"rounded": ' + "9" * 10**6 + ', "x": ', 1).encode()
    content = bytearray(text.encode())
    content[rng.integers(len(content))] = int(rng.integers(256))
    return bytes(content)
