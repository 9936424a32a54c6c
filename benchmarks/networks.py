"""Networks with planted redundancy, of any size, written to files as they are drawn.

Redundant features are multiples (1/2, 1 or 2) of kept ones, bias included, in shuffled order: what
lumping finds to the last feature, and stores without rounding more than a folded sum.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from onnx import NodeProto, TensorProto, ValueInfoProto, helper

Array = npt.NDArray[np.float32]
DATA = ".data"  # what the file of external data adds to the model's name
_RATIOS = np.float32([0.5, 1, 2])


def kept(width: int, redundancy: float) -> int:
    """How many of a layer's features are not redundant."""
    return max(1, width - round(redundancy * width))


def planted(
    rng: np.random.Generator, shape: Sequence[int], redundancy: float
) -> tuple[Array, Array]:
    """A weight (n, n_source, *taps) and its bias (n,); the first axis has the redundant rows."""
    rows = kept(shape[0], redundancy)
    weight = np.empty(shape, np.float32)
    rng.standard_normal(out=weight[:rows], dtype=np.float32)
    # so that a signal keeps its size through many layers
    weight[:rows] *= np.float32(np.sqrt(2 / np.prod(shape[1:])))
    bias = rng.standard_normal(shape[0], dtype=np.float32) * np.float32(0.1)
    source = rng.integers(0, rows, shape[0] - rows)
    ratio = rng.choice(_RATIOS, shape[0] - rows)
    for k in range(len(source)):  # row by row: a whole copy would double the memory
        np.multiply(weight[source[k]], ratio[k], out=weight[rows + k])
    bias[rows:] = bias[source] * ratio
    if redundancy:
        order = rng.permutation(shape[0])
        weight, bias = weight[order], bias[order]
    return weight, bias


class _Writer:
    """Collects nodes and stored numbers; external ones go to their file at once."""

    def __init__(self, path: Path, data: BinaryIO | None) -> None:
        self._path, self._data = path, data
        self.nodes: list[NodeProto] = []
        self.tensors: list[TensorProto] = []

    def store(self, name: str, array: Array) -> str:
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=array.shape)
        if self._data is None:
            tensor.raw_data = array.tobytes()
        else:
            entries = {
                "location": self._path.name + DATA,
                "offset": str(self._data.tell()),
                "length": str(array.nbytes),
            }
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in entries.items():
                tensor.external_data.add(key=key, value=value)
            array.tofile(self._data)
        self.tensors.append(tensor)
        return name

    def node(self, operator: str, inputs: Sequence[str], output: str, **attributes: object) -> str:
        node = helper.make_node(operator, inputs, [output], name=output + "_node", **attributes)
        self.nodes.append(node)
        return output

    def finish(self, inputs: ValueInfoProto, outputs: ValueInfoProto) -> None:
        graph = helper.make_graph(self.nodes, "bench", [inputs], [outputs], self.tensors)
        opset = [helper.make_opsetid("", 17)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=8)
        self._path.write_bytes(model.SerializeToString())


def _float(name: str, shape: Sequence[int | str]) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))


def chain(
    path: Path, widths: Sequence[int], redundancy: float, seed: int = 0, external: bool = False
) -> Path:
    """Dense layers with Relu between them; `widths` from the input to the output, which is whole.

    external: weights in a file of their own beside the model, written layer by layer.
    """
    rng = np.random.default_rng(seed)
    with ExitStack() as files:
        data = files.enter_context(Path(f"{path}{DATA}").open("wb")) if external else None
        writer = _Writer(path, data)
        last = "x"
        for k, (source, width) in enumerate(pairwise(widths)):
            output = k == len(widths) - 2
            weight, bias = planted(rng, (width, source), 0.0 if output else redundancy)
            names = [writer.store(f"w{k}", weight), writer.store(f"b{k}", bias)]
            last = writer.node("Gemm", [last, *names], "y" if output else f"h{k}", transB=1)
            if not output:
                last = writer.node("Relu", [last], f"r{k}")
        writer.finish(_float("x", ("N", widths[0])), _float("y", ("N", widths[-1])))
    return path


def images(
    path: Path, channels: Sequence[int], size: int, redundancy: float, seed: int = 0
) -> Path:
    """Convolutions 3x3 with Relu on images of that size, a mean over positions, ten classes."""
    rng = np.random.default_rng(seed)
    writer = _Writer(path, None)
    last = "x"
    for k, (source, width) in enumerate(pairwise(channels)):
        weight, bias = planted(rng, (width, source, 3, 3), redundancy)
        names = [writer.store(f"w{k}", weight), writer.store(f"b{k}", bias)]
        last = writer.node("Conv", [last, *names], f"h{k}", pads=[1, 1, 1, 1])
        last = writer.node("Relu", [last], f"r{k}")
    last = writer.node("GlobalAveragePool", [last], "pooled")
    last = writer.node("Flatten", [last], "flat")
    weight, bias = planted(rng, (10, channels[-1]), 0.0)
    names = [writer.store("head", weight), writer.store("head_bias", bias)]
    writer.node("Gemm", [last, *names], "y", transB=1)
    writer.finish(_float("x", ("N", channels[0], size, size)), _float("y", ("N", 10)))
    return path


def files_of(path: Path) -> Iterator[Path]:
    """The model's file, and its data file if it has one (under any name that begins alike)."""
    yield path
    yield from sorted(p for p in path.parent.glob(f"{path.name}.*") if p.is_file())


def bytes_of(path: Path) -> int:
    """Bytes of a model's files; 0 when it is not there."""
    return sum(p.stat().st_size for p in files_of(path)) if path.exists() else 0
