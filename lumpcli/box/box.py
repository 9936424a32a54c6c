"""The box itself: lower and upper bounds of every element of every graph input.

Its bounds are float64 numbers and mean exactly those. How decimals become bounds is said in
`decimals.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lumpcli.errors import UsageError

Array = npt.NDArray[Any]
Shapes = Mapping[str, tuple[int, ...]]  # of the graph inputs, in the graph's order


@dataclass(frozen=True)
class Box:
    """All inputs with `lower <= x <= upper`, element by element.

    `ranges` maps a graph input to its lower and upper bounds, float64 arrays of one shape. Raises
    UsageError where they are not finite, not of one shape, or the lower is above the upper.
    """

    ranges: Mapping[str, tuple[Array, Array]]

    def __post_init__(self) -> None:
        for name, (lower, upper) in self.ranges.items():
            if lower.shape != upper.shape:
                raise UsageError(
                    f"box: the bounds of {name!r} have shapes {lower.shape} and {upper.shape}"
                )
            if not (np.isfinite(lower).all() and np.isfinite(upper).all()):
                raise UsageError(f"box: the bounds of {name!r} are not all finite numbers")
            if (lower > upper).any():
                place = np.unravel_index(int(np.argmax(lower > upper)), lower.shape)
                where = f"{name!r} at {[int(p) for p in place]}" if place else repr(name)
                raise UsageError(
                    f"box: the lower bound of {where}, {lower[place]:g}, is above the upper, "
                    f"{upper[place]:g}"
                )

    @staticmethod
    def everywhere(lower: float, upper: float, inputs: Shapes) -> Box:
        """One pair of bounds for every element of every input."""
        return Box(
            {n: (np.full(shape, lower), np.full(shape, upper)) for n, shape in inputs.items()}
        )

    @staticmethod
    def around(centre: Mapping[str, Array], radius: float) -> Box:
        """Everything at most `radius` from a point, rounded outward."""
        points = {name: np.asarray(point, np.float64) for name, point in centre.items()}
        return Box(
            {
                name: (np.nextafter(p - radius, -np.inf), np.nextafter(p + radius, np.inf))
                for name, p in points.items()
            }
        )

    @property
    def size(self) -> int:
        """How many numbers an input of the network has."""
        return sum(lower.size for lower, _ in self.ranges.values())

    def matches(self, inputs: Shapes) -> None:
        """Raise UsageError unless the box bounds exactly these inputs, in these shapes."""
        for name in [*self.ranges, *inputs]:
            if name not in inputs:
                known = ", ".join(map(repr, inputs)) or "none"
                raise UsageError(f"box: the model has no input {name!r}; its inputs: {known}")
            if name not in self.ranges:
                raise UsageError(f"box: the input {name!r} has no bounds")
            if self.ranges[name][0].shape != tuple(inputs[name]):
                raise UsageError(
                    f"box: the bounds of {name!r} have shape {self.ranges[name][0].shape}, "
                    f"the input has {tuple(inputs[name])}"
                )

    def intersect(self, other: Box) -> Box:
        """What lies in both boxes; of an input that only one bounds, what that one says.

        Raises UsageError where nothing does, or shapes differ.
        """
        ranges = {**self.ranges, **other.ranges}
        for name in self.ranges.keys() & other.ranges.keys():
            (a, b), (c, d) = self.ranges[name], other.ranges[name]
            if a.shape != c.shape:
                raise UsageError(f"box: {name!r} has bounds of shapes {a.shape} and {c.shape}")
            ranges[name] = np.maximum(a, c), np.minimum(b, d)
        return Box(ranges)

    def inward(self, types: Mapping[str, np.dtype[Any]]) -> Box:
        """The box whose bounds are the outermost numbers of the inputs' types that lie in it.

        A number of the box that is rounded to its type lies in this box. Raises UsageError where
        no number of the type lies between two bounds.
        """
        ranges = {}
        for name, (lower, upper) in self.ranges.items():
            least = _rounded(lower, types[name], np.inf)
            most = _rounded(upper, types[name], -np.inf)
            if (least > most).any():
                raise UsageError(f"box: no {types[name]} lies between two bounds of {name!r}")
            ranges[name] = least, most
        return Box(ranges)

    def contains(self, point: Mapping[str, Array]) -> bool:
        """Whether an input, or several along a first axis, lies in the box."""
        return all(
            bool(((lower <= point[name]) & (point[name] <= upper)).all())
            for name, (lower, upper) in self.ranges.items()
        )

    def sample(self, rng: np.random.Generator, count: int) -> dict[str, Array]:
        """`count` points (count, *shape) per input, float64: thirds inside, on faces, at corners.

        A point on a face has some of its elements at a bound, and a corner has all of them.
        """
        kind = rng.permutation(np.arange(count) % 3)
        at_bound = np.array([0.0, 0.0, 1.0])[kind]
        at_bound[kind == 1] = rng.random(int((kind == 1).sum()))
        found = {}
        for name, (lower, upper) in self.ranges.items():
            shape = (count, *lower.shape)
            inside = np.clip(lower + rng.random(shape) * (upper - lower), lower, upper)
            corner = np.where(rng.random(shape) < 0.5, lower, upper)
            bound = rng.random(shape) < at_bound.reshape(count, *[1] * lower.ndim)
            found[name] = np.where(bound, corner, inside)
        return found


def uniform(lower: Array, upper: Array) -> bool:
    """Whether these bounds are the same for every element."""
    return all(end.size > 0 and bool((end == end.flat[0]).all()) for end in (lower, upper))


def _rounded(bounds: Array, dtype: np.dtype[Any], side: float) -> Array:
    """The numbers of a type nearest to some bounds, on one side of them; float64."""
    with np.errstate(over="ignore", under="ignore"):
        near = bounds.astype(dtype)
        next_ = np.nextafter(near, np.array(side, dtype)).astype(np.float64)
    wide = near.astype(np.float64)
    found: Array = np.where(wide < bounds if side > 0 else wide > bounds, next_, wide)
    return found
