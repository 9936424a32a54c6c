"""What the user chose, and plans that never make a file grow."""

from __future__ import annotations

import os

import numpy as np
import pytest

from lumpcli.analysis import Grants
from lumpcli.api.planning import chosen, plan_export, threads
from lumpcli.errors import UsageError
from lumpcli.loader import load
from tests.e2e.models import two_layers
from tests.models import build, mlp, node, planted


def pins(net):
    return {layer.name: layer.pinned for layer in net.dense_layers}


@pytest.mark.parametrize(
    ("only", "exclude", "pinned"),
    [
        ((), (), ()),
        (("r1",), (), ("r2",)),
        (("fc1",), (), ("r2",)),
        (("fc?",), (), ()),
        (("r1", "r2"), (), ()),
        (("*",), ("fc2",), ("r2",)),
        ((), ("r*",), ("r1", "r2")),
        (("r1",), ("r1",), ("r1", "r2")),
    ],
)
def test_chosen(only, exclude, pinned):
    net = load(two_layers()).net
    found = pins(chosen(net, only, exclude))
    assert found.pop("y") == "graph output"
    assert tuple(name for name, reason in found.items() if reason) == pinned
    assert pins(net) == {"r1": None, "r2": None, "y": "graph output"}


def test_the_reasons():
    net = load(two_layers()).net
    found = pins(chosen(net, ("r1",), ("fc1",)))
    assert found["r1"] == "excluded by the user"
    assert found["r2"] == "not among the layers the user chose"


@pytest.mark.parametrize("pattern", ["r9", "R1", "fc", "", "r1 "])
def test_patterns_that_match_nothing(pattern):
    net = load(two_layers()).net
    for only, exclude in (((pattern,), ()), ((), (pattern,)), (("r1", pattern), ())):
        with pytest.raises(UsageError, match="no layer matches"):
            chosen(net, only, exclude)


def test_a_pin_keeps_its_reason():
    net = load(mlp()).net
    assert pins(chosen(net, (), ("y",)))["y"] == "graph output"


def shared():
    """One weight matrix read twice: cut for one reader only, it would have to be stored twice."""
    rows, _ = planted(read=6)
    other = np.arange(1, 37).reshape(6, 6).astype(np.float32)
    nodes = [
        node("Gemm", ["x", "w"], ["h"], transB=1),
        node("Relu", ["h"], ["r"]),
        node("Gemm", ["r", "u"], ["y"], transB=1),
        node("Gemm", ["x", "u"], ["z"], transB=1),
        node("Gemm", ["x", "w"], ["t"], transB=1),
    ]
    return build(nodes, {"w": rows, "u": other}, inputs={"x": ("N", 6)}, outputs=("y", "z", "t"))


def test_no_plan_makes_the_constants_grow():
    model = shared()
    host = load(model)
    done, exported = plan_export(host, host.net, Grants("exact"))
    assert not exported.grown
    assert exported.model.ByteSize() <= model.ByteSize()
    layer = done.net["r"]
    assert layer.pinned is not None
    assert "grow" in layer.pinned
    assert done.reduced["r"].width == 6


def test_the_net_of_the_host_is_not_changed():
    host = load(mlp())
    before = {layer.name: layer.width for layer in host.net.layers}
    done, exported = plan_export(host, host.net, Grants("exact"))
    assert exported.changed
    assert done.reduced["r"].width == 4
    assert {layer.name: layer.width for layer in host.net.layers} == before
    assert host.model == mlp()


def test_passes_reach_the_plan():
    host = load(mlp())
    done, exported = plan_export(host, host.net, Grants("exact"), ["unread"])
    assert not exported.changed
    assert done.reduced["r"].width == 6
    with pytest.raises(UsageError, match="no pass is called 'magic'"):
        plan_export(host, host.net, Grants("exact"), ["magic"])


def test_layers_go_as_a_whole_only_where_that_is_asked_for():
    rows = np.arange(1, 31).reshape(5, 6).astype(np.float32)
    nodes = [node("MatMul", ["x", "w"], ["h"]), node("MatMul", ["h", "v"], ["y"])]
    host = load(build(nodes, {"w": rows, "v": rows.reshape(6, 5)}))
    done, exported = plan_export(host, host.net, Grants("exact"), ["fold"])
    assert (done.folds, exported.changed) == ((), False)
    done, exported = plan_export(host, host.net, Grants("exact"), ["fold"], whole=True)
    assert [step.layer for step in done.folds] == ["h"]
    assert [n.op_type for n in exported.model.graph.node] == ["MatMul"]
    pinned = chosen(host.net, (), ("h",))
    assert plan_export(host, pinned, Grants("exact"), whole=True)[0].folds == ()


def test_no_fold_makes_the_constants_grow():
    """Both matrices have other users, who keep them as they are."""
    weights = {"w": np.arange(30).reshape(5, 6) + 1, "v": np.arange(30).reshape(6, 5) - 7}
    nodes = [
        node("MatMul", ["x", "w"], ["h"]),
        node("MatMul", ["h", "v"], ["y"]),
        node("MatMul", ["z", "w"], ["s"]),
        node("Relu", ["s"], ["r"]),
        node("MatMul", ["r", "v"], ["t"]),
    ]
    inputs = {"x": ("N", 5), "z": ("N", 5)}
    numbers = {name: value.astype("f4") for name, value in weights.items()}
    host = load(build(nodes, numbers, inputs=inputs, outputs=("y", "t")))
    done, exported = plan_export(host, host.net, Grants("exact"), ["fold"], whole=True)
    assert (done.folds, exported.changed) == ((), False)
    assert "grow" in (done.net["h"].pinned or "")


def test_threads(monkeypatch):
    assert (threads(1), threads(7)) == (1, 7)
    assert 1 <= (threads(None)) <= (os.cpu_count() or 1)
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert threads(None) == 5
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert threads(None) == 1
    with pytest.raises(UsageError, match="jobs must be at least 1, not 0"):
        threads(0)


def test_the_number_of_threads_changes_nothing():
    host = load(mlp())
    one, four = (plan_export(host, host.net, Grants("exact"), jobs=n)[1].model for n in (1, 4))
    assert one == four
