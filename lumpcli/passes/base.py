"""What a pass is: it reads facts and proposes cuts, or takes steps. It sees no ONNX."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, Generic, TypeVar

from lumpcli.analysis import Grants, Liveness, Stored, Values
from lumpcli.ir import Claim, Layer, Net, Rounding

S = TypeVar("S")


@dataclass(frozen=True)
class Pass(ABC):
    """One method of reduction; its fields are its options, `name` its name on the command line."""

    name: ClassVar[str]

    @abstractmethod
    def claim(
        self, net: Net, layer: Layer, values: Values, liveness: Liveness, grants: Grants
    ) -> Claim | None:
        """What may go in one layer, or None."""

    @staticmethod
    def irrational(layer: Layer, values: Values) -> frozenset[int]:
        """The features of a layer whose offset is irrational: a claim only comes near it."""
        return values[layer.name].irrational

    def propose(self, net: Net, values: Values, liveness: Liveness, grants: Grants) -> list[Claim]:
        """What may go in every layer that some matrix reads."""
        claims = []
        for layer in net.layers:
            if any(True for _ in net.dense_readers(layer.name)):
                claim = self.claim(net, layer, values, liveness, grants)
                if claim is not None and len(claim.features):
                    claims.append(claim)
        return claims


@dataclass
class Steps(Generic[S]):
    """The net so far, the steps that led to it, what they rounded, and the nets they left."""

    net: Net
    grants: Grants
    taken: tuple[S, ...] = ()
    rounding: Rounding = field(default_factory=Rounding)
    trail: tuple[Stored, ...] = ()

    @property
    def places(self) -> list[str]:
        """The layers to look at; where something is granted of layers, the last one first.

        That is lost behind layers that were rounded, unless they can be bounded anew: so those
        before are left as they are as long as possible.
        """
        names = [layer.name for layer in self.net.layers if layer.is_dense]
        granted = any(layer.between is not None for layer in self.net.layers)
        return names[::-1] if granted else names

    def take(self, step: S, after: Net, rounding: Rounding) -> None:
        """Go on with the net after a step, bounded anew if that rounded anything."""
        self.net = self.grants.renewed(after, rounding)
        self.taken += (step,)
        self.rounding += rounding
        if rounding.rounded:
            self.trail += (Stored(self.net, rounding.inexact),)
