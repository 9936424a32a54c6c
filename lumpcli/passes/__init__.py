"""Passes: each proposes which facts to cut."""

from lumpcli.passes.base import Pass
from lumpcli.passes.bilinear import Rewriting, Round, merge_factors
from lumpcli.passes.constant import Constant
from lumpcli.passes.linear import linear_steps
from lumpcli.passes.lumping import Lumping
from lumpcli.passes.unread import Unread

PASSES: dict[str, type[Pass]] = {"unread": Unread, "constant": Constant, "lumping": Lumping}

LINEAR = "linear"  # comes after these: it changes the numbers of what is left

__all__ = [
    "LINEAR",
    "PASSES",
    "Constant",
    "Lumping",
    "Pass",
    "Rewriting",
    "Round",
    "Unread",
    "linear_steps",
    "merge_factors",
]
