"""What can be known about a net. Changes nothing."""

from lumpcli.analysis.columns import Columns, columns_of
from lumpcli.analysis.facts import CONSTANT, LayerValues, Values
from lumpcli.analysis.grants import Grants
from lumpcli.analysis.liveness import Liveness, liveness_of
from lumpcli.analysis.rounding import loosen
from lumpcli.analysis.shift import Shift
from lumpcli.analysis.values import Sweep, values_of

__all__ = [
    "CONSTANT",
    "Columns",
    "Grants",
    "LayerValues",
    "Liveness",
    "Shift",
    "Sweep",
    "Values",
    "columns_of",
    "liveness_of",
    "loosen",
    "values_of",
]
