"""A plan says what is replaced and why, as plain values."""

from __future__ import annotations

import json

from lumpcli.redundancy import Candidate, Plan, Request, Verdict

LINE = Verdict("line", 0.5, 0.25, "relaxed", "difference", "rigorous", shift=1.0)
ACTIVE = Verdict("identity", 1.0, 0.0, "phase", "crown", "rigorous")
PLAN = Plan(
    Request(("relaxed",), 0.5),
    {"h": (Verdict("keep", reason="not proved"), ACTIVE, LINE)},
    {"y": (0.25, 0.5)},
    "",
    4,
    7,
    2,
)


def test_as_plain_values() -> None:
    told = PLAN.to_dict()
    assert json.loads(json.dumps(told)) == told
    keep, active, line = told["layers"]["h"]
    assert keep == {"action": "keep", "reason": "not proved"}
    assert active == {
        "action": "identity",
        "kind": "phase",
        "method": "crown",
        "assurance": "rigorous",
    }
    assert (line["slope"], line["offset"], line["shift"]) == (0.5, 0.25, 1.0)
    assert told["request"] == {"kinds": ["relaxed"], "eps": 0.5, "k": None, "pick": "max"}
    assert (told["bounds"], told["cells"], told["checks"], told["refused"]) == (
        {"y": [0.25, 0.5]},
        4,
        7,
        2,
    )


def test_what_is_replaced() -> None:
    assert PLAN.candidates == [
        Candidate("h", 1, "identity", 1.0),
        Candidate("h", 2, "line", 0.5, 0.25),
    ]
    counts = {"phase": 1, "forward": 0, "relaxed": 1, "constant": 0, "result": 0}
    assert PLAN.counts() == counts


def test_what_changes_numbers() -> None:
    """A ReLU that is never negative is the identity already."""
    assert [v.changes for v in PLAN.layers["h"]] == [False, False, True]
    assert Verdict("identity", 1.0, shift=0.5).changes
    assert Verdict("zero").changes
