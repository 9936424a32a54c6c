"""A box in a few numbers, as reports show it."""

from __future__ import annotations

from lumpcli.box.box import Box, uniform
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
                uniform=uniform(lower, upper),
            )
            for name, (lower, upper) in box.ranges.items()
        ),
    )
