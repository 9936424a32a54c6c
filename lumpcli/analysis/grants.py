"""What the caller grants an analysis or a pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from lumpcli.ir import Net, Rounding


@dataclass(frozen=True)
class Grants:
    """`level` says which merges are allowed.

    strict: nothing is rounded; exact: equal as real functions, each folded weight rounded once;
    rounding: rows may also be multiples of one another up to stored precision. `bounds` tells
    layers of a net anew what they lie between, on the inputs granted.
    """

    level: Literal["strict", "exact", "rounding"] = "exact"
    bounds: Callable[[Net], Net] | None = None

    def renewed(self, net: Net, rounding: Rounding) -> Net:
        """A net with bounds of its own, if rounding made it another one than they are of."""
        return self.bounds(net) if self.bounds is not None and rounding.rounded else net
