"""The judge: are two ONNX files the same function, as far as samples can tell?

It sees the two files and nothing else of lumpcli.
"""

from lumpcli.verify.arrays import load_inputs
from lumpcli.verify.judge import verify
from lumpcli.verify.settings import Settings

__all__ = ["Settings", "load_inputs", "verify"]
