"""Small nets by hand, or at random with much redundancy."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from lumpcli.ir import Activation, Join, Layer, Net, Output, Symmetry, Term

RELU, LINEAR, ABS = Activation("Relu"), Activation(), Activation("Abs")
LEAKY, SIGN, HALF = Activation("LeakyRelu", (0.5,)), Activation("Sign"), Fraction(1, 2)
CLIP, RELU6 = Activation("Clip", (-1.0, 1.0)), Activation("Clip", (0.0, 6.0))
SIGMOID, TANH = Activation("Sigmoid"), Activation("Tanh")
MISH = Activation("Mish")  # rows may not differ by any ratio
FREE: dict[str, Any] = {"bias_fixed": False, "bias_dtype": np.dtype(np.float32)}
F32 = np.dtype(np.float32)


def source(name: str = "x", width: int = 2) -> Layer:
    """A graph input."""
    return Layer(name, width, pinned="graph input")


def array(numbers: Any, dtype: Any = F32) -> np.ndarray:
    """Stored numbers; two dimensions even when there are no rows of entries."""
    return np.asarray(numbers, np.float64).astype(dtype)


def dense(
    name: str,
    reads: str | Sequence[str],
    rows: Any,
    bias: Any = None,
    act: Activation = RELU,
    dtype: Any = F32,
    **more: Any,
) -> Layer:
    """A layer with rows of weights; it takes a bias unless `bias_fixed` is said.

    `rows` is one matrix, or as many as there are sources; `term` are options of every term.
    """
    names = [reads] if isinstance(reads, str) else list(reads)
    matrices = [rows] if isinstance(reads, str) else list(rows)
    options = more.pop("term", {})
    terms = tuple(
        Term(n, m if isinstance(m, np.ndarray) else array(m, dtype), **options)
        for n, m in zip(names, matrices, strict=True)
    )
    stored = None if bias is None else array(bias, dtype)
    width = len(terms[0].weight if terms[0].weight is not None else ())
    settings = {"bias_fixed": False, "bias_dtype": np.dtype(dtype), **more}
    return Layer(name, width, terms, stored, activation=act, **settings)


def each(
    name: str,
    width: int,
    *terms: Term | str,
    bias: Any = None,
    act: Activation = LINEAR,
    **more: Any,
) -> Layer:
    """A layer that reads feature by feature; a name is a plain skip."""
    read = tuple(Term(t, None, diagonal=True) if isinstance(t, str) else t for t in terms)
    return Layer(name, width, read, None if bias is None else array(bias), activation=act, **more)


def times(reads: str, factors: Any, **more: Any) -> Term:
    """A factor per feature, or one rational for all of them."""
    if isinstance(factors, (int, Fraction)):
        return Term(reads, None, diagonal=True, scale=Fraction(factors), **more)
    return Term(reads, array(factors), diagonal=True, **more)


def moved(name: str, width: int, reads: str, via: str = "unsqueeze") -> Layer:
    """The features of a layer at other positions."""
    return Layer(name, width, (Term(reads, None, diagonal=True, via=via),))


def picked(reads: str, features: Any, **more: Any) -> Term:
    """Some features of a layer, -1 for none."""
    return Term(reads, None, diagonal=True, select=np.array(features, np.int64), **more)


_COMMON = {"Max": Symmetry.HOMOGENEOUS, "Min": Symmetry.HOMOGENEOUS, "Concat": Symmetry.LINEAR}


def join(name: str, width: int, *reads: str | Term, function: str = "Mul") -> Layer:
    """A function of several layers, feature by feature."""
    read = tuple(Term(t, None, diagonal=True) if isinstance(t, str) else t for t in reads)
    common = _COMMON.get(function.split()[0], Symmetry.NONE)
    return Join(name, width, read, function=function, common=common)


def net(*layers: Layer) -> Net:
    """A net whose last layer is the graph's output, and pinned."""
    last = layers[-1]
    if last.pinned is None:
        fields = {f: getattr(last, f) for f in last.__dataclass_fields__}
        last = type(last)(**{**fields, "pinned": "graph output"})
    return Net((*layers[:-1], last), (Output(last.name, last.name),))


# --- at random


def _rows(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    rows = rng.choice([0, 0, 0, 1, -1, 2, -2, 3], size=shape).astype(np.float32)
    for i in range(1, shape[0]):
        if rng.random() < 0.4:
            rows[i] = rng.choice([1, 2, 0.5, -1, 3]) * rows[rng.integers(i)]
    return rows


def random_net(rng: np.random.Generator, sources: int = 1, depth: int = 6) -> Net:
    """Layers of every kind with much redundancy; dense ones read at most `sources` layers."""
    widths = {"x": 3}
    layers = [source("x", 3)]

    def add(layer: Layer) -> None:
        layers.append(layer)
        widths[layer.name] = layer.width

    for k in range(int(rng.integers(2, depth + 1))):
        name = f"h{k}"
        read = list(rng.choice(list(widths), size=min(sources, len(widths)), replace=False))
        read = read[: int(rng.integers(1, sources + 1))]
        peers = [n for n, w in widths.items() if w == widths[read[0]]]
        other = str(rng.choice(peers))
        width = widths[read[0]]
        act = (RELU, LINEAR, LINEAR, ABS, LEAKY, CLIP)[int(rng.integers(6))]
        bias = rng.choice([0, 0, 1, -1, 0.5], size=width) if rng.random() < 0.5 else None
        kind = rng.random()
        if kind < 0.15:
            factors = rng.choice([1, 2, -1, 0, 0.5], size=width)
            add(each(name, width, times(read[0], factors), times(other, 1), bias=bias, act=act))
        elif kind < 0.25:
            add(each(name, width, times(read[0], -1), other, act=act))
        elif kind < 0.3:
            add(join(name, width, read[0], other, function=str(rng.choice(["Mul", "Max"]))))
        elif kind < 0.35:
            add(moved(name, width, read[0]))
        else:
            width = int(rng.choice([3, 4, 5]))
            bias = rng.choice([0, 0, 1, -1, 0.5], size=width) if rng.random() < 0.5 else None
            rows = [_rows(rng, (width, widths[n])) for n in read]
            fixed = bool(rng.random() < 0.3)
            pin = "by the user" if rng.random() < 0.1 else None
            term = {}
            if rng.random() < 0.15:
                rows = [np.stack([w, rng.choice([0, 1, 2]) * w], axis=2) for w in rows]
                term = {"padded": bool(rng.random() < 0.5)}
            add(dense(name, read, rows, bias, act, bias_fixed=fixed, pinned=pin, term=term))
    read = [n for n in widths if rng.random() < 0.6] or [layers[-1].name]
    read = read[-sources:]
    rows = [_rows(rng, (3, widths[n])) for n in read]
    return net(*layers, dense("y", read, rows, act=LINEAR, bias_fixed=bool(rng.random() < 0.5)))
