"""Results built by hand: what the verbs return, without running any of them."""

from __future__ import annotations

from dataclasses import replace

from lumpcli.promises import BoxFacts, RoundingBound
from lumpcli.results import (
    Change,
    ConstantOutput,
    Domain,
    InputRange,
    LayerChange,
    LayerStats,
    OutputComparison,
    Proof,
    Result,
    Sizes,
    Sliced,
    Stats,
    Verdict,
)

BY_ONNXRUNTIME = OutputComparison(
    name="y",
    engine="onnxruntime",
    dtype="float32",
    max_abs=3.1e-7,
    scale=3.2,
    relative=9.6e-8,
    ulp=2.0,
    argmax_agreement=1.0,
    tolerance=1e-5,
    noise=1e-7,
    equal=True,
)
BY_REFEREE = OutputComparison(
    name="y",
    engine="referee",
    dtype="float64",
    max_abs=0.0,
    scale=3.2,
    relative=0.0,
    ulp=None,
    argmax_agreement=None,
    tolerance=1e-6,
    noise=0.0,
    equal=True,
)
EQUAL = Verdict(
    status="equal",
    reason="",
    outputs=(BY_ONNXRUNTIME, BY_REFEREE),
    samples=64,
    seed=0,
    runtime="onnxruntime 1.31.1, CPU, optimisations off, 1 thread",
    referee="agrees",
)
INSIDE = replace(
    EQUAL,
    domain=Domain("given", (InputRange("x", 0.0, 1.0, True), InputRange("z", -1.0, 2.5, False))),
    uncompared=("inside_box",),
)
DIFFERENT = Verdict(
    status="different",
    reason="output y differs by 0.31 of its scale, allowed is 1e-05",
    outputs=(
        OutputComparison(
            "y", "onnxruntime", "float32", 1.0, 3.2, 0.31, 3.4e7, 0.971, 1e-5, 1e-7, False
        ),
    ),
    samples=64,
    seed=0,
    runtime="onnxruntime 1.31.1, CPU, optimisations off, 1 thread",
    referee="skipped: more than 1,000,000 MACs",
    witness="w.npz",
)
UNVERIFIED = Verdict(
    status="unverified",
    reason="onnxruntime cannot run the model: com.acme:Foo is not a registered operator",
    outputs=(),
    samples=0,
    seed=0,
    runtime="",
    referee="",
)


def layer(name: str, before: int, after: int, **more: object) -> LayerChange:
    """A layer that went from `before` to `after` features, all of the difference lumped."""
    fields: dict[str, object] = {
        "node": "",
        "constant": 0,
        "unread": 0,
        "lumped": before - after,
        "linear": 0,
        "folded": False,
        "emptied": False,
        "pinned": None,
        "declined": None,
    }
    return LayerChange(name=name, features=Change(before, after), **(fields | more))


REDUCED = Result(
    source="tll.onnx",
    output="small.onnx",
    changed=True,
    level="exact",
    layers=(
        layer("linear_1", 130, 42, constant=38, lumped=50),
        layer("linear_2", 256, 146),
        layer("/head", 4, 4, pinned="graph output"),
    ),
    features=Change(386, 188),
    parameters=Change(17171, 2684),
    macs=Change(16908, 2496),
    file_bytes=Change(74221, 15903),
    folded=2496,
    rounded=0,
    steps=1,
    promise="exact",
    rounding=(RoundingBound("y", 0.0, 0, None),),
    lower_bound=None,
    constant_outputs=(),
    why_unchanged=None,
    hint="3 more features are proportional within rounding: --level rounding",
    verdict=EQUAL,
)
SLICED = Sliced(
    source="acas.onnx",
    folder="slices",
    table="slices.json",
    single_file="single.onnx",
    asked=32,
    slices=32,
    depth=8,
    resumed=0,
    features=Sizes(300, 231.5, 90, 296),
    parameters=Sizes(13305, 8100.25, 2000, 13001),
    file_bytes=Sizes(55889, 34000.5, 9000, 55000),
    seed=0,
    notes=(),
    verdict=EQUAL,
)
UNCHANGED = Result(
    source="plain.onnx",
    output="copy.onnx",
    changed=False,
    level="exact",
    layers=(
        layer("fc1", 50, 50),
        layer("fc2", 50, 50, pinned="its output is read by TopK"),
        layer("y", 5, 5, pinned="graph output"),
    ),
    features=Change(100, 100),
    parameters=Change(13305, 13305),
    macs=Change(13000, 13000),
    file_bytes=Change(60000, 60000),
    folded=0,
    rounded=0,
    steps=0,
    promise="exact",
    rounding=(RoundingBound("y", 0.0, 0, None),),
    lower_bound=None,
    constant_outputs=(),
    why_unchanged="no feature is constant, unread, or a multiple of another",
    hint=None,
    verdict=None,
)
BOUND = RoundingBound("y", 2.11e-7, 3, None)
UNBOUNDED = RoundingBound("p", None, 0, "Softmax 'p' is not followed")
CONSTANT = ConstantOutput("y", 0, 3.0)

MEASURED = Stats(
    source="mlp.onnx",
    ir_version=8,
    opsets={"": 13, "com.acme": 1},
    producer="pytorch 2.1",
    inputs={"x": "float32[N,10]"},
    outputs={"y": "float32[N,5]"},
    operators={"Relu": 2, "Gemm": 3},
    file_bytes=3345,
    parameters=1745,
    layers=(
        LayerStats("h1", "Gemm_0", "Gemm+Relu", 20, 1220, 1200, 1, 1, 4, 5, 0, 0, 11, None),
        LayerStats("h2", "Gemm_1", "Gemm+Relu", 20, 420, 400, 1, 0, 4, 6, 0, 0, 11, None),
        LayerStats("y", "Gemm_2", "Gemm", 5, 105, 100, 0, 0, 0, 0, 0, 0, 0, "graph output"),
    ),
    features=40,
    reducible=22,
    reducible_percent=55.0,
    lower_bound=None,
    constant_outputs=(),
    why_not=None,
)


PROVED = Proof("proved", "", "", "", "exact", False, 2, 122, 116, 10, 3, 0)
REFUSED = Proof(
    *("refused", "row 3 is no multiple of row 2", "relu1", "fc1.weight", None),
    *(False, 0, 0, 0, 0, 0, 0),
)

IN_BOX = BoxFacts(784, 3, 2, 9, {"crown": 3, "milp": 2}, "real", {}, None, 2, "numerical")
