"""Build every sample model: `python -m sample_models.make` (`make models`) writes the .onnx files.

Small integers and dyadic ratios, so that float32 computes without rounding: there a reduced model
must give the same bits. README.md in this folder says what each model becomes when it is reduced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper

FOLDER = Path(__file__).resolve().parent
Matrix = NDArray[np.float64]
Rows = list[list[float]]
Form = Literal["gemm", "matmul"]


class Builder:
    """Collects nodes and float32 initializers; weights are given as (features, sources)."""

    def __init__(self, form: Form = "gemm") -> None:
        self.form = form
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def tensor(self, name: str, values: ArrayLike) -> str:
        """Store `values` as a float32 initializer and return its name."""
        self.initializers.append(numpy_helper.from_array(np.asarray(values, np.float32), name))
        return name

    def node(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Append one node and return the name of its output."""
        name = f"/{output}/{operator}"
        self.nodes.append(helper.make_node(operator, inputs, [output], name=name, **attributes))
        return output

    def dense(self, source: str, output: str, weight: ArrayLike, bias: ArrayLike | None) -> str:
        """`weight @ source + bias`, as one Gemm or as MatMul and Add."""
        matrix = np.asarray(weight, np.float64)
        if self.form == "gemm":
            inputs = [source, self.tensor(f"{output}.weight", matrix)]
            if bias is not None:
                inputs.append(self.tensor(f"{output}.bias", bias))
            return self.node("Gemm", inputs, output, transB=1)
        product = output if bias is None else f"{output}.product"
        self.node("MatMul", [source, self.tensor(f"{output}.weight", matrix.T)], product)
        if bias is None:
            return product
        return self.node("Add", [product, self.tensor(f"{output}.bias", bias)], output)

    def relu(self, source: str, output: str) -> str:
        """`max(source, 0)`."""
        return self.node("Relu", [source], output)

    def model(
        self,
        name: str,
        inputs: int,
        outputs: int,
        text: str,
        opset: int = 13,
        metadata: dict[str, str] | None = None,
    ) -> onnx.ModelProto:
        """The finished model from `x` (N, inputs) to `y` (N, outputs), checked."""
        graph = helper.make_graph(
            self.nodes,
            name,
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", inputs])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", outputs])],
            self.initializers,
        )
        made = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", opset)],
            ir_version=8,
            producer_name="sample_models/make.py",
            doc_string=text,
        )
        helper.set_model_props(made, {"model": name, **(metadata or {})})
        onnx.checker.check_model(made, full_check=True)
        return made


def mlp(
    name: str,
    layers: Sequence[tuple[Matrix, ArrayLike | None]],
    text: str,
    opset: int = 13,
    form: Form = "gemm",
    metadata: dict[str, str] | None = None,
) -> onnx.ModelProto:
    """A chain of dense layers `(weight, bias)` with ReLU between them, from `x` to `y`."""
    builder, value = Builder(form), "x"
    for number, (weight, bias) in enumerate(layers[:-1], start=1):
        value = builder.relu(builder.dense(value, f"fc{number}", weight, bias), f"relu{number}")
    weight, bias = layers[-1]
    builder.dense(value, "y", weight, bias)
    return builder.model(name, layers[0][0].shape[1], len(weight), text, opset, metadata)


# --- exact_mlp ----------------------------------------------------------------------------

DISTINCT = 9  # classes per hidden layer; each planted multiple names the class it belongs to
OWNERS = (0, 0, 0, 1, 2, 3, 4, 5, 6)  # class 0 has four members, 7 and 8 have one
UNREAD, CONSTANT = DISTINCT, -1  # the unread neuron has a class of its own
WIDTH = DISTINCT + len(OWNERS) + 2  # and one constant, one unread neuron


def _small(random: np.random.RandomState, *shape: int) -> Matrix:
    """Integers from -3 to 3 without 0, so that no row or column vanishes by accident."""
    values = random.randint(1, 4, size=shape) * random.choice([-1, 1], size=shape)
    return np.asarray(values, np.float64)


