"""A box in a few numbers, as reports show it."""

from __future__ import annotations

from lumpcli.box.box import Box
from lumpcli.results import Domain, InputRange


def summarise(box: Box, origin: str) -> Domain:
    """The outermost bounds of every input; `origin`: who says so."""
    return Domain(
        origin,
        tuple(
            InputRange(
                input=name,
                lower=float(lower.min()),
                upper=float(upper.max()),
                uniform=bool((lower == lower.min()).all() and (upper == upper.max()).all()),
            )
            for name, (lower, upper) in box.ranges.items()
        ),
    )
