"""The box of a certificate: bounds of all that activations read there, computed again."""

from __future__ import annotations

from typing import Any

import numpy as np

from lumpcli.bounds import bounded, ladder
from lumpcli.box import Array, Box
from lumpcli.errors import UsageError
from lumpcli.ir import Net
from lumpcli.loader import Host
from lumpcli.proofs import Refused


def in_box(host: Host, said: dict[str, Any]) -> tuple[Net, Box | None]:
    """The net of a model, its layers between what bounds say on the box, if a box is said.

    Refused where the box does not fit the model, or rows are multiples only within rounding: then
    bounds would be those of another network.
    """
    if "box" not in said:
        return host.net, None
    told = said["box"]
    if said["level"] == "rounding":
        raise Refused("", "", "bounds are those of the stored weights, not of any within rounding")
    try:
        box = Box({name: _ends(one) for name, one in told["inputs"].items()})
        options = {"rungs": told["rungs"], "seed": told["seed"], "semantics": told["semantics"]}
        return bounded(host, host.net, box, ladder(host, box, **options)), box
    except UsageError as error:
        raise Refused("", "", str(error)) from None


def _ends(said: dict[str, Any]) -> tuple[Array, Array]:
    lower, upper = (
        np.array([float(text) for text in said[end]]).reshape(said["shape"])
        for end in ("lower", "upper")
    )
    return lower, upper
