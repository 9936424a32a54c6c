"""Which ReLUs of a network can be replaced on a box, by 0 or a line, and what that changes."""

from lumpcli.redundancy.plan import KINDS, Kind, Plan, Request, Verdict
from lumpcli.redundancy.search import search

__all__ = ["KINDS", "Kind", "Plan", "Request", "Verdict", "search"]
