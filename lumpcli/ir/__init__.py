"""The layered network, its exact arithmetic and its quotients. Knows nothing of ONNX."""

from lumpcli.ir.absorbing import Fold, apply_fold
from lumpcli.ir.activation import Activation, Symmetry, clip, leaky, leaky_key, slopes_of
from lumpcli.ir.applying import apply, apply_layer, ungranted
from lumpcli.ir.blocks import all_finite, same_bits
from lumpcli.ir.compose import compose
from lumpcli.ir.exact import (
    Array,
    Exact,
    below,
    fold,
    integers,
    nearest,
    round_fraction,
    round_once,
    scaled,
    spread,
    zeros,
)
from lumpcli.ir.floats import (
    BITS,
    Factors,
    factors_of,
    moderate,
    significant_bits,
    sums,
    two_product,
)
from lumpcli.ir.folding import Rounding
from lumpcli.ir.groups import Group, groups
from lumpcli.ir.linear import SUM, Candidate, Linear, Unit, Way, apply_linear, factors_of_reader
from lumpcli.ir.lipschitz import lipschitz
from lumpcli.ir.merging import take_over
from lumpcli.ir.net import Join, Layer, Moments, Net, Output, Term
from lumpcli.ir.quotient import Claim, LayerCut, Merge, Quotient
from lumpcli.ir.ranges import EVERYTHING, End, Interval, gain, hull, slope, sum_range, value_range
from lumpcli.ir.same import difference
from lumpcli.ir.shift import ZERO, Shift
from lumpcli.ir.submatrix import by_rows, submatrix

__all__ = [
    "BITS",
    "EVERYTHING",
    "SUM",
    "ZERO",
    "Activation",
    "Array",
    "Candidate",
    "Claim",
    "End",
    "Exact",
    "Factors",
    "Fold",
    "Group",
    "Interval",
    "Join",
    "Layer",
    "LayerCut",
    "Linear",
    "Merge",
    "Moments",
    "Net",
    "Output",
    "Quotient",
    "Rounding",
    "Shift",
    "Symmetry",
    "Term",
    "Unit",
    "Way",
    "all_finite",
    "apply",
    "apply_fold",
    "apply_layer",
    "apply_linear",
    "below",
    "by_rows",
    "clip",
    "compose",
    "difference",
    "factors_of",
    "factors_of_reader",
    "fold",
    "gain",
    "groups",
    "hull",
    "integers",
    "leaky",
    "leaky_key",
    "lipschitz",
    "moderate",
    "nearest",
    "round_fraction",
    "round_once",
    "same_bits",
    "scaled",
    "significant_bits",
    "slope",
    "slopes_of",
    "spread",
    "submatrix",
    "sum_range",
    "sums",
    "take_over",
    "two_product",
    "ungranted",
    "value_range",
    "zeros",
]
