"""Text of bounds: never below what was proved, and only where there is something to say."""

from __future__ import annotations

from dataclasses import replace

from lumpcli.promises import CertifiedBound, LowerBound, Redundancy, RoundingBound
from lumpcli.report import reduce_text, stats_text
from lumpcli.report.layout import above
from lumpcli.results import ConstantOutput
from tests.report import samples
from tests.report.test_text import line


def test_what_rounding_does():
    two = (samples.BOUND, RoundingBound("z", 0.0, 0, None))
    some = replace(samples.REDUCED, rounded=7, rounding=two)
    told = "changes an output by at most 2.2e-07 of its scale (3 roundings on the longest path)"
    assert line(reduce_text(some), "rounding") == told
    assert "\nrounding" not in reduce_text(replace(some, rounded=0))
    unknown = samples.UNBOUNDED
    text = reduce_text(replace(some, rounding=(unknown, samples.BOUND)))
    assert line(text, "rounding").startswith("changes y by at most 2.2e-07")
    assert "  no bound for p: Softmax 'p' is not followed" in text
    text = reduce_text(replace(some, rounding=(unknown, replace(unknown, tensor="q"))))
    assert line(text, "rounding") == "no bound for p (and for 1 more): Softmax 'p' is not followed"
    # in a box, numbers that cannot be compared with the scale may still be bounded
    known = (replace(unknown, absolute=3.1e-5), RoundingBound("z", 0.0, 0, None, 0.0))
    text = reduce_text(replace(some, rounding=known))
    assert "  changes an output by at most 3.2e-05 for inputs in the box\n" in text
    assert "no bound" not in text
    text = reduce_text(replace(some, rounding=(unknown, known[1])))
    assert "no bound" in text
    assert "in the box" not in text
    text = reduce_text(replace(some, rounding=(unknown, *two)))
    assert line(text, "rounding").startswith("changes other tensors")


def test_bounds_are_rounded_up():
    assert [above(x) for x in (0.0, 0.125, 2.11e-7, 2.2e-7 * (1 + 1e-15))] == [
        *("0", "0.13", "2.2e-07", "2.3e-07")
    ]


def test_the_lower_bound():
    least = LowerBound("h", 5, 7)
    told = "one hidden layer of this kind needs at least 5 features for this; reduce leaves "
    for text in (reduce_text, stats_text):
        answer = samples.REDUCED if text is reduce_text else samples.MEASURED
        found = text(replace(answer, lower_bound=least))
        assert line(found, "lower bound") == told + "7"
        found = text(replace(answer, lower_bound=replace(least, reached=5)))
        assert line(found, "lower bound") == told + "no more, so it is minimal"
        assert "lower bound" not in text(answer)


def test_what_a_solver_says_is_told_apart():
    told = "by a solver, within its tolerance, which is no proof"
    used = replace(samples.REDUCED, promise="numerical", box=samples.IN_BOX)
    text = reduce_text(used)
    assert f"  2 of them {told}\n" in text
    assert line(text, "numerical").startswith("if the solver is right, equal as real functions in")
    loose = reduce_text(replace(used, level="rounding"))
    assert line(loose, "numerical").startswith("if the solver is right, an exact reduction of a")
    unused = replace(samples.REDUCED, box=replace(samples.IN_BOX, assurance="rigorous"))
    assert f"  2 of those unknown are settled {told}: they are not used\n" in reduce_text(unused)
    without = replace(
        samples.REDUCED, box=replace(samples.IN_BOX, numerical=0, assurance="rigorous")
    )
    assert "solver" not in reduce_text(without)


def test_constants_in_a_box_are_constants_there():
    found = replace(samples.REDUCED, constant_outputs=(ConstantOutput("y", 0, 3.0),))
    assert line(reduce_text(found), "constant") == "output y[0] is 3 for every input"
    boxed = replace(found, box=samples.IN_BOX)
    assert line(reduce_text(boxed), "constant") == "output y[0] is 3 for every input in the box"


def test_what_is_certified_is_no_more_than_was_shown():
    """The bound leaves rounding out, and what was run is not the original."""
    bounds = (CertifiedBound("y", 0.5),)
    told = Redundancy({"forward": 2, "result": 0}, 0.1, None, bounds, None, 3, 1)
    text = reduce_text(replace(samples.REDUCED, promise="certified", redundancy=told))
    but = "in the box, but for the rounding of numbers that change: outputs change by at most 0.5"
    assert line(text, "certified") == f"{but}; ReLUs replaced: forward 2"
    kept = replace(told, preserved="argmin")  # near a tie rounding may decide who wins
    text = reduce_text(replace(samples.REDUCED, promise="certified", redundancy=kept))
    assert line(text, "certified").startswith(f"{but}, the argmin stays the same;")
    assert line(text, "verified").startswith("the network with ReLUs replaced; ")
