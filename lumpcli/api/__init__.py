"""The public verbs; the command line is their twin."""

from lumpcli.api.verbs import reduce, stats, verify
from lumpcli.judge import Settings, load_inputs
from lumpcli.results import Level, Stats

__all__ = ["Level", "Settings", "Stats", "load_inputs", "reduce", "stats", "verify"]
