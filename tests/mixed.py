"""Random nets of every kind of term, with much redundancy: images, parts, groups, moments."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from lumpcli.ir import Activation, Join, Layer, Moments, Net, Symmetry, Term
from tests.nets import ABS, CLIP, LEAKY, LINEAR, RELU, array, dense, join, net, picked, source

_ACTIVATIONS = (RELU, LINEAR, LINEAR, ABS, LEAKY, CLIP)
_MOVES = [
    *((Symmetry.LINEAR, False), (Symmetry.LINEAR, True), (Symmetry.HOMOGENEOUS, False)),
    *((Symmetry.HOMOGENEOUS, True), (Symmetry.ABSOLUTE, True), (Symmetry.NONE, True)),
    (Symmetry.NONE, False),
]


def skip(reads: str, **more: Any) -> Term:
    """Feature by feature."""
    return Term(reads, None, diagonal=True, **more)


class _Maker:
    """A net in the making; each kind of layer is a method that may find nothing to do."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.layers: list[Layer] = [source("x", 3), source("z", 4)]

    def pick(self, width: int | None = None) -> Layer:
        """One of the layers so far; of some width, if asked for."""
        fitting = [layer for layer in self.layers if width in (None, layer.width)]
        return fitting[int(self.rng.integers(len(fitting)))]

    def numbers(self, *shape: int) -> np.ndarray:
        """Few different ones, so that many are equal."""
        return self.rng.choice([0, 1, 1, 2, -1, 0.5], size=shape).astype(np.float32)

    def rows(self, *shape: int) -> np.ndarray:
        """Rows that are often multiples of an earlier one."""
        rows = self.rng.choice([0, 0, 1, -1, 2, 3], size=shape).astype(np.float32)
        for i in range(1, shape[0]):
            if self.rng.random() < 0.5:
                rows[i] = self.rng.choice([1, 2, 0.5, -1, 3]) * rows[self.rng.integers(i)]
        return rows

    def act(self) -> Activation:
        """An activation whose values are rational."""
        return _ACTIVATIONS[int(self.rng.integers(len(_ACTIVATIONS)))]

    def bias(self, width: int) -> np.ndarray | None:
        """None, or few different numbers."""
        return self.numbers(width) if self.rng.random() < 0.5 else None

    def add(self, name: str, width: int, *terms: Term, **more: Any) -> None:
        """A layer that reads feature by feature."""
        self.layers.append(Layer(name, width, terms, **more))

    # --- kinds of layers

    def matrix(self, name: str) -> None:
        """Rows over a layer, maybe with taps, padding, groups."""
        read = self.pick()
        options: dict[str, Any] = {}
        shape: tuple[int, ...] = (int(self.rng.choice([3, 4])), read.width)
        if self.rng.random() < 0.4:
            shape = (*shape, 2)
            padded = bool(self.rng.random() < 0.5)
            options = {"via": ("p" if padded else "c") * int(self.rng.integers(1, 3))}
            options["padded"] = padded
        rows = self.rows(*shape)
        if shape[:2] == (4, 4) and self.rng.random() < 0.7:
            options["blocks"] = 2
            rows[:2, 2:], rows[2:, :2] = 0, 0
        fixed = bool(self.rng.random() < 0.3)
        more = {"bias_fixed": fixed, "term": options}
        self.layers.append(dense(name, read.name, rows, self.bias(shape[0]), self.act(), **more))

    def depthwise(self, name: str) -> None:
        """A kernel per feature."""
        read = self.pick()
        kernel, padded = self.numbers(read.width, 2), bool(self.rng.random() < 0.5)
        term = Term(read.name, kernel, diagonal=True, via="pad" if padded else "d", padded=padded)
        bias = self.bias(read.width)
        free = {"bias": bias, "bias_fixed": False, "bias_dtype": np.dtype(np.float32)}
        self.add(name, read.width, term, activation=self.act(), **free)

    def moved(self, name: str) -> None:
        """A pool, a pad, a softmax."""
        read = self.pick()
        symmetry, padded = _MOVES[int(self.rng.integers(len(_MOVES)))]
        via = f"{'p' * int(self.rng.integers(1, 3))}{symmetry.name}{padded}"
        self.add(name, read.width, skip(read.name, via=via, symmetry=symmetry, padded=padded))

    def normalised(self, name: str) -> None:
        """Variances and epsilon make squares."""
        read = self.pick()
        variance = self.rng.choice([3, 3, 8, 15], size=read.width).astype(np.float32)
        moments = Moments(self.numbers(read.width), variance, Fraction(1))
        term = Term(read.name, self.numbers(read.width), diagonal=True, moments=moments)
        self.add(name, read.width, term, bias=self.bias(read.width), bias_fixed=False)

    def taken(self, name: str) -> None:
        """Some features in some order: a slice, a gather."""
        read = self.pick()
        width = int(self.rng.integers(1, read.width + 2))
        chosen = self.rng.integers(read.width, size=width)
        self.add(name, width, picked(read.name, chosen))

    def beside(self, name: str) -> None:
        """The features of two layers, one after the other."""
        left, right = self.pick(), self.pick()
        width = left.width + right.width
        first, second = np.full(width, -1), np.full(width, -1)
        first[: left.width] = np.arange(left.width)
        second[left.width :] = np.arange(right.width)
        self.add(name, width, picked(left.name, first), picked(right.name, second))

    def flattened(self, name: str) -> None:
        """A block of features for every feature: one per tap."""
        read = self.pick()
        chosen, at = np.repeat(np.arange(read.width), 2), np.tile([0, 1], read.width)
        self.add(name, 2 * read.width, picked(read.name, chosen, at=at, via="f"))

    def unfolded(self, name: str) -> None:
        """Another feature at every position."""
        read = self.pick(4)
        term = Term(read.name, None, diagonal=True, select=np.arange(4).reshape(2, 2), via="u")
        self.add(name, 2, term)

    def combined(self, name: str) -> None:
        """A sum, or a function of several, one of them maybe for all features."""
        read = self.pick()
        other = skip(self.pick(read.width).name)
        if self.rng.random() < 0.4:
            rows = self.rows(1, read.width)
            self.layers.append(dense(f"{name} one", read.name, rows, None, self.act()))
            other = picked(f"{name} one", [0] * read.width, broadcast=True)
        kind = self.rng.choice(["Add", "Mul", "Max", "Min", "Concat along axis 0", "Where"])
        if kind == "Add":
            scaled = Term(read.name, self.numbers(read.width), diagonal=True)
            bias = self.bias(read.width)
            self.add(name, read.width, scaled, other, bias=bias, activation=self.act())
        else:
            self.layers.append(join(name, read.width, read.name, other, function=str(kind)))

    def labelled(self, name: str) -> None:
        """Features that are cut together, or as many of each half."""
        read = self.pick(4)
        if self.rng.random() < 0.5:
            self.add(name, 4, skip(read.name), tied=np.array([0, 1, 0, 1]))
        else:
            self.add(name, 4, skip(read.name), parts=2)


