"""Certificates end to end: true ones are accepted at every level, hostile ones prove no lie."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from benchmarks.changes import spoilt_text
from benchmarks.tampering import LONGEST, Answer, answer, cases, prove, tampered
from lumpcli.api import reduce
from lumpcli.certify import check
from lumpcli.certify.check import check as checked
from lumpcli.errors import InputError
from lumpcli.proofs import Refused
from tests.e2e.attention import attention
from tests.graphs.families import ROUND
from tests.graphs.laws import build
from tests.laws.generator import random_case, rounded_chain, tied_chain
from tests.laws.writer import Writer
from tests.models import mlp

SAMPLES = Path(__file__).resolve().parents[2] / "sample_models"
TAMPERINGS = 300


def accepted(model: onnx.ModelProto, folder: Path, level: str = "exact") -> str:
    """Reduce with a certificate, which checks it too; check the files once more."""
    proven = prove("m", model, folder, level=level)
    proved = check(*(folder / f"m.{end}" for end in ("onnx", "small.onnx", "json")))
    assert proved.level == level
    return json.dumps(proven.certificate)


@pytest.mark.parametrize("level", ["strict", "exact", "rounding"])
@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.onnx")), ids=lambda p: p.stem)
def test_sample_models(path, level, tmp_path):
    accepted(onnx.load(path), tmp_path, level)


@pytest.mark.parametrize("family", ROUND)
def test_planted_graphs(family, tmp_path):
    for seed in range(2):
        accepted(build(seed, family).model, tmp_path)


@pytest.mark.parametrize("pieces", [True, False])
def test_planted_networks(pieces, tmp_path):
    for seed in range(12):
        accepted(random_case(seed, pieces=pieces).model, tmp_path)
        accepted(tied_chain(seed).model, tmp_path)


def test_within_rounding(tmp_path):
    texts = []
    for seed in range(8):
        _, network = rounded_chain(seed)
        model = Writer(np.random.default_rng(seed), False, 13).model(network)
        texts.append(accepted(model, tmp_path, "rounding"))
    assert sum('"within"' in text for text in texts) > 4


@pytest.mark.parametrize("scale", ["Mul", "both", "none"])
def test_rows_that_take_over_others(scale, tmp_path):
    model = attention(q={1: (2.0, 0), 7: (2.0, 4)}, k={3: (3.0, 1), 4: (3.0, 6)}, scale=scale)
    assert '"product": "scores' in accepted(model, tmp_path)


def test_frozen_initializers_are_an_assumption_of_the_proof(tmp_path):
    model = mlp(listed=True)
    assert prove("m", model, tmp_path).certificate["layers"] == []
    proven = prove("m", model, tmp_path, freeze_initializers=True)
    assert proven.certificate["freeze_initializers"] is True
    assert answer(proven, tmp_path).outcome == "harmless"


def test_external_data_is_hashed(tmp_path):
    (tmp_path / "in").mkdir()
    onnx.save(mlp(), tmp_path / "in" / "a.onnx", save_as_external_data=True, size_threshold=0)
    a, b, c = tmp_path / "in" / "a.onnx", tmp_path / "b.onnx", tmp_path / "c.json"
    reduce(a, b, certificate=c)
    assert check(a, b, c).features == 2
    (data,) = json.loads(c.read_text())["reduced"]["data"]
    content = bytearray((tmp_path / data).read_bytes())
    content[0] ^= 1
    (tmp_path / data).write_bytes(content)
    with pytest.raises(Refused, match="not the reduced model"):
        check(a, b, c)


def test_the_hash_check_is_needed(tmp_path, monkeypatch):
    proven = prove("m", mlp(), tmp_path)
    proven.original.doc_string = proven.reduced.doc_string = "another"
    assert answer(proven, tmp_path).outcome == "refused"

    class Anything:
        __hash__ = None

        def __ne__(self, other):
            return False

    monkeypatch.setitem(checked.__globals__, "hashes", lambda host: Anything())
    assert answer(proven, tmp_path).outcome == "harmless"


@pytest.fixture(scope="module")
def proven(tmp_path_factory):
    """Reductions to be tampered with."""
    return cases(tmp_path_factory.mktemp("proven"), 6)


@pytest.mark.parametrize("part", range(6))
def test_tamperings_are_refused_or_harmless(part, proven, tmp_path):
    each = TAMPERINGS // 6
    for seed in range(10**6 + part * each, 10**6 + (part + 1) * each):
        what, came = tampered(proven, seed, tmp_path)
        assert came.outcome in ("refused", "unreadable", "harmless"), f"{seed}: {what}: {came}"
        assert came.seconds < LONGEST


@pytest.mark.parametrize("kind", range(40))
def test_what_is_hardly_json_is_no_certificate(kind, proven, tmp_path):
    text = spoilt_text(json.dumps(proven[0].certificate), np.random.default_rng(kind))
    came: Answer = answer(proven[0], tmp_path, text)
    assert came.outcome in ("unreadable", "refused", "harmless"), came


def test_what_the_loader_stumbles_over_cannot_be_read(tmp_path, monkeypatch):
    prove("m", mlp(), tmp_path)

    def stumble(*_, **__):
        raise ValueError("ouch")

    monkeypatch.setitem(checked.__globals__, "load", stumble)
    with pytest.raises(InputError, match="cannot be understood: ouch"):
        check(tmp_path / "m.onnx", tmp_path / "m.small.onnx", tmp_path / "m.json")


def test_files_that_cannot_be_read(tmp_path):
    prove("m", mlp(), tmp_path)
    good = [tmp_path / "m.onnx", tmp_path / "m.small.onnx", tmp_path / "m.json"]
    for place in range(3):
        files = [*good]
        files[place] = tmp_path / "none"
        with pytest.raises(InputError):
            check(*files)
