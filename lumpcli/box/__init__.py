"""A box of inputs: two numbers per element, from the command line, an .npz or a VNN-LIB file."""

from lumpcli.box.box import Array, Box, Shapes
from lumpcli.box.reading import read_box
from lumpcli.box.vnnlib import parse_vnnlib

__all__ = ["Array", "Box", "Shapes", "parse_vnnlib", "read_box"]
