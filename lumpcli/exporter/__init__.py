"""From a reduced net back to ONNX."""

from lumpcli.exporter.files import (
    check_data_place,
    check_target,
    publish,
    staging,
    write_copy,
    write_model,
)
from lumpcli.exporter.patch import Exported, embed, export
from lumpcli.exporter.roundtrip import check_roundtrip

__all__ = [
    "Exported",
    "check_data_place",
    "check_roundtrip",
    "check_target",
    "embed",
    "export",
    "publish",
    "staging",
    "write_copy",
    "write_model",
]
