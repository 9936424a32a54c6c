from __future__ import annotations

from fractions import Fraction

import numpy as np
import onnx
import pytest
from onnx.helper import make_node

from lumpcli.api import Granted, Settings, reduce, verify
from lumpcli.api.boxed import bounds_on, facts_in, renewing
from lumpcli.bounds import MILP, RUNGS, bounded, ladder
from lumpcli.box import Box
from lumpcli.errors import UsageError
from lumpcli.exporter import domain_of
from lumpcli.loader import load
from lumpcli.redundancy import Request
from tests.bounds.rational import dense_model
from tests.bounds.solvable import pyramid
from tests.computed import POSITIONS, evaluate, exactly, outputs
from tests.models import build

ROWS = np.array([[1, 2], [-1, -1], [1, -1], [2, 0]], "f4")
BIAS = np.array([1, -1, 0, 3], "f4")


@pytest.fixture
def model():
    """On [0, 1]: z in [1, 4], [-3, -1], [-1, 1], [3, 5]."""
    nodes = [
        make_node("Gemm", ["x", "w", "b"], ["z"], transB=1),
        make_node("Relu", ["z"], ["h"]),
        make_node("Gemm", ["h", "v", "c"], ["y"], transB=1),
    ]
    weights = {"w": ROWS, "b": BIAS, "v": np.array([[1, 2, 3, 4]], "f4"), "c": np.ones(1, "f4")}
    return build(nodes, weights, inputs={"x": ("N", 2)})


def test_layers_know_what_they_lie_between(model):
    host = load(model)
    box, phases = bounds_on(host, Granted(("0,1",)), 1)
    net = bounded(host, host.net, box, phases)
    x, hidden = net.layers[0], net.dense_layers[0]
    assert x.between.tolist() == [[0, 0], [1, 1]]
    low, high = hidden.between
    assert (low <= [1, -3, -1, 3]).all()
    assert (high >= [4, -1, 1, 5]).all()
    assert np.abs(hidden.between - [[1, -3, -1, 3], [4, -1, 1, 5]]).max() < 1e-12
    found = facts_in(box, phases, None)
    assert (found.inputs, found.inactive, found.active, found.unknown) == (2, 1, 2, 1)


def test_reduce_in_a_box(model):
    """One neuron is 0, two are linear: of one reader, so they become one."""
    result = reduce(model, granted=Granted(("0,1",)))
    (hidden, _) = result.layers
    assert (hidden.features.before, hidden.features.after) == (4, 2)
    assert (hidden.constant, hidden.linear) == (1, 1)
    assert result.box is not None
    assert result.lower_bound is None
    assert not reduce(model).changed


def deep(seed: int) -> onnx.ModelProto:
    """Four layers of ReLUs, most of which are linear on the box that is used."""
    rng = np.random.default_rng(seed)
    widths, read, nodes, weights = (3, 8, 8, 8, 2), "x", [], {}
    for k in range(4):
        weights[f"w{k}"] = rng.normal(size=(widths[k + 1], widths[k])).astype("f4") / 2
        weights[f"b{k}"] = rng.normal(size=widths[k + 1]).astype("f4") * 3
        nodes.append(make_node("Gemm", [read, f"w{k}", f"b{k}"], [f"z{k}"], transB=1))
        read = f"h{k}" if k < 3 else "y"
        nodes.append(make_node("Relu" if k < 3 else "Identity", [f"z{k}"], [read]))
    return build(nodes, weights, inputs={"x": ("N", 3)})


@pytest.mark.parametrize("seed", range(6))
def test_what_rounding_does_on_the_box(tmp_path, seed):
    source, target = files(tmp_path, deep(seed))
    result = reduce(source, target, granted=Granted(("-1,1",)))
    (bound,) = result.rounding
    assert result.rounded > 0
    assert bound.relative is None
    assert bound.absolute is not None
    before, after = load(source).net, load(target).net
    worst = Fraction(0)
    for _ in range(30):
        x = {"x": exactly(np.random.default_rng().integers(-8, 9, (3, POSITIONS)) / 8)}
        (was,), (is_,) = (outputs(net, evaluate(net, x)) for net in (before, after))
        worst = max(worst, abs(was - is_).max())
    assert 0 < worst <= bound.absolute < 1e-4
    assert reduce(source, granted=Granted(("-1,1",)), level="strict").rounding[0].absolute == 0
    assert reduce(source).rounding[0].absolute is None


def test_a_box_as_an_object(model):
    box = Box({"x": (np.zeros((1, 2)), np.ones((1, 2)))})
    assert reduce(model, granted=Granted(box)).features.after == 2


def test_a_box_that_does_not_fit(model):
    with pytest.raises(UsageError, match="no input 'z'"):
        reduce(model, granted=Granted(("z=0,1",)))


def files(tmp_path, model):
    source, target = tmp_path / "in.onnx", tmp_path / "out.onnx"
    onnx.save(model, source)
    return source, target


def test_the_result_states_its_domain_and_is_verified_inside(tmp_path, model):
    source, target = files(tmp_path, model)
    result = reduce(source, target, granted=Granted(("0,1",)))
    assert result.verdict is not None
    assert (result.verdict.status, result.output) == ("equal", str(target))
    stated = domain_of(onnx.load(target))
    assert stated is not None
    assert [end.tolist() for end in stated.ranges["x"]] == [[[0, 0]], [[1, 1]]]
    assert verify(source, target).status == "equal"
    assert verify(source, target, Settings(everywhere=True)).status == "different"


