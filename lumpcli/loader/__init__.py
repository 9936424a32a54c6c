"""From ONNX to the layered net, as an overlay: the model itself is never changed here."""

from lumpcli.loader.graph import DEFAULT_DOMAINS, Graph, Use, describe, read_model
from lumpcli.loader.host import Host, load
from lumpcli.loader.site import Site
from lumpcli.loader.weights import Stored, Weights, external_file, tensor_array, tensor_bytes

__all__ = [
    "DEFAULT_DOMAINS",
    "Graph",
    "Host",
    "Site",
    "Stored",
    "Use",
    "Weights",
    "describe",
    "external_file",
    "load",
    "read_model",
    "tensor_array",
    "tensor_bytes",
]
