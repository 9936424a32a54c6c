"""Where samples are drawn: in a box that is given, or that a model states; or everywhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lumpcli.box import GUARD, Box, read_box, stated, summarise
from lumpcli.errors import InputError, UsageError
from lumpcli.judge.arrays import known
from lumpcli.judge.settings import Settings
from lumpcli.judge.signature import Port, Signature
from lumpcli.results import Domain

_GUARD = re.compile(rf"{GUARD}(_\d+)?", re.ASCII)
_STATED = ("stated by the first model", "stated by the second model", "stated by both models")


@dataclass(frozen=True)
class Inside:
    """The box that samples are drawn in, and the same in brief, with who says so."""

    box: Box
    summary: Domain


def find_domain(a: Signature, b: Signature, settings: Settings) -> Inside | None:
    """The box of the settings, or what lies in both domains that the models state; None: neither.

    Raise UsageError for a box that does not fit the model, or domains without a common input;
    InputError for a domain that cannot be read.
    """
    if settings.box is not None:
        return _inside(_given(settings.box, a.inputs), "given")
    if settings.everywhere:
        return None
    first, second = _stated(a), _stated(b)
    if first is None or second is None:
        found = first or second
        return None if found is None else _inside(found, _STATED[0 if first else 1])
    try:
        return _inside(first.intersect(second), _STATED[2])
    except UsageError as error:
        raise UsageError(
            f"{a.path} and {b.path} state domains that have no input in common "
            f"({str(error).removeprefix('box: ')}): give a box, or compare everywhere"
        ) from None


def guards(a: Signature, b: Signature) -> frozenset[str]:
    """Outputs that one model has alone, and that say whether an input is in its stated domain."""
    names = [{port.name for port in model.outputs} for model in (a, b)]
    alone = names[0] ^ names[1]
    return frozenset(
        port.name
        for model in (a, b)
        for port in model.outputs
        if port.name in alone and _is_guard(model, port)
    )


def _is_guard(model: Signature, port: Port) -> bool:
    return bool(model.stated and port.dtype == "bool" and _GUARD.fullmatch(port.name))


def _inside(box: Box, origin: str) -> Inside:
    return Inside(box, summarise(box, origin))


def _shapes(ports: Sequence[Port]) -> dict[str, tuple[int, ...]]:
    """The inputs that may have bounds; a size that the model leaves open counts as 1."""
    return {
        port.name: tuple(d if isinstance(d, int) else 1 for d in port.shape)
        for port in ports
        if port.shape is not None and port.tensor and "float" in port.dtype
    }


def _stated(model: Signature) -> Box | None:
    try:
        return stated(model.stated, _shapes(model.inputs))
    except InputError as error:
        raise InputError(f"{model.path}: {error}") from None


def _given(box: Box | Sequence[str], ports: Sequence[Port]) -> Box:
    """The box of the settings, of which text is read for all inputs that may have bounds."""
    shapes = _shapes(ports)
    if not isinstance(box, Box):
        return read_box(box, shapes)
    for name in box.ranges:
        if known(name, ports).name not in shapes:
            raise UsageError(f"input {name} is {known(name, ports)}, which cannot have bounds")
    return box