def _planted(
    random: np.random.RandomState,
    classes: Matrix,
    bias: Matrix,
    spread: Callable[[Matrix], Matrix],
    ratios: Sequence[float],
) -> tuple[Matrix, Matrix, NDArray[np.int64], Matrix]:
    """One hidden layer of WIDTH neurons computing multiples of the rows `(classes, bias)`.

    `spread` writes a row over the classes of the previous layer (constant 1 last) as a row over
    its neurons. Returned: weight, bias, class of each neuron (UNREAD, CONSTANT among them), ratio.
    """
    owner = [*range(DISTINCT), *OWNERS, UNREAD]
    ratio = [1.0] * DISTINCT + [ratios[k % len(ratios)] for k in range(len(OWNERS))] + [1.0]
    rows = [spread(r * np.append(classes[c], bias[c])) for r, c in zip(ratio, owner, strict=True)]
    rows.append(np.append(np.zeros(len(rows[0]) - 1), 2.0))  # relu(2), whatever x is
    owner.append(CONSTANT)
    ratio.append(0.0)
    order = random.permutation(WIDTH)
    table = np.stack(rows)[order]
    return table[:, :-1], table[:, -1], np.array(owner)[order], np.array(ratio)[order]


def exact_mlp(
    opset: int = 13, form: Form = "gemm", ratios: Sequence[float] = (1.0, 2.0, 0.5, 4.0)
) -> onnx.ModelProto:
    """10-20-20-5; in each hidden layer 9 neurons are multiples, 1 is constant, 1 is unread.

    The second layer's stored rows are *not* multiples of each other: only after folding the first
    layer's classes (and its constant into the biases) are they.
    """
    random = np.random.RandomState(22)
    w1, b1, owner1, ratio1 = _planted(
        random, _small(random, DISTINCT + 1, 10), _small(random, DISTINCT + 1), lambda r: r, ratios
    )

    def columns(row: Matrix, owner: NDArray[np.int64], ratio: Matrix) -> Matrix:
        """Spread a row over classes onto neurons: random shares, the last member gets the rest."""
        out = np.zeros(WIDTH + 1)
        out[:WIDTH] = _small(random, WIDTH) * (owner != UNREAD)
        for c in range(DISTINCT):
            *others, last = np.flatnonzero(owner == c)
            out[last] = (row[c] - out[others] @ ratio[others]) / ratio[last]
        out[WIDTH] = row[-1] - 2.0 * out[np.flatnonzero(owner == CONSTANT)[0]]
        return out

    w2, b2, owner2, ratio2 = _planted(
        random,
        _small(random, DISTINCT + 1, DISTINCT),
        _small(random, DISTINCT + 1),
        lambda row: columns(row, owner1, ratio1),
        ratios,
    )
    out = np.stack([columns(_small(random, DISTINCT + 1), owner2, ratio2) for _ in range(5)])
    return mlp(
        "exact_mlp",
        [(w1, b1), (w2, b2), (out[:, :-1], out[:, -1])],
        "Planted duplicates, multiples, constants and unread neurons: 10-20-20-5 is 10-9-9-5.",
        opset,
        form,
        {"seed": "22", "reduced": "10-9-9-5"},
    )


# --- examples of the theory ---------------------------------------------------------------


def fig3() -> onnx.ModelProto:
    """[R22, Fig. 3]: t = 2 v, so z reads v with 3 + 2 * (-1) = 1 and t goes."""
    v, t, other = [1.0, 2.0, -1.0], [2.0, 4.0, -2.0], [-1.0, 1.0, 2.0]
    return mlp(
        "fig3",
        [
            (np.array([v, t, other]), [1.0, 2.0, 0.0]),
            (np.array([[3.0, -1.0, 2.0]]), [-1.0]),
        ],
        "The example of Fig. 3 of arXiv 2209.07475: t is twice v, the other neuron stays.",
    )


