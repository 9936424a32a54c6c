"""The public verbs; the command line is their twin."""

from lumpcli.api.verbs import check_certificate, reduce, stats, verify
from lumpcli.judge import Settings, load_inputs
from lumpcli.results import Level, Proof, Stats

__all__ = [
    "Level",
    "Proof",
    "Settings",
    "Stats",
    "check_certificate",
    "load_inputs",
    "reduce",
    "stats",
    "verify",
]
