"""The judge: are two ONNX files the same function, as far as samples can tell?

It sees the two files and nothing else of lumpcli.
"""

from lumpcli.judge.arrays import load_inputs
from lumpcli.judge.judge import verify
from lumpcli.judge.settings import Settings

__all__ = ["Settings", "load_inputs", "verify"]
