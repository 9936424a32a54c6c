"""Passes: each proposes which facts to cut."""

from lumpcli.passes.base import Pass, Steps
from lumpcli.passes.bilinear import Rewriting, Round, merge_factors
from lumpcli.passes.constant import Constant
from lumpcli.passes.fold import fold_steps
from lumpcli.passes.linear import linear_steps, propose
from lumpcli.passes.lumping import Lumping
from lumpcli.passes.unread import Unread

PASSES: dict[str, type[Pass]] = {"unread": Unread, "constant": Constant, "lumping": Lumping}

LINEAR = "linear"  # comes after these: it changes the numbers of what is left
FOLD = "fold"  # and so does this one, which takes whole layers away

__all__ = [
    "FOLD",
    "LINEAR",
    "PASSES",
    "Constant",
    "Lumping",
    "Pass",
    "Rewriting",
    "Round",
    "Steps",
    "Unread",
    "fold_steps",
    "linear_steps",
    "merge_factors",
    "propose",
]
