"""What can be known about a net. Changes nothing."""

from lumpcli.analysis.columns import Columns, columns_of
from lumpcli.analysis.deviation import EXACT, Deviation, deviations
from lumpcli.analysis.drift import Stored, drift, drifts
from lumpcli.analysis.facts import CONSTANT, LayerValues, Values
from lumpcli.analysis.fewest import Fewest, fewest
from lumpcli.analysis.grants import Grants
from lumpcli.analysis.linearity import (
    by_size,
    candidates,
    combination,
    independent,
    linear_slopes,
    why_not_combined,
)
from lumpcli.analysis.liveness import Liveness, liveness_of, zeros_stand
from lumpcli.analysis.products import Factor, SumOfProducts, factor_of, sums_of_products
from lumpcli.analysis.rounding import loosen
from lumpcli.analysis.rows import Rows
from lumpcli.analysis.scales import scales
from lumpcli.analysis.values import Sweep, values_of

__all__ = [
    "CONSTANT",
    "EXACT",
    "Columns",
    "Deviation",
    "Factor",
    "Fewest",
    "Grants",
    "LayerValues",
    "Liveness",
    "Rows",
    "Stored",
    "SumOfProducts",
    "Sweep",
    "Values",
    "by_size",
    "candidates",
    "columns_of",
    "combination",
    "deviations",
    "drift",
    "drifts",
    "factor_of",
    "fewest",
    "independent",
    "linear_slopes",
    "liveness_of",
    "loosen",
    "scales",
    "sums_of_products",
    "values_of",
    "why_not_combined",
    "zeros_stand",
]
