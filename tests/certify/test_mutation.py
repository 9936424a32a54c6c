"""Each check of the checker is needed: without it, some lie is proved.

Checks that no lie passes alone are named below, with what else refuses.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.changes import Proven
from benchmarks.tampering import equal
from lumpcli.certify import Proved, check
from lumpcli.proofs import Refused
from tests.certify.lies import LIES, Lie
from tests.certify.mutants import Check, check_of, checks, without

CHECKS = checks()

# part of a message -> what else refuses, or why nothing can be proved by it
BACKED: dict[str, str] = {
    "does not fit its type": "what is not finite is no layer to the loader",
    "have other nodes": "nodes are zipped strictly",
    "the certificate contradicts": "it stands for an exception, which would be one without it",
    "it is not the {name} model": "tests/certify/test_check.py takes it out",
    "both factors are merged": "facts of the next round are those after the merge",
    "claimed of twice, or there is no such": "a name that is none has no width",
    "the models have other outputs or layers": "outputs and nodes are compared as protobufs",
    "the reduced model has no such layer": "a name that is none is not found",
    "are {len(told)} where {count}": "lists side by side are zipped strictly",
    "is divided by 0": "it stands for an exception, which would be one without it",
    "name a feature that is none": "an index that is none is not found, or is another feature's",
    "not in rising order": "lists are used as sets",
    "carriers are not as many": "lists side by side are zipped strictly",
    "is another multiple of itself": "what readers lose by it folds to zero, or is refused",
    "a carrier is not kept": "what readers read then is compared with the reduced net",
    "facts on it follow": "what is claimed of such a layer is not used",
    "multiples of one layer are in two groups": "a star would be two; tests/proofs/test_within.py",
    "there is no such layer before it": "what is not known yet has no facts",
    "features are not like others": "a row is compared with another one anyway",
    "its weights are already chosen": "tests/proofs/test_within.py",
    "a feature is claimed of twice": "each of the claims is checked",
    "attribute {site": "the loader reads it: the layers differ",
    "it is no constant of the type": "the layers differ",
    "a weight is not finite": "integers cannot hold it",
    "it is not read through a matrix": "a term without a matrix has no columns",
    "the two layers are other functions": "activations are compared row by row too",
    "a position is made of no feature": "no handler makes such a term",
    "a variance is not positive": "it has no root",
    "an operand is not one feature": "no handler makes such a product",
    "there is no such layer": "a name that is none is not found",
    "it is no inner product": "what it makes is compared by columns of its reader",
    "places are wrong": "an index that is none is not found",
    "it is not summed": "a term without a matrix has no columns",
    "the other factor is": "no handler makes such a product",
    "the factor is computed": "no handler makes such a product",
    "a row twice": "rows are taken over once",
    "is no projection": "tests/proofs/test_taking.py",
    "others read": "tests/proofs/test_taking.py",
    "a row is merged that": "tests/proofs/test_taking.py",
    "is taken over twice": "tests/proofs/test_taking.py",
    "integers are not rounded": "no half ulps are known of integers",
    "a ratio is none that the function": "tests/proofs/test_within.py",
}


def verdict(case: Proven, folder: Path) -> Proved:
    a, b, c = folder / "a.onnx", folder / "b.onnx", folder / "c.json"
    a.write_bytes(case.original.SerializeToString())
    b.write_bytes(case.reduced.SerializeToString())
    c.write_text(json.dumps(case.certificate), "utf-8")
    return check(a, b, c)


def named(part: str) -> list[Check]:
    return [one for one in CHECKS if part in one.label]


def proved_without(parts: Sequence[str], case: Proven, folder: Path) -> Proved:
    with ExitStack() as stack:
        lines: dict[str, set[int]] = {}
        for one in (one for part in parts for one in named(part)):
            lines.setdefault(one.module, set()).add(one.first)
        for module, some in lines.items():
            stack.enter_context(without(module, some))
        return verdict(case, folder)


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_refused_by_its_check_and_by_no_other(name: str, tmp_path: Path) -> None:
    lie: Lie = LIES[name]
    case = lie.make()
    with pytest.raises(Refused) as refused:
        verdict(case, tmp_path)
    found = check_of(CHECKS, refused.value)
    assert found is not None
    assert any(part in found.label for part in lie.checks), found.label
    proved_without(lie.checks, case, tmp_path)
    if not lie.harmless:
        assert not equal(case.original, case.reduced)


def test_every_check_is_known() -> None:
    parts = [*BACKED, *(part for lie in LIES.values() for part in lie.checks)]
    assert [one.label for one in CHECKS if not any(part in one.label for part in parts)] == []
    assert [part for part in parts if not named(part)] == []