@pytest.mark.parametrize("how", ["clip", "output"])
def test_guards(tmp_path, model, how):
    source, target = files(tmp_path, model)
    result = reduce(source, target, granted=Granted(("0,1",), guard=how))
    assert result.box is not None
    assert result.box.guard == how
    guarded = onnx.load(target)
    assert verify(source, target).status == "equal"
    if how == "clip":
        assert {"Clip", "Max", "Min"} & {node.op_type for node in guarded.graph.node}
    else:
        assert [o.name for o in guarded.graph.output] == ["y", "inside_box"]


def test_a_guard_alone_changes_a_model(tmp_path):
    """Nothing can go, but the guard was asked for."""
    nodes = [make_node("Gemm", ["x", "v"], ["y"], transB=1)]
    model = build(nodes, {"v": np.ones((1, 2), "f4")}, inputs={"x": ("N", 2)})
    source, target = files(tmp_path, model)
    result = reduce(source, target, granted=Granted(("0,1",), guard="output"))
    assert result.changed
    assert len(onnx.load(target).graph.output) == 2


def test_nothing_to_do_in_a_box_is_a_copy(tmp_path):
    nodes = [make_node("Gemm", ["x", "v"], ["y"], transB=1)]
    model = build(nodes, {"v": np.ones((1, 2), "f4")}, inputs={"x": ("N", 2)})
    source, target = files(tmp_path, model)
    assert not reduce(source, target, granted=Granted(("0,1",))).changed
    assert target.read_bytes() == source.read_bytes()


def test_bounds_are_those_of_the_numbers_that_were_rounded(tmp_path):
    """Two layers that are linear in the box: the second one's bounds are found again."""
    rng = np.random.default_rng(3)
    first, second = (rng.random((6, n)).astype("f4") + 0.1 for n in (2, 6))
    nodes = [
        make_node("Gemm", ["x", "w", "b"], ["z"], transB=1),
        make_node("Relu", ["z"], ["h"]),
        make_node("Gemm", ["h", "v", "c"], ["q"], transB=1),
        make_node("Relu", ["q"], ["r"]),
        make_node("Gemm", ["r", "u", "d"], ["y"], transB=1),
    ]
    weights = {"w": first, "b": np.zeros(6, "f4"), "v": second, "c": np.zeros(6, "f4")}
    weights |= {"u": rng.normal(size=(1, 6)).astype("f4"), "d": np.zeros(1, "f4")}
    source, target = files(tmp_path, build(nodes, weights, inputs={"x": ("N", 2)}))
    result = reduce(source, target, granted=Granted(("0,1",)), passes=("linear",))
    assert result.rounded
    assert [layer.features.after for layer in result.layers] == [1, 1, 1]
    assert result.verdict is not None
    assert result.verdict.status == "equal"


def many_inputs(layers):
    """The same of the first two of 17 inputs, for which boxes are not split, and a sum."""
    (first, zeros), *rest = layers
    wide = np.concatenate([first, np.zeros((15, first.shape[1]), "f4")])
    total = (np.ones((rest[-1][0].shape[1], 1), "f4"), np.ones(1, "f4"))
    return dense_model([(wide, zeros), *rest, total])


def test_what_a_solver_says_is_used_only_with_numerical_assurance(tmp_path):
    """Of z1 one is never above -1, the other never below 1; 4 ReLUs before stay unknown."""
    source, target = files(tmp_path, many_inputs(pyramid(1.0)))
    plain, unused, used = (
        reduce(source, target, force=True, granted=Granted(("-1,1",), milp=milp, assurance=known))
        for milp, known in ((False, "rigorous"), (True, "rigorous"), (True, "numerical"))
    )
    assert plain.features == unused.features
    assert used.features.after < plain.features.after
    assert [r.promise for r in (plain, unused, used)] == ["exact", "exact", "numerical"]
    boxes = [result.box for result in (plain, unused, used)]
    told = [(b.inactive, b.unknown, b.numerical, b.believed) for b in boxes]
    assert told == [(0, 6, 0, 0), (0, 6, 2, 0), (1, 4, 2, 2)]
    assert (unused.box.methods.get("milp"), used.box.methods["milp"]) == (None, 2)
    assert used.verdict.status == verify(source, target).status == "equal"


def test_bounds_are_renewed_without_the_solver(monkeypatch):
    """Nobody counts what it would say of them."""
    host, asked = load(dense_model(pyramid(1.0))), []

    def recorded(*args, rungs, **options):
        asked.append(rungs)
        return ladder(*args, rungs=rungs, **options)

    monkeypatch.setattr("lumpcli.api.boxed.ladder", recorded)
    granted = Granted(("-1,1",), milp=True, assurance="numerical")
    bounds_on(host, granted, 1)
    renewed = renewing(host, granted, 1, True)(host.net)
    assert asked == [(*RUNGS, MILP), RUNGS]
    assert renewed.layers[0].between.tolist() == [[-1, -1], [1, 1]]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"assurance": "numerical"}, "--milp"),
        ({"assurance": "exact", "milp": True}, "no assurance is called 'exact'"),
        ({"milp": True, "redundancy": Request(("phase",), 0.0)}, "cannot rest on a solver"),
        ({"milp": True, "semantics": "float32"}, "not float32"),
    ],
)
def test_where_no_solver_is_believed(model, options, reason):
    with pytest.raises(UsageError, match=reason):
        reduce(model, granted=Granted(("0,1",), **options))


def test_bounds_are_of_stored_weights_so_not_of_those_within_rounding(model):
    with pytest.raises(UsageError, match="level rounding"):
        reduce(model, level="rounding", granted=Granted(("0,1",)))
