"""A box of inputs: two numbers per element, from the command line, an .npz or a VNN-LIB file."""

from lumpcli.box.box import Array, Box, Shapes, uniform
from lumpcli.box.reading import read_box
from lumpcli.box.stating import GUARD, KEY, from_text, stated, to_text
from lumpcli.box.summary import summarise
from lumpcli.box.vnnlib import parse_vnnlib

__all__ = [
    "GUARD",
    "KEY",
    "Array",
    "Box",
    "Shapes",
    "from_text",
    "parse_vnnlib",
    "read_box",
    "stated",
    "summarise",
    "to_text",
    "uniform",
]
