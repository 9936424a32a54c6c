"""Sound bounds of what activations read, on a box of inputs."""

from lumpcli.bounds.lowering import input_shapes, lower

__all__ = ["input_shapes", "lower"]
