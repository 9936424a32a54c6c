"""Drawing a core graph: inputs and the layers with matrices. Numbers are small integers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tests.graphs import windows
from tests.graphs.spec import Array, Freedom, Graph, Rng, Step, Tensor

_NUMBERS = (-2, -1, -1, 1, 1, 2)
_PLACES = ("input", "input", "add", "add", "add_flat", "add_swapped", "sub")


@dataclass
class Sketch:
    """A graph being drawn; `pool` are the tensors that more may be built on."""

    rng: Rng
    opset: int
    batch: int | None
    smooth: bool = False  # functions that round are allowed
    steps: list[Step] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    pool: list[Tensor] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)

    def chance(self, probability: float) -> bool:
        """Whether something rare happens."""
        return bool(self.rng.random() < probability)

    def between(self, low: int, high: int) -> int:
        """A random integer, both ends included."""
        return int(self.rng.integers(low, high + 1))

    def pick(self, options: Sequence[Any]) -> Any:
        """One of some things."""
        return options[int(self.rng.integers(len(options)))]

    def integers(self, *shape: int) -> Array:
        """Small integers, such as biases are."""
        return self.rng.integers(-2, 3, shape).astype(np.float64)

    def name(self, stem: str) -> str:
        """A fresh name."""
        return f"{stem}{len(self.tensors)}"

    def record(self, step: Step, *tensors: Tensor) -> Tensor:
        """Put a step at the end; returns its first output."""
        self.steps.append(step)
        self.tensors.update({t.name: t for t in tensors})
        return tensors[0]

    def restrict(self, tensor: Tensor, ratios: str = "any", shift: bool = False) -> None:
        """What reads a tensor allows only these ratios, and offsets only if `shift`."""
        for freedom in tensor.ratios:
            freedom.meet(ratios)
        if not shift:
            for freedom in tensor.shifts:
                freedom.shift = False

    def fix(self, tensor: Tensor) -> None:
        """Nothing may be planted in a tensor."""
        for freedom in tensor.makers:
            freedom.grow = False

    def output(self, tensor: Tensor) -> None:
        """Make a tensor a graph output."""
        if tensor.name not in self.outputs:
            self.fix(tensor)
            self.outputs.append(tensor.name)

    def graph(self, family: str) -> Graph:
        """What has been drawn."""
        return Graph(
            tuple(self.steps),
            dict(self.tensors),
            tuple(self.outputs),
            self.opset,
            self.batch,
            family,
        )

    # --- inputs

    def input(self, width: int, spatial: tuple[int, ...], layout: str = "first") -> Tensor:
        """A graph input of numbers."""
        name, none = self.name("x"), frozenset[Freedom]()
        made = Tensor(
            name, width, spatial, layout, none, none, none, name, name, (width,) if width else ()
        )
        return self.record(Step("input", (), (name,)), made)

    def embedded(self, length: int, width: int) -> Tensor:
        """A table of `width` numbers per word, read by an input of words: (N, length, width)."""
        words, ids = self.between(3, 9), self.name("ids")
        self.steps.append(Step("words", (), (ids,), settings={"length": length, "words": words}))
        made = self._channels(self.name("e"), width, (length,), "last", None, False, True)
        self.tensors[ids] = replace(made, name=ids, width=0, blocks=(), makers=frozenset())
        (freedom,) = made.makers
        table = self.weights(width, 1, words, 1)
        return self.record(
            Step("embedding", (ids,), (made.name,), {"weight": table}, {}, freedom), made
        )

    # --- matrices

    def weights(self, out: int, positions: int, read: int, taps: int) -> Array:
        """Sparse small integers; some rows are zero, some are repeated."""
        rng, rows = self.rng, out * positions
        present = rng.random((rows, read)) < min(1.0, 1.6 / read)
        present[np.arange(rows), rng.integers(0, read, rows)] = True
        present[rng.integers(0, rows, read), np.arange(read)] = True
        numbers = np.where(present, rng.choice(_NUMBERS, (rows, read)), 0).astype(np.float64)
        weight = np.zeros((rows, read, taps))
        for _ in range(1 if taps == 1 else self.between(1, 2)):
            chosen = rng.integers(0, taps, (rows, read))
            np.put_along_axis(weight, chosen[..., None], numbers[..., None], axis=2)
        made = weight.reshape(out, positions, read, taps)
        for i in range(out):
            if self.chance(0.04):
                made[i] = 0
            elif self.chance(0.06):
                made[i] = made[int(rng.integers(0, out))]
        return made

    def _channels(
        self,
        name: str,
        width: int,
        spatial: tuple[int, ...],
        layout: str,
        like: Tensor | None,
        own: bool,
        bias: bool,
        blocks: tuple[int, ...] = (),
    ) -> Tensor:
        """A tensor with channels of its own, or with those of another."""
        freedom = Freedom(shift=bias)
        mine = frozenset({freedom})
        if like is None:
            blocks = blocks or (width,)
            linked = len(blocks) > 1 and len(set(blocks)) == 1
            return Tensor(
                name, width, spatial, layout, mine, mine, mine, name, name, blocks, linked
            )
        return Tensor(
            name, like.width, spatial, layout, like.makers, mine if own else like.ratios, mine,
            like.channels, name if own else like.scale, like.blocks, like.linked,
        )  # fmt: skip

    def matrix(
        self,
        kind: str,
        source: Tensor,
        spatial: tuple[int, ...],
        layout: str,
        *,
        taps: int,
        settings: dict[str, Any],
        width: int | None = None,
        like: Tensor | None = None,
        own: bool = False,
        bias: bool | None = None,
        padded: bool = False,
        groups: int = 1,
        blocks: tuple[int, ...] = (),
        positions: int = 1,
    ) -> Tensor:
        """A layer with a matrix: `width` new channels, or those of `like`."""
        width = like.width if like is not None else width or self.between(2, 6)
        bias = self.chance(0.75) if bias is None else bias
        shift = bias and positions == 1
        made = self._channels(self.name(kind[0]), width, spatial, layout, like, own, shift, blocks)
        (freedom,) = made.shifts
        self.restrict(source, shift=bias and not padded)
        numbers = {"weight": self.weights(width, positions, source.width // groups, taps)}
        if bias:
            numbers["bias"] = self.integers(width, positions)
        settings = {"padded": padded, "groups": groups, "place": self.pick(_PLACES), **settings}
        step = Step(
            kind, (source.name,), (made.name,), numbers, settings, freedom,
            None if like is None else like.name, own,
        )  # fmt: skip
        return self.record(step, made)

    def conv(
        self,
        source: Tensor,
        *,
        same: bool = False,
        transposed: bool = False,
        kernels: tuple[int, ...] = (1, 2, 3, 3),
        **options: Any,
    ) -> Tensor:
        """A convolution of an image, or a transposed one."""
        extras: tuple[int, ...] = ()
        if transposed:
            window, extras = windows.draw_transposed(self.rng, source.spatial)
        else:
            window = windows.draw(self.rng, source.spatial, same=same, kernels=kernels)
        settings = {"window": window, "extras": extras}
        return self.matrix(
            "transposed" if transposed else "conv",
            source,
            window.out,
            "first",
            taps=window.taps,
            settings=settings,
            padded=window.padded or transposed,
            **options,
        )

    def dense(self, source: Tensor, **options: Any) -> Tensor:
        """A Gemm or MatMul of features, (N, C) or the last axis of more."""
        flat = source.layout in ("flat", "flat_last")
        spatial = () if flat else source.spatial
        forms = ["gemm", "gemm_t", "gemm_a", "matmul"] if flat else ["matmul"]
        return self.matrix(
            "dense",
            source,
            spatial,
            "flat" if flat else "last",
            taps=source.positions if flat else 1,
            settings={"form": self.pick(forms), "reads": source.layout},
            **options,
        )

    def unflattened(self, source: Tensor, spatial: tuple[int, ...], **options: Any) -> Tensor:
        """A Gemm whose output is meant to be an image: (N, C * positions)."""
        positions = int(np.prod(spatial))
        return self.matrix(
            "dense",
            source,
            spatial,
            "flat",
            taps=source.positions,
            positions=positions,
            settings={"form": self.pick(["gemm", "gemm_t", "matmul"]), "reads": source.layout},
            **options,
        )

    def depthwise(self, source: Tensor, *, times: int = 1, same: bool = False) -> Tensor:
        """A convolution with a kernel per channel, `times` outputs for each."""
        kernels = (1, 2, 3, 3) if times == 1 else (2, 3)
        window = windows.draw(self.rng, source.spatial, same=same, kernels=kernels)
        bias = self.chance(0.6)
        freedom = Freedom(shift=bias)
        width, mine = source.width * times, frozenset({freedom})
        self.restrict(source, shift=bias and not window.padded)
        name = self.name("w")
        again = times > 1
        made = replace(
            source, name=name, width=width, spatial=window.out, ratios=mine, shifts=mine,
            channels=(source.channels, "times", times) if again else source.channels,
            scale=name, blocks=tuple(b * times for b in source.blocks),
        )  # fmt: skip
        numbers = {"kernel": self.weights(width, 1, 1, window.taps)[:, 0, 0, :]}
        if again:
            apart = np.eye(times, window.taps)  # every output of a channel reads another tap
            numbers["kernel"] = np.tile(apart, (source.width, 1)) * self.pick(_NUMBERS)
        if bias:
            numbers["bias"] = self.integers(width)
        settings = {"window": window, "times": times, "place": self.pick(_PLACES)}
        return self.record(
            Step("depthwise", (source.name,), (name,), numbers, settings, freedom), made
        )