def mixed_net(rng: np.random.Generator, depth: int = 7) -> Net:
    """Layers of every kind; a matrix reads the last ones."""
    maker = _Maker(rng)
    kinds: list[Callable[[str], None]] = [
        *(maker.matrix, maker.matrix, maker.matrix, maker.depthwise, maker.moved),
        *(maker.normalised, maker.taken, maker.beside, maker.flattened, maker.unfolded),
        *(maker.combined, maker.combined, maker.labelled),
    ]
    for k in range(int(rng.integers(3, depth + 1))):
        kinds[int(rng.integers(len(kinds)))](f"h{k}")
    reads = [layer for layer in maker.layers[2:] if rng.random() < 0.5] or maker.layers[-1:]
    rows = [maker.rows(2, layer.width) for layer in reads]
    names = [layer.name for layer in reads]
    fixed = bool(rng.random() < 0.3)
    last = dense("y", names, rows, array([1, 0]), LINEAR, bias_fixed=fixed)
    return net(*maker.layers, last)


def kinds_of(made: Net) -> set[str]:
    """What occurs in a net: to see that the random ones have it all."""
    found = set()
    for layer in made.layers:
        found |= {"join"} if isinstance(layer, Join) else set()
        found |= {"tied"} if layer.tied is not None else set()
        for term in layer.terms:
            found |= {"at"} if term.at is not None else set()
            found |= {"broadcast"} if term.broadcast else set()
            found |= {"moments"} if term.moments is not None else set()
            found |= {"blocks"} if term.blocks > 1 else set()
            found |= {"depthwise"} if term.diagonal and term.taps > 1 else set()
            found |= {term.symmetry.name} if term.via else set()
    return found
