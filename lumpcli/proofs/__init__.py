"""Why a claim holds, in a form that checks itself against the net, in plain fractions."""

from lumpcli.proofs.constant import Constant
from lumpcli.proofs.fold import Row, folded_row
from lumpcli.proofs.proportional import Proportional
from lumpcli.proofs.unread import Unread

__all__ = ["Constant", "Proportional", "Row", "Unread", "folded_row"]
