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
from tests.certify import lies, steps
from tests.certify.lies import Lie
from tests.certify.mutants import Check, check_of, checks, without

CHECKS = checks()
LIES = lies.LIES | steps.LIES

# part of a message -> what else refuses, or why nothing can be proved by it
BACKED: dict[str, str] = {
    "does not fit its type": "what is not finite is no layer to the loader",
    "the certificate contradicts": "it stands for an exception, which would be one without it",
    "it is not the {name} model": "tests/certify/test_check.py takes it out",
    "both factors are merged": "facts of the next round are those after the merge",
    "claimed of twice, or there is no such": "a name that is none has no width",
    "the models have other outputs or layers": "outputs and nodes are compared as protobufs",
    "is not in rising order, or not its": "what readers read then is not the reduced net",
    "it has no feature": "an index that is none is not found",
    "a weight is not finite": "integers cannot hold it",
    "it is not read through a matrix": "a term without a matrix has no columns",
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
    "integers are not rounded": "no half ulps are known of integers",
    "a ratio is none that the function": "tests/proofs/test_within.py",
    "bounds are those of the stored": "tests/certify/test_boxed.py",
    "str(error)": "a box that does not fit has no bounds",
    "it is an output, or pinned": "tests/proofs/test_linear.py",
    "it is read twice": "no handler makes such a reader",
    "not read through plain matrices": "tests/proofs/test_linear.py",
    "reads beside the image, too": "tests/proofs/test_linear.py",
    "goes twice": "tests/proofs/test_linear.py",
    "makes up for others goes, too": "tests/proofs/test_linear.py",
    "in the place of what stays": "tests/proofs/test_linear.py",
    "units are in one place": "tests/proofs/test_linear.py",
    "no feature stays": "no layer is without features",
    "} is 0": "what is 0 makes up for nothing: its slope divides",
    "has no opposite by its function": "tests/proofs/test_linear.py",
    "coefficients are too long": "it keeps the checker from working for long",
    "by what no stored number is": "tests/proofs/test_linear.py",
    "a unit is never linear": "tests/proofs/test_linear.py",
    "its slots are no pair": "tests/proofs/test_linear.py",
    "a pair is not shifted": "tests/proofs/test_linear.py",
    "it has several readers": "tests/proofs/test_linear.py",
    "units are of one position": "tests/proofs/test_linear.py",
    "no unit is the sum": "tests/proofs/test_linear.py",
    "too large to be multiplied out": "it keeps the checker from working for long",
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
