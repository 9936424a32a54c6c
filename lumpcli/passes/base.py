"""What a pass is: it reads facts and proposes cuts. It touches no weight and sees no ONNX."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from lumpcli.analysis import Grants, Liveness, Values
from lumpcli.ir import Claim, Layer, Net


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
