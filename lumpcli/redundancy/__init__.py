"""Which ReLUs of a network can be replaced on a box, by 0 or a line, and what that changes."""

from lumpcli.redundancy.applying import apply_plan
from lumpcli.redundancy.candidates import KINDS, Action, Candidate, Kind
from lumpcli.redundancy.plan import Plan, Request, Verdict
from lumpcli.redundancy.search import search

__all__ = [
    "KINDS",
    "Action",
    "Candidate",
    "Kind",
    "Plan",
    "Request",
    "Verdict",
    "apply_plan",
    "search",
]
