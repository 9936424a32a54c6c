"""One function per operator: it understands the node, or says why not.

A handler returns None when it did all there is to do, else the reason it declines.
"""

from collections.abc import Callable

from lumpcli.loader.handlers.add import add, divide, multiply, negate, subtract, total
from lumpcli.loader.handlers.concat import concat
from lumpcli.loader.handlers.elementwise import UNARY, clip, max_or_min, power, prelu, unary
from lumpcli.loader.handlers.linear import gemm, matmul
from lumpcli.loader.handlers.shape import cast, dropout, flatten, identity, reshape, squeeze
from lumpcli.loader.trace import Trace

Handler = Callable[[Trace], str | None]

HANDLERS: dict[str, Handler] = {
    "Gemm": gemm,
    "MatMul": matmul,
    "Add": add,
    "Sub": subtract,
    "Mul": multiply,
    "Div": divide,
    "Neg": negate,
    "Sum": total,
    "Clip": clip,
    "PRelu": prelu,
    "Max": max_or_min,
    "Min": max_or_min,
    "Pow": power,
    "Concat": concat,
    "Identity": identity,
    "Dropout": dropout,
    "Cast": cast,
    "Flatten": flatten,
    "Reshape": reshape,
    "Squeeze": squeeze,
    "Unsqueeze": squeeze,
    **dict.fromkeys(UNARY, unary),
}

# the operators that may read a tensor in which several layers are joined
READ_JOINED = ("Gemm", "MatMul", "Concat", "Identity", "Dropout")

__all__ = ["HANDLERS", "READ_JOINED", "Handler"]
