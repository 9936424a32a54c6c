"""Unread features: a labelling of what is read and needed that is closed under all readers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lumpcli.analysis import CONSTANT, Liveness, Values
from lumpcli.ir import Array, Join, Layer, Net
from lumpcli.proofs.fold import folded_row


@dataclass(frozen=True)
class Unread:
    """Features of a layer that a labelling of the whole net says nobody reads."""

    layer: str
    features: Array
    liveness: Liveness
    values: Values

    def check(self, net: Net) -> str | None:
        """None when the features are labelled unread and the labelling is closed."""
        read = self.liveness.read[self.layer]
        if read[self.features].any():
            return f"{self.layer}: a feature claimed unread is read"
        for layer in net.layers:
            reason = self._closed(layer)
            if reason is not None:
                return reason
        return None

    def _closed(self, layer: Layer) -> str | None:
        """What the needed features of one layer read must be labelled so."""
        read, needed = self.liveness.read, self.liveness.needed
        live = needed[layer.name]
        if layer.pinned is not None and not (live.all() and read[layer.name].all()):
            return f"{layer.name} is pinned, but not all of it is labelled needed"
        if (read[layer.name] & ~live).any():
            return f"{layer.name}: a feature is read, but not labelled needed"
        for i in np.flatnonzero(live).tolist():
            for term in layer.terms:
                if not term.diagonal:
                    continue
                uses = isinstance(layer, Join) or term.factor(i) != 0
                if uses and not needed[term.source][i]:
                    return f"{layer.name}: feature {i} needs {term.source}"
            if layer.is_dense:
                row, _ = folded_row(layer, i, self.values)
                used = {label for label, _tap in row}
                for term in layer.terms:
                    labels = self.values[term.source].class_of
                    hit = np.isin(labels, list(used)) & (labels != CONSTANT)
                    if (hit & ~read[term.source]).any():
                        return f"{layer.name}: feature {i} reads {term.source}"
        return None
