"""The judge: are two ONNX files the same function, as far as samples can tell?

It sees the two files and nothing else of lumpcli.
"""

from lumpcli.judge.arrays import load_inputs
from lumpcli.judge.family import verify_family, verify_single
from lumpcli.judge.settings import Settings
from lumpcli.judge.verify import verify

__all__ = ["Settings", "load_inputs", "verify", "verify_family", "verify_single"]
