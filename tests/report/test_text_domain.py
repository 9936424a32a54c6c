"""Where samples lay, and what a model is meant for: said where it is so, and by whom."""

from __future__ import annotations

from dataclasses import replace

from lumpcli.report import reduce_text, stats_text, verify_text
from lumpcli.report.layout import Look
from lumpcli.results import Domain, InputRange
from tests.report import samples
from tests.report.test_text import line

UNIT = InputRange("x", 0.0, 0.10000000149011612, True)
DOMAIN = Domain("stated by the second model", (UNIT, InputRange("z", -3.5, 1e-7, False)))


def test_verify_says_where_and_who_says_so():
    text = verify_text(replace(samples.EQUAL, domain=DOMAIN))
    assert line(text, "inside") == (
        "x in [0, 0.1], z in [-3.5, 1e-07] (every element has bounds of its own); "
        "stated by the second model"
    )
    assert line(text, "measured") == (
        "seen on these samples, all of them inside the box: not a proof"
    )
    different = verify_text(replace(samples.DIFFERENT, domain=DOMAIN))
    assert line(different, "inside") == line(text, "inside")
    everywhere = verify_text(samples.EQUAL)
    assert "inside" not in everywhere
    assert line(everywhere, "measured") == "seen on these samples: not a proof"


def test_outputs_that_were_not_compared():
    text = verify_text(replace(samples.EQUAL, uncompared=("inside_box",)))
    told = "inside_box: only one model says whether its input is in its domain"
    assert line(text, "not compared") == told
    assert "not compared" not in verify_text(samples.EQUAL)


def test_reduce_says_that_it_looked_inside():
    inside = replace(samples.REDUCED, verdict=replace(samples.EQUAL, domain=DOMAIN))
    assert "64 samples inside the box, seed 0: largest" in line(reduce_text(inside), "verified")
    assert "inside" not in reduce_text(samples.REDUCED)


def test_stats_shows_what_a_model_states():
    found = stats_text(replace(samples.MEASURED, domain=Domain("stated", (UNIT,))))
    assert line(found, "domain") == "x in [0, 0.1]"
    assert "domain" not in stats_text(samples.MEASURED)


def test_many_inputs_are_counted():
    many = Domain("given", tuple(replace(UNIT, input=f"x{k}") for k in range(9)))
    verdict = replace(samples.EQUAL, domain=many)
    text = line(verify_text(verdict), "inside")
    assert text.endswith("x4 in [0, 0.1], and 4 more inputs (-v lists them); given")
    assert "x8 in [0, 0.1]; given" in verify_text(verdict, Look(verbose=True))


def test_names_cannot_steer_the_terminal():
    hostile = Domain("given", (replace(UNIT, input="\x1b[2J"),))
    text = verify_text(replace(samples.EQUAL, domain=hostile, uncompared=("\x1b[2J",)))
    assert "\x1b" not in text
