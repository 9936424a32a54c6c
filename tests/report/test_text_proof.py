"""What a proof is said to prove: never more than it does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lumpcli.report import proof_json, proof_text
from tests.report import samples
from tests.report.schema import load, validate


def test_an_exact_proof_says_how_much_was_rounded():
    text = proof_text(samples.PROVED)
    assert "equal as real functions up to that rounding: 3 of 10 folded weights rounded" in text
    assert "122 features of 2 layers went; 116 facts derived from their rows" in text
    assert "numpy, the ONNX parser" in text


def test_nothing_was_rounded_at_strict():
    text = proof_text(replace(samples.PROVED, level="strict", rounded=0))
    assert "equal as real functions; 10 folded weights, none rounded" in text


def test_irrational_constants_are_rounding_too():
    text = proof_text(replace(samples.PROVED, rounded=0, irrational=2))
    assert "up to that rounding" in text
    assert "2 irrational constants taken to float64" in text


def test_within_rounding_is_not_called_equal():
    text = proof_text(replace(samples.PROVED, level="rounding"))
    assert "within rounding, which is not equality" in text
    assert "equal as real functions" not in text


def test_a_refusal_names_step_and_tensor():
    text = proof_text(samples.REFUSED)
    assert text.splitlines() == [
        "refused          row 3 is no multiple of row 2",
        "step             relu1",
        "tensor           fc1.weight",
    ]


def test_assumptions_and_samples_are_told():
    proof = replace(samples.PROVED, freeze_initializers=True, verdict=samples.EQUAL)
    text = proof_text(proof)
    assert "graph inputs are taken for constants" in text
    assert "seen on these samples" in text


@pytest.mark.parametrize(
    "proof", [samples.PROVED, samples.REFUSED, replace(samples.PROVED, verdict=samples.EQUAL)]
)
def test_json_follows_its_schema(proof):
    document = load(proof_json(proof))
    validate(document)
    assert document["kind"] == "proof"


def test_a_proof_of_several_steps_says_so():
    text = proof_text(replace(samples.PROVED, steps=3, rounded=5))
    assert "each step to the one before up to that rounding" in text
    assert "rounded, once in each of 3 steps" in text
    assert "steps" not in proof_text(replace(samples.PROVED, rounded=5))