def definition6() -> onnx.ModelProto:
    """Definition 6 of [R22] as printed would merge v and t here; the network is -relu(x).

    Layer 1: u1 = relu(x), u2 = relu(2x) = 2 u1, u3 = relu(1 - x). Layer 2: v = relu(u1 + u3),
    t = relu(u2 + u3): equal plain sums over the class {u1, u2}, but folded rows (1, 1) and (2, 1).
    """
    return mlp(
        "definition6",
        [
            (np.array([[1.0], [2.0], [-1.0]]), [0.0, 0.0, 1.0]),
            (np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]), None),
            (np.array([[1.0, -1.0]]), None),
        ],
        "Counterexample to Definition 6 of arXiv 2209.07475: u1 and u2 merge, v and t must not.",
    )


def residual() -> onnx.ModelProto:
    """A residual stream of 4 features and two branches of 4 inner neurons; one of each lumps.

    Worked by hand, s_k the stream and a_k the inner neurons of block k (all ties by Add):
      s0[1] = 2 s0[0] + 3     rows (1, 2, -1) and (2, 4, -2), biases 1 and 5
      a1[1] = 2 a1[0]         s0[1] + 2 s0[2] - 1 against s0[0] + s0[2] + 1
      branch1[1] = 2 branch1[0] + 1, because a1[1] = 2 a1[0]; the stored rows differ
      s1[1] = 2 s1[0] + 4, hence a2[1] = 2 a2[0], hence branch2 and s2 alike.
    Stream and inner neurons each lump only because the other does: 4, 4, 4 become 3, 3, 3.
    """
    build = Builder("matmul")
    stem: Rows = [[1, 2, -1], [2, 4, -2], [-1, 1, 1], [0, 1, -2]]
    stream = build.dense("x", "stream0", stem, [1.0, 5, 0, 2])
    inner1: Rows = [[1, 0, 1, 0], [0, 1, 2, 0], [0, 0, -1, 1], [1, 0, 0, -1]]
    inner2: Rows = [[1, 0, 0, -1], [0, 1, 0, -2], [0, 0, 1, 2], [-1, 0, 1, 0]]
    branch1: Rows = [[2, 0, 1, 0], [0, 2, 2, 0], [1, 0, 0, -1], [0, 1, 0, 1]]
    branch2: Rows = [[1, 0, 0, 1], [0, 1, 0, 2], [0, 1, -1, 0], [-1, 0, 1, 0]]
    blocks = [
        (inner1, [1.0, -1, 0, 1], branch1, [0.0, 1, 0, 0]),
        (inner2, [0.0, -4, 1, 0], branch2, [1.0, 2, 0, -1]),
    ]
    for k, (inner, inner_bias, branch, branch_bias) in enumerate(blocks, start=1):
        hidden = build.relu(build.dense(stream, f"inner{k}", inner, inner_bias), f"relu{k}")
        back = build.dense(hidden, f"branch{k}", branch, branch_bias)
        stream = build.node("Add", [stream, back], f"stream{k}")
    head: Rows = [[1, 1, -1, 2], [2, -1, 1, 1]]
    build.dense(stream, "y", head, [0.0, 1])
    return build.model(
        "residual", 3, 2, "A residual network that only one joint cut of all its layers reduces."
    )


PLANTED: dict[str, Callable[[], onnx.ModelProto]] = {
    "exact_mlp": exact_mlp,
    "fig3": fig3,
    "definition6": definition6,
    "residual": residual,
}


def write(models: Iterable[tuple[str, onnx.ModelProto]], folder: Path = FOLDER) -> None:
    """Write each model to `folder`/name.onnx and print its size."""
    for name, model in models:
        path = folder / f"{name}.onnx"
        path.write_bytes(model.SerializeToString(deterministic=True))
        print(f"{path.name:22}{path.stat().st_size:8,} bytes")


def main() -> None:
    """Write every sample model; the trained ones need the extra `models` (scikit-learn)."""
    write((name, build()) for name, build in PLANTED.items())
    from sample_models.trained import TRAINED

    write((name, build()) for name, build in TRAINED.items())


if __name__ == "__main__":
    main()
