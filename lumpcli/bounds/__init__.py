"""Sound bounds of what activations read, on a box of inputs."""

from lumpcli.bounds.activations import RELU
from lumpcli.bounds.affine import Affine, Sum
from lumpcli.bounds.attaching import bounded
from lumpcli.bounds.backward import State, Trail, least
from lumpcli.bounds.cells import open_counts
from lumpcli.bounds.features import FeatureBounds, feature_bounds
from lumpcli.bounds.functions import Function, Lines
from lumpcli.bounds.ladder import (
    MILP,
    MOST_SPLIT_INPUTS,
    RUNGS,
    Assurance,
    Bounds,
    Phases,
    Semantics,
    ladder,
)
from lumpcli.bounds.lowering import input_shapes, lower
from lumpcli.bounds.program import Operation, Program, Step, Tensor
from lumpcli.bounds.rounding import FLOOR, UNIT, Arithmetic, Range, sized, widened
from lumpcli.bounds.splitting import Cells
from lumpcli.bounds.sweep import open_elements, sweep

__all__ = [
    "FLOOR",
    "MILP",
    "MOST_SPLIT_INPUTS",
    "RELU",
    "RUNGS",
    "UNIT",
    "Affine",
    "Arithmetic",
    "Assurance",
    "Bounds",
    "Cells",
    "FeatureBounds",
    "Function",
    "Lines",
    "Operation",
    "Phases",
    "Program",
    "Range",
    "Semantics",
    "State",
    "Step",
    "Sum",
    "Tensor",
    "Trail",
    "bounded",
    "feature_bounds",
    "input_shapes",
    "ladder",
    "least",
    "lower",
    "open_counts",
    "open_elements",
    "sized",
    "sweep",
    "widened",
]
