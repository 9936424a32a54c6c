"""One function per operator: it understands the node, or says why not.

A handler returns None when it did all there is to do, else the reason it declines.
"""

from collections.abc import Callable

from lumpcli.loader.handlers.add import add, divide, multiply, negate, subtract, total
from lumpcli.loader.handlers.concat import concat
from lumpcli.loader.handlers.convolution import conv, conv_transpose
from lumpcli.loader.handlers.elementwise import (
    UNARY,
    clip,
    max_or_min,
    power,
    prelu,
    several,
    unary,
)
from lumpcli.loader.handlers.linear import gemm, matmul
from lumpcli.loader.handlers.normalization import batch_normalization
from lumpcli.loader.handlers.pooling import along_positions, global_pool, pool, reduce_positions
from lumpcli.loader.handlers.quantised import (
    bipolar_quant,
    dequantize,
    integer_linear,
    quant,
    quantize,
)
from lumpcli.loader.handlers.reshape import flatten, reshape
from lumpcli.loader.handlers.resizing import expand, pad, resize, tile
from lumpcli.loader.handlers.shape import cast, dropout, identity, squeeze, transpose
from lumpcli.loader.handlers.taking import gather, slice_, split
from lumpcli.loader.quantum import QONNX
from lumpcli.loader.trace import Trace

Handler = Callable[[Trace], str | None]

HANDLERS: dict[str, Handler] = {
    "Gemm": gemm,
    "MatMul": matmul,
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "BatchNormalization": batch_normalization,
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
    **dict.fromkeys(("Where", "Mod", "And", "Or", "Xor", "Equal"), several),
    **dict.fromkeys(("Greater", "Less", "GreaterOrEqual", "LessOrEqual"), several),
    **dict.fromkeys(("MaxPool", "AveragePool", "LpPool"), pool),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"), global_pool),
    **dict.fromkeys(("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin"), reduce_positions),
    **dict.fromkeys(("ReduceL1", "ReduceL2", "ReduceProd", "ReduceSumSquare"), reduce_positions),
    **dict.fromkeys(("Softmax", "LogSoftmax", "Hardmax", "CumSum"), along_positions),
    "QuantizeLinear": quantize,
    "DequantizeLinear": dequantize,
    **dict.fromkeys(("QLinearConv", "QLinearMatMul"), integer_linear),
    **dict.fromkeys(("ConvInteger", "MatMulInteger"), integer_linear),
    "Pad": pad,
    "Resize": resize,
    "Upsample": resize,
    "Expand": expand,
    "Tile": tile,
    "Concat": concat,
    "Split": split,
    "Slice": slice_,
    "Gather": gather,
    "Identity": identity,
    "Dropout": dropout,
    "Cast": cast,
    "Transpose": transpose,
    "Flatten": flatten,
    "Reshape": reshape,
    "Squeeze": squeeze,
    "Unsqueeze": squeeze,
    **dict.fromkeys(UNARY, unary),
}

# operators of other domains: ONNX Runtime's own, and those of quantisation-aware training
OTHERS: dict[tuple[str, str], Handler] = {
    ("com.microsoft", "QGemm"): integer_linear,
    **{
        (domain, name): handler
        for domain in QONNX
        for name, handler in (("Quant", quant), ("BipolarQuant", bipolar_quant))
    },
}

# the operators whose handlers may be told computed sizes
READ_SIZES = ("Reshape", "Expand", "Resize", "Upsample")

__all__ = ["HANDLERS", "OTHERS", "READ_SIZES", "Handler"]
