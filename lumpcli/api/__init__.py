"""The public verbs; the command line is their twin."""

from lumpcli.api.verbs import reduce, stats, verify
from lumpcli.results import Level, Stats
from lumpcli.verify import Settings, load_inputs

__all__ = ["Level", "Settings", "Stats", "load_inputs", "reduce", "stats", "verify"]
