"""What the caller grants an analysis or a pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Grants:
    """`level` says which merges are allowed.

    strict: nothing is rounded; exact: equal as real functions, each folded weight rounded once;
    rounding: rows may also be multiples of one another up to stored precision.
    """

    level: Literal["strict", "exact", "rounding"] = "exact"
