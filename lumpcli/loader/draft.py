"""Layers in the making, and the tensors that hold their features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from onnx import NodeProto

from lumpcli.ir import Activation, Array, Join, Layer, Symmetry, Term
from lumpcli.loader.site import Extent, Measure, Role, Site
from lumpcli.loader.weights import Stored

Extents = tuple[tuple[int, "Draft", Measure, int], ...]  # entry, layer, measure, divisor


@dataclass(frozen=True)
class DraftSite:
    """A site whose layers have no names yet."""

    node: int
    slot: int
    role: Role
    stored: Stored | None
    transposed: bool = False
    axis: int = -1
    attribute: str = ""
    extents: Extents = ()

    def settle(self, layer: str) -> Site:
        """The site, now that layers have names."""
        extents = tuple(Extent(e, draft.tensor, m, d) for e, draft, m, d in self.extents)
        return Site(
            self.node,
            self.slot,
            layer,
            self.role,
            self.stored,
            self.transposed,
            self.axis,
            self.attribute,
            extents,
        )


@dataclass(eq=False)
class Draft:
    """A layer in the making; `tensor` is its output so far."""

    tensor: str
    width: int
    terms: list[tuple[Draft, Term]] = field(default_factory=list)
    bias: Array | None = None
    bias_scale: Fraction = Fraction(1)
    bias_units: Array | None = None
    bias_fixed: bool = True
    bias_dtype: np.dtype[Any] | None = None
    activation: Activation | None = None
    function: str | None = None  # of a join
    common: Symmetry = Symmetry.NONE  # of a join
    pinned: str | None = None
    tied: Array | None = None
    parts: int = 1
    listed: bool = True
    nodes: list[NodeProto] = field(default_factory=list)
    sites: list[DraftSite] = field(default_factory=list)

    @property
    def open(self) -> bool:
        """Whether a bias or an activation may still become part of it."""
        if not self.terms or self.activation is not None or self.function is not None:
            return False
        moved = [t for _, t in self.terms if t.diagonal and not t.plain and t.weight is None]
        return not moved

    def cut_like(self, other: Draft) -> bool:
        """Whether two layers keep the same features, since both follow a third one."""
        return bool(self._followed() & other._followed())

    def _followed(self) -> set[int]:
        """The layers that are cut at the same indices, as far as this one's terms tell."""
        found: set[int] = set()
        waiting = [self]
        while waiting:
            draft = waiting.pop()
            if id(draft) not in found:
                found.add(id(draft))
                waiting += [s for s, t in draft.terms if t.tied and t.select is None]
        return found

    def freeze(self) -> Layer:
        """The finished layer."""
        common: dict[str, Any] = {
            "name": self.tensor,
            "width": self.width,
            "terms": tuple(_named(term, source.tensor) for source, term in self.terms),
            "bias": self.bias,
            "bias_scale": self.bias_scale,
            "bias_units": self.bias_units,
            "bias_fixed": self.bias_fixed,
            "bias_dtype": self.bias_dtype,
            "activation": self.activation or Activation(),
            "pinned": self.pinned,
            "tied": self.tied,
            "parts": self.parts,
            "listed": self.listed,
            "nodes": tuple(n.name for n in self.nodes if n.name),
            "operators": tuple(n.op_type for n in self.nodes),
        }
        if self.function is not None:
            return Join(**common, function=self.function, common=self.common)
        return Layer(**common)


def _named(term: Term, source: str) -> Term:
    fields = {name: getattr(term, name) for name in term.__dataclass_fields__}
    return Term(**{**fields, "source": source})


@dataclass(eq=False)
class Split:
    """Features that a Reshape has spread over several axes: they may be cut along one of them.

    `entries` say, per axis, where the file states its size (None where nothing has to be written).
    The first reader that needs one of the axes whole decides.
    """

    layer: Draft
    sizes: tuple[int, ...]
    entries: tuple[DraftSite | None, ...]
    fixed: tuple[bool, ...]  # along which axes nothing can be cut
    cut: int | None = None
    partners: list[Split] = field(default_factory=list)

    def decide(self, axis: int, aligned: bool = False) -> None:
        """Cut along the axis of this number, and its partners alike.

        As many have to stay for each index of the other axes: the same ones if `aligned`, or if it
        is not the last axis.
        """
        if self.cut not in (None, axis) or self.fixed[axis]:
            reason = "its features are needed along several axes"
            self.layer.pinned = self.layer.pinned or reason
            return
        aligned = aligned or axis < len(self.sizes) - 1
        if self.cut == axis and (self.layer.tied is not None or not aligned):
            return
        site = self.entries[axis]
        if self.cut is None and site is not None:
            self.layer.sites.append(site)
        self.cut = axis
        self.layer.parts = self.layer.width // self.sizes[axis]
        if aligned:
            index = np.unravel_index(np.arange(self.layer.width), self.sizes)
            self.layer.tied, self.layer.parts = index[axis], 1
        for partner in self.partners:
            partner.decide(axis, aligned)


@dataclass(frozen=True)
class View:
    """A tensor that holds the features of a layer along `axes`, counted from the end.

    Nearly always along one. Along several after a `split`: then in the order of `axes`, the last
    one fastest.
    """

    layer: Draft
    axes: tuple[int, ...]
    split: Split | None = None

    @property
    def axis(self) -> int:
        """The only axis."""
        (axis,) = self.axes
        return axis


def one_axis(layer: Draft, axis: int) -> View:
    """A tensor that holds the features of a layer along one axis."""
    return View(layer, (axis,))


def size_site(
    node: int, slot: int, stored: Stored, layer: Draft, entry: int, divisor: int = 1
) -> DraftSite:
    """An entry of a shape that states the width of a layer."""
    return DraftSite(node, slot, "extent", stored, extents=((entry, layer, "width", divisor),))


def settled(drafts: Sequence[Draft]) -> list[Site]:
    """The sites of all layers."""
    return [site.settle(draft.tensor) for draft in drafts for site in draft.sites]
