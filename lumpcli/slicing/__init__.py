"""A box in slices: where to cut it, one file that selects its slice, and runs that can resume."""

from lumpcli.slicing.bisection import bisect
from lumpcli.slicing.executors import Pool, pool
from lumpcli.slicing.journal import (
    SINGLE,
    Journal,
    Request,
    digest,
    file_name,
    replace_text,
)
from lumpcli.slicing.single import single_model
from lumpcli.slicing.stored import Types, input_types

__all__ = [
    "SINGLE",
    "Journal",
    "Pool",
    "Request",
    "Types",
    "bisect",
    "digest",
    "file_name",
    "input_types",
    "pool",
    "replace_text",
    "single_model",
]
