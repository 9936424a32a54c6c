"""The public verbs; the command line is their twin."""

from lumpcli.api.boxed import Granted
from lumpcli.api.slicing import slice_model
from lumpcli.api.verbs import check_certificate, reduce, stats, verify
from lumpcli.bounds import Assurance, Semantics
from lumpcli.exporter import Guard
from lumpcli.judge import Settings, load_inputs
from lumpcli.redundancy import Request
from lumpcli.results import Level, Proof, Stats

__all__ = [
    "Assurance",
    "Granted",
    "Guard",
    "Level",
    "Proof",
    "Request",
    "Semantics",
    "Settings",
    "Stats",
    "check_certificate",
    "load_inputs",
    "reduce",
    "slice_model",
    "stats",
    "verify",
]
