"""From a reduced net back to ONNX."""

from lumpcli.exporter.domain import domain_of, state_domain, without_domain
from lumpcli.exporter.files import (
    check_data_place,
    check_target,
    publish,
    staging,
    write_copy,
    write_model,
)
from lumpcli.exporter.guard import Guard, guard
from lumpcli.exporter.patch import Exported, embed, export
from lumpcli.exporter.roundtrip import check_roundtrip

__all__ = [
    "Exported",
    "Guard",
    "check_data_place",
    "check_roundtrip",
    "check_target",
    "domain_of",
    "embed",
    "export",
    "guard",
    "publish",
    "staging",
    "state_domain",
    "without_domain",
    "write_copy",
    "write_model",
]
