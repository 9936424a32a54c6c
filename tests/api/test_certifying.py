"""Certificates are written with the model, or not at all."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import onnx
import pytest

import lumpcli
from lumpcli.api import verbs, writing
from lumpcli.api.certifying import _rationals, to_text
from lumpcli.errors import OutputError, RunError, UsageError
from lumpcli.proofs import Refused
from lumpcli.results import Verdict
from tests.certify.test_document import SCHEMA
from tests.models import build, mlp, node
from tests.report.schema import KEYWORDS, check


@pytest.fixture
def files(tmp_path):
    onnx.save(mlp(), tmp_path / "a.onnx")
    return [tmp_path / name for name in ("a.onnx", "b.onnx", "c.json")]


def test_both_are_written_and_prove_one_another(files):
    a, b, c = files
    lumpcli.reduce(a, b, certificate=c)
    proof = lumpcli.check_certificate(a, b, c)
    assert (proof.status, proof.level, proof.features) == ("proved", "exact", 2)
    assert proof.verdict is None
    asked = lumpcli.check_certificate(a, b, c, lumpcli.Settings(samples=4))
    assert asked.verdict.status == "equal"
    swapped = lumpcli.check_certificate(b, a, c)
    assert (swapped.status, swapped.tensor) == ("refused", str(b))


def test_the_document_follows_its_schema(files, monkeypatch):
    a, b, c = files
    lumpcli.reduce(a, b, certificate=c)
    document = json.loads(c.read_text())
    for keyword in ("pattern", "maxItems"):
        monkeypatch.setitem(KEYWORDS, keyword, lambda *_: None)
    check(document, *[json.loads(SCHEMA.read_text())] * 2, "$")
    assert document["layers"][0]["nodes"] == ["first"]
    assert json.loads(to_text(document)) == document


def test_a_copy_has_a_certificate_too(files):
    a, b, c = files
    lumpcli.reduce(a, b, passes=["constant"], certificate=c)
    assert b.read_bytes() == a.read_bytes()
    assert lumpcli.check_certificate(a, b, c).features == 0


def test_nothing_is_left_when_nothing_is_published(files, monkeypatch):
    a, b, c = files
    different = Verdict("different", "they differ", (), 1, 0, "", "")
    with monkeypatch.context() as patch:
        patch.setattr(writing, "verify", lambda *_: different)
        assert lumpcli.reduce(a, b, certificate=c).output is None
    assert not b.exists()
    assert not c.exists()
    lumpcli.reduce(a, b, dry_run=True, certificate=c)
    assert sorted(p.name for p in a.parent.iterdir()) == ["a.onnx"]


def test_a_certificate_that_is_refused_is_not_published(files, monkeypatch):
    a, b, c = files

    def refuse(*_):
        raise Refused("r", "r", "I do not like it")

    monkeypatch.setattr(writing, "check", refuse)
    with pytest.raises(RunError, match="refused, so nothing was written: r: I do not like it"):
        lumpcli.reduce(a, b, certificate=c)
    assert sorted(p.name for p in a.parent.iterdir()) == ["a.onnx"]


def test_an_old_certificate_is_back_when_the_model_cannot_be_published(files, monkeypatch):
    a, b, c = files
    c.write_text("old")
    original = writing.publish

    def publish(folder, names, path):
        if path.suffix == ".onnx":
            raise OSError(28, "No space left on device")
        original(folder, names, path)

    monkeypatch.setattr(writing, "publish", publish)
    with pytest.raises(OutputError):
        lumpcli.reduce(a, b, certificate=c, force=True)
    assert c.read_text() == "old"
    c.unlink()
    with pytest.raises(OutputError):
        lumpcli.reduce(a, b, certificate=c)
    assert sorted(p.name for p in a.parent.iterdir()) == ["a.onnx"]


def test_where_certificates_may_go(files):
    a, b, c = files
    c.write_text("mine")
    with pytest.raises(OutputError, match="exists; use --force"):
        lumpcli.reduce(a, b, certificate=c)
    for wrong in (a, b):
        with pytest.raises(UsageError, match="a file of its own"):
            lumpcli.reduce(a, b, certificate=wrong, force=True)
    with pytest.raises(UsageError, match="needs IN and OUT"):
        lumpcli.reduce(mlp(), b, certificate=c, force=True)
    assert c.read_text() == "mine"
    assert verbs.reduce(a, b, certificate=c, force=True).output == str(b)


def test_numbers_beyond_all_measure_are_not_stated():
    assert _rationals([Fraction(-2, 3), Fraction(5)]) == ["-2/3", "5"]
    with pytest.raises(UsageError, match="too many digits"):
        _rationals([Fraction(10**5000)])


def chained(folder, last=None, **shapes):
    """x -> h -> g -> ReLU -> y, of small integers: files, and what is proved of a reduction."""
    rng = np.random.default_rng(0)
    numbers = {n: rng.integers(-9, 9, shape).astype(np.float32) for n, shape in shapes.items()}
    if last is not None:
        numbers["w"] = np.vstack([numbers["w"], last(numbers["w"])])
    layers = (("x", "w", "b", "h"), ("h", "v", "c", "g"), ("r", "u", "d", "y"))
    nodes = [node("Gemm", [*told], [made], transB=1) for *told, made in layers]
    nodes.insert(2, node("Relu", ["g"], ["r"]))
    a, b, c = (folder / name for name in ("a.onnx", "b.onnx", "c.json"))
    onnx.save(build(nodes, numbers, inputs={"x": ("N", 8)}), a)
    result = lumpcli.reduce(a, b, certificate=c)
    proof = lumpcli.check_certificate(a, b, c)
    assert (result.steps, result.rounded, proof.rounded) == (proof.steps, 0, 0)
    (stage,) = json.loads(c.read_text())["before"]
    return stage, proof, onnx.load(b)


def test_linear_steps_are_proved(tmp_path):
    """The third row is the sum of the others."""
    shapes = {"w": (2, 8), "v": (6, 3), "u": (2, 6), "b": 3, "c": 6, "d": 2}
    stage, proof, _ = chained(tmp_path, lambda w: w.sum(axis=0), **shapes)
    assert [step["way"] for step in stage["steps"]] == ["rows"]
    assert (proof.features, proof.steps) == (1, 1)


def test_layers_that_are_folded_away_are_proved(tmp_path):
    shapes = {"w": (9, 8), "v": (6, 9), "u": (2, 6), "b": 9, "c": 6, "d": 2}
    stage, proof, model = chained(tmp_path, **shapes)
    assert [fold["layer"] for fold in stage["folds"]] == ["h"]
    assert (proof.features, proof.steps, len(model.graph.node)) == (9, 1, 3)


def test_layers_may_come_in_another_order_without_one_that_went(tmp_path):
    """x is read first at the start, and z once h has gone."""
    rng = np.random.default_rng(0)
    shapes = {"w": (9, 4), "u": (3, 4), "v": (2, 9)}
    weights = {n: rng.integers(1, 9, shape).astype(np.float32) for n, shape in shapes.items()}
    reads = (("x", "w", "h"), ("z", "u", "k"), ("h", "v", "g"))
    nodes = [node("Gemm", [*told], [made], transB=1) for *told, made in reads]
    nodes += [node("Relu", ["g"], ["y"]), node("Sigmoid", ["k"], ["s"])]
    inputs = {"x": ("N", 4), "z": ("N", 4)}
    a, b, c = (tmp_path / name for name in ("a.onnx", "b.onnx", "c.json"))
    onnx.save(build(nodes, weights, inputs=inputs, outputs=("y", "s")), a)
    assert lumpcli.reduce(a, b, certificate=c).layers[0].folded
    assert lumpcli.check_certificate(a, b, c).status == "proved"
