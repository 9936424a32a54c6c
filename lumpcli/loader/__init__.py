"""From ONNX to the layered net, as an overlay: nothing here changes a model but a copy of it."""

from lumpcli.loader.graph import (
    DEFAULT_DOMAINS,
    Graph,
    Use,
    all_tensors,
    describe,
    local_names,
    names_in,
    read_model,
    subgraphs,
)
from lumpcli.loader.host import Host, load
from lumpcli.loader.removal import Removal, removal, splice, why_stays
from lumpcli.loader.site import Site
from lumpcli.loader.tensors import external_file, external_range, location_of, tensor_array
from lumpcli.loader.weights import STEPS, Stored, Weights

__all__ = [
    "DEFAULT_DOMAINS",
    "STEPS",
    "Graph",
    "Host",
    "Removal",
    "Site",
    "Stored",
    "Use",
    "Weights",
    "all_tensors",
    "describe",
    "external_file",
    "external_range",
    "load",
    "local_names",
    "location_of",
    "names_in",
    "read_model",
    "removal",
    "splice",
    "subgraphs",
    "tensor_array",
    "why_stays",
]
