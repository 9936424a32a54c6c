"""Inputs to try: deterministic for a seed, and the same whatever the batch they are run in."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lumpcli.box import Box
from lumpcli.errors import UsageError
from lumpcli.judge.arrays import fit_inputs, fits, known, numpy_type
from lumpcli.judge.inside import BoxSamples, demand_inside
from lumpcli.judge.settings import Settings
from lumpcli.judge.signature import Port, Signature

# U[0, 1) alone, which others use, passes a network whose every ReLU was deleted: all kinds come
# early, so that a slow model that gets few samples sees different ones. Zeros come once.
_FIRST = ("normal", "unit", "large", "symmetric", "onehot", "zeros")
_THEN = ("normal", "unit", "large", "symmetric", "onehot")
_MOST_ELEMENTS = 2**22  # drawn per batch and input
_SMALL_BATCHES = 16  # where the batch size is open: enough for the referee
_MOST_BATCHES = 128  # after them, about


@dataclass(frozen=True)
class Guess:
    """Sizes for what a model leaves open."""

    small: int  # rows of the first batch
    large: int  # rows of the others
    other: int  # every dynamic dimension that is not the batch
    top: int = 8  # integers are drawn from [0, top) unless the model says better


def guesses(ports: Sequence[Port]) -> Iterator[Guess]:
    """What to try in turn until the model runs: usual sizes of vectors, sequences and images."""
    tops = (8, 2) if any("int" in p.dtype for p in ports) else (8,)
    dynamic = any(not isinstance(d, int) for p in ports for d in p.shape or ())
    batches = ((1, 8), (1, 1)) if dynamic else ((1, 1),)
    others = (8, 32, 224, 1, 16, 64, 128, 256, 512) if dynamic else (1,)
    for small, large in batches:
        for other in others:
            for top in tops:
                yield Guess(small, large, other, top)


@dataclass(frozen=True)
class _Batch:
    first: int  # number of its first sample
    samples: int  # how many samples it counts as
    size: int  # of the batch dimension


class Samples:
    """The batches one verification runs; batch k is made when `feeds(k)` asks for it."""

    def __init__(
        self, signature: Signature, settings: Settings, guess: Guess, box: Box | None = None
    ) -> None:
        """`box`: where they lie; inputs without bounds are drawn everywhere.

        Raise UsageError when the settings name an input or a symbol the model does not have, or
        give an array that is not in the box.
        """
        self._ports = signature.inputs
        self._limits = signature.limits
        self._settings = settings
        self._guess = guess
        self._given = fit_inputs(self._ports, settings.inputs)
        self._bound = _bound_symbols(self._ports, settings, self._given)
        self._batch_axis = {p.name: self._find_batch_axis(p) for p in self._ports}
        self._inside = self._box_samples(box or Box({}))
        self._batches = self._plan()

    def __len__(self) -> int:
        return len(self._batches)

    def count(self, k: int) -> int:
        """How many samples batch `k` counts as."""
        return self._batches[k].samples

    @property
    def total(self) -> int:
        """How many samples all batches together count as."""
        return self._batches[-1].first + self._batches[-1].samples if self._batches else 0

    @property
    def probes(self) -> int:
        """How many batches, from the first on, show whether every batch size runs: 1 or 2."""
        sizes = {b.size for b in self._batches[:2]}
        return len(sizes)

    @property
    def oversized(self) -> bool:
        """Whether one sample alone is larger than a guess should ever make it."""
        return self._row() > _MOST_ELEMENTS

    def unsupported(self) -> str | None:
        """Why some input cannot be drawn; None when all can, or are given."""
        for port in self._ports:
            if port.name not in self._given and not _drawable(port):
                return f"input {port.name} is a {port.dtype}, which cannot be drawn: use --input"
        return None

    def feeds(self, k: int) -> dict[str, np.ndarray]:
        """The arrays of batch `k`, by input."""
        batch = self._batches[k]
        if self._all_given:
            return {p.name: self._cut(p, k) for p in self._ports}
        return {
            p.name: self._given[p.name] if p.name in self._given else self._draw(p, j, batch)
            for j, p in enumerate(self._ports)
        }

    # --- the plan

    @property
    def _all_given(self) -> bool:
        return bool(self._ports) and len(self._given) == len(self._ports)

    def _plan(self) -> tuple[_Batch, ...]:
        if self._all_given:
            return self._plan_given()
        if not self._ports:  # a constant function has one value
            return (_Batch(0, 1, 1),)
        wanted = self._settings.samples
        if all(axis is None for axis in self._batch_axis.values()):
            return tuple(_Batch(i, 1, 1) for i in range(wanted))
        small, large = self._guess.small, self._rows(self._guess.large)
        few = min(wanted, small + _SMALL_BATCHES * large)
        more = self._rows(max(large, wanted // _MOST_BATCHES)) if large > 1 else 1
        starts = [0, *range(small, few, large), *range(few, wanted, more), wanted]
        return tuple(_Batch(i, j - i, j - i) for i, j in pairwise(starts) if j > i)

    def _plan_given(self) -> tuple[_Batch, ...]:
        runs = {self._runs(p) for p in self._ports}
        if len(runs) > 1:
            raise UsageError("the input arrays given hold different numbers of samples")
        (number,) = runs
        port = self._ports[0]
        dynamic = bool(port.shape) and not isinstance((port.shape or (1,))[0], int)
        rows = self._given[port.name].shape[0] if dynamic else 1
        return tuple(_Batch(i * rows, rows, rows) for i in range(number))

    def _runs(self, port: Port) -> int:
        """How many times the fixed first size of the input goes into that of the array given."""
        first = port.shape[0] if port.shape else None
        return self._given[port.name].shape[0] // first if isinstance(first, int) else 1

    def _cut(self, port: Port, k: int) -> np.ndarray:
        first = port.shape[0] if port.shape else None
        array = self._given[port.name]
        return array[k * first : (k + 1) * first] if isinstance(first, int) else array

    def _rows(self, wanted: int) -> int:
        """Rows of a batch, of which so many are wanted."""
        return max(1, min(wanted, _MOST_ELEMENTS // max(self._row(), 1)))

    def _row(self) -> int:
        """Elements of one sample, in the largest input."""
        return max((math.prod(self._shape(p, 1)) for p in self._ports), default=0)

    # --- shapes

    def _find_batch_axis(self, port: Port) -> int | None:
        """The axis samples are stacked on, where it is dynamic and nobody fixed its size.

        The leading one; for a nameless size behind a fixed one, as in the state of a recurrent
        network (layers, batch, features), the second.
        """
        shape = port.shape
        if not shape or port.name in self._settings.input_shapes or port.name in self._given:
            return None
        if not isinstance(shape[0], int):
            return None if shape[0] in self._bound else 0
        return 1 if len(shape) == 3 and shape[1] is None else None

    def _leading(self) -> set[str]:
        """Symbols of the batch."""
        shapes = [(p.shape, self._batch_axis[p.name]) for p in self._ports]
        found = [shape[axis] for shape, axis in shapes if shape and axis is not None]
        return {symbol for symbol in found if isinstance(symbol, str)}

    def _shape(self, port: Port, batch: int) -> tuple[int, ...]:
        """The shape of one input in a batch of that size; unknown rank counts as a scalar."""
        fixed = self._settings.input_shapes.get(port.name)
        if fixed is not None:
            return fixed
        leading, axis = self._leading(), self._batch_axis[port.name]
        return tuple(
            batch if i == axis or d in leading else self._size(d)
            for i, d in enumerate(port.shape or ())
        )

    def _size(self, dim: int | str | None) -> int:
        if isinstance(dim, int):
            return dim
        return self._guess.other if dim is None else self._bound.get(dim, self._guess.other)

    # --- drawing

    def _box_samples(self, box: Box) -> BoxSamples:
        """Samples of the drawn inputs that have bounds; what is given must lie between them."""
        for name in box.ranges.keys() & self._given.keys():
            demand_inside(box, name, self._given[name])
        drawn = [known(name, self._ports) for name in box.ranges if name not in self._given]
        kinds = {port.name: (self._shape(port, 1), numpy_type(port)) for port in drawn}
        return BoxSamples(box, kinds, self._settings.seed)

    def _draw(self, port: Port, j: int, batch: _Batch) -> np.ndarray:
        shape, axis = self._shape(port, batch.size), self._batch_axis[port.name]
        if axis is None:
            return self._one(port, j, batch.first, shape)
        row = shape[:axis] + shape[axis + 1 :]
        numbers = range(batch.first, batch.first + batch.size)
        return np.stack([self._one(port, j, i, row) for i in numbers], axis=axis)

    def _one(self, port: Port, j: int, i: int, shape: tuple[int, ...]) -> np.ndarray:
        """Sample `i` of input number `j`."""
        if port.name in self._inside:
            return self._inside.one(port.name, i).reshape(shape).astype(numpy_type(port))
        rng = np.random.default_rng([self._settings.seed, j, i])
        kind = _FIRST[i] if i < len(_FIRST) else _THEN[(i - len(_FIRST)) % len(_THEN)]
        type_ = numpy_type(port)
        if type_.kind in "biu":
            top = 2 if type_.kind == "b" else self._top(port, type_)
            return _integers(kind, rng, shape, top).astype(type_)
        return _floats(kind, rng, shape).astype(type_)

    def _top(self, port: Port, type_: np.dtype) -> int:
        """Integers are drawn below this: rows of a table, all of a byte, or the guess."""
        if port.name in self._limits:
            return max(1, min(self._limits[port.name], int(np.iinfo(type_).max)))
        bytes_ = type_ == np.uint8 and self._guess.top > 2
        return 256 if bytes_ else self._guess.top


def _bound_symbols(
    ports: Sequence[Port], settings: Settings, given: Mapping[str, np.ndarray]
) -> dict[str, int]:
    """Symbol -> size, from `dims`, from the shapes and from the arrays the user gave."""
    shapes = {name: array.shape for name, array in given.items()}
    for name, shape in settings.input_shapes.items():
        port = known(name, ports)
        if not fits(port, shape):
            raise UsageError(f"input {name} is {port}; the shape {shape} does not fit")
        shapes[name] = shape
    symbols = {d for p in ports for d in p.shape or () if isinstance(d, str)}
    for name in settings.dims:
        if name not in symbols:
            listed = ", ".join(sorted(symbols)) or "none"
            raise UsageError(f"no input has a dimension {name}; dimensions: {listed}")
    bound = dict(settings.dims)
    for port in ports:
        for dim, size in zip(port.shape or (), shapes.get(port.name, ()), strict=False):
            if isinstance(dim, str):
                bound[dim] = size
    return bound


def _drawable(port: Port) -> bool:
    if not port.tensor or port.dtype == "string":
        return False
    try:
        return numpy_type(port).kind != "c"
    except UsageError:
        return False


def _floats(kind: str, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    if kind == "normal":
        return np.asarray(rng.standard_normal(shape))
    if kind == "large":
        return 10 * np.asarray(rng.standard_normal(shape))
    if kind == "unit":
        return np.asarray(rng.random(shape))
    if kind == "symmetric":
        return np.asarray(rng.uniform(-1, 1, shape))
    return _sparse(kind, rng, shape, 1)


def _integers(kind: str, rng: np.random.Generator, shape: tuple[int, ...], top: int) -> np.ndarray:
    if kind in ("zeros", "onehot"):
        return _sparse(kind, rng, shape, top - 1)
    return np.asarray(rng.integers(0, top, shape))


def _sparse(kind: str, rng: np.random.Generator, shape: tuple[int, ...], value: int) -> np.ndarray:
    """Zeros; for "onehot" with `value` in one place."""
    array = np.zeros(shape)
    if kind == "onehot" and array.size:
        array.flat[rng.integers(array.size)] = value
    return array
