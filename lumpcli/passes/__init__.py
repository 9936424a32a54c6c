"""Passes: each proposes which facts to cut."""

from lumpcli.passes.base import Pass
from lumpcli.passes.bilinear import Rewriting, Round, merge_factors
from lumpcli.passes.constant import Constant
from lumpcli.passes.lumping import Lumping
from lumpcli.passes.unread import Unread

PASSES: dict[str, type[Pass]] = {"unread": Unread, "constant": Constant, "lumping": Lumping}

__all__ = ["PASSES", "Constant", "Lumping", "Pass", "Rewriting", "Round", "Unread", "merge_factors"]
