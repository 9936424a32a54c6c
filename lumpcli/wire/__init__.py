"""The bytes of a model file: large numbers stay there while the rest is an ordinary message."""

from lumpcli.wire.copying import copy_file, write_all
from lumpcli.wire.payloads import Mapped, Numbers, Payload, Payloads, Stretch
from lumpcli.wire.reading import read
from lumpcli.wire.writing import write

__all__ = [
    "Mapped",
    "Numbers",
    "Payload",
    "Payloads",
    "Stretch",
    "copy_file",
    "read",
    "write",
    "write_all",
]
