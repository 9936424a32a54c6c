"""The laws of reduction on random networks with planted redundancy.

Law 5 (what was written loads as the net that was meant) is checked by `reduce` itself: it raises
InternalError, which no test here expects.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lumpcli.api import reduce
from lumpcli.results import Result
from tests.laws.generator import Case, random_case, rounded_chain, tied_chain
from tests.laws.planting import reshaped
from tests.laws.reference import expected
from tests.laws.runtime import (
    FACTS,
    constant_bytes,
    evaluated,
    farthest,
    feeds_for,
    identical,
    reduced,
    removed,
    run,
    same_bytes,
    widths,
)
from tests.laws.writer import Writer

seeds = st.integers(0, 2**32 - 1)


def examples(count: int) -> settings:
    """Always the same examples, and as long as they take."""
    return settings(derandomize=True, deadline=None, max_examples=count)


def _check_widths(case: Case, result: Result) -> None:
    """As narrow as the reference says; narrower only where that depends on the indices kept.

    Of irrational constants the reference knows other ends than lumpcli: there signs are extra.
    """
    got, wanted = widths(case.network, result), expected(case.network)
    if wanted.facts.sizes:
        most = expected(case.network, signs=False).widths
        assert all(got[name] <= most[name] for name in got)
    else:
        assert all(wanted.fewest[name] <= got[name] <= wanted.widths[name] for name in got)


def _check_exact(case: Case, seed: int) -> None:
    result = reduced(case.model)
    _check_widths(case, result)
    feeds = feeds_for(case.model, np.random.default_rng(seed))
    assert identical(run(case.model, feeds), run(result.model, feeds))
    again = reduced(result.model)
    assert not again.changed
    assert same_bytes(again.model, result.model)


@examples(60)
@given(seeds)
def test_planted_redundancy_in_chains_is_found_to_the_last_feature(seed: int) -> None:
    _check_exact(random_case(seed, shape="chain"), seed)


@examples(80)
@given(seeds)
def test_planted_redundancy_in_residual_graphs_is_found_to_the_last_feature(seed: int) -> None:
    _check_exact(random_case(seed, shape="residual"), seed)


@examples(60)
@given(seeds)
def test_what_was_planted_goes(seed: int) -> None:
    """No more is left of a network than of the one it was grown from."""
    case = random_case(seed, shape="chain")
    left = widths(case.network, reduced(case.model))
    assert all(left[layer.name] <= layer.width for layer in case.core.dense)


# float32 rounds each sum of up to 40 products; six layers, and activations of slope up to 1.1
TOLERANCE = {False: 1e-4, True: 1e-11}


@examples(60)
@given(seeds)
def test_linear_features_are_made_up_for(seed: int) -> None:
    """With all passes networks become as narrow or narrower, and compute the same."""
    case = random_case(seed)
    every, facts = reduced(case.model, passes=(*FACTS, "linear")), reduced(case.model)
    got, most = widths(case.network, every), widths(case.network, facts)
    assert sum(got.values()) <= sum(most.values())
    feeds = feeds_for(case.model, np.random.default_rng(seed), largest=2)
    apart = farthest(run(case.model, feeds), run(every.model, feeds))
    assert apart <= (TOLERANCE[case.double] if every.rounded else 0)


@examples(80)
@given(seeds)
def test_smooth_activations(seed: int) -> None:
    case = random_case(seed, pieces=False)
    result = reduced(case.model)
    _check_widths(case, result)
    feeds = feeds_for(case.model, np.random.default_rng(seed), largest=2)
    apart = farthest(run(case.model, feeds), run(result.model, feeds))
    assert apart <= TOLERANCE[case.double]
    again = reduced(result.model)
    # numbers rounded on the way into a bias may be equal that were not equal before
    assert same_bytes(again.model, result.model) or result.rounded


@examples(40)
@given(seeds)
def test_levels_are_ordered(seed: int) -> None:
    case = random_case(seed, pieces=bool(seed % 2))
    strict, exact, loose = (reduced(case.model, x) for x in ("strict", "exact", "rounding"))
    assert removed(strict) <= removed(exact) <= removed(loose)
    assert strict.rounded == 0
    feeds = feeds_for(case.model, np.random.default_rng(seed), largest=2)
    before = run(case.model, feeds)
    assert farthest(before, run(strict.model, feeds)) <= TOLERANCE[case.double]


@examples(25)
@given(seeds)
def test_level_strict_is_bit_equal_in_the_reference_evaluator(seed: int) -> None:
    """Nothing is rounded on dyadic networks, by any pass: in float32 and in float64."""
    case = random_case(seed)
    result = reduced(case.model, "strict", passes=(*FACTS, "linear"))
    assert result.rounded == 0
    feeds = feeds_for(case.model, np.random.default_rng(seed), largest=2)
    for wide in (False, True):
        before, after = (evaluated(m, feeds, wide) for m in (case.model, result.model))
        assert identical(before, after)


@examples(40)
@given(seeds)
def test_permuting_or_rescaling_features_does_not_change_the_widths(seed: int) -> None:
    case = random_case(seed)
    rng = np.random.default_rng(seed)
    other = reshaped(case.network, rng)
    model = Writer(rng, case.double, case.opset, case.layout).model(other)
    assert widths(other, reduced(model)) == widths(case.network, reduced(case.model))


def test_nothing_to_cut_gives_the_same_bytes(tmp_path: Path) -> None:
    for seed in range(16):
        case = random_case(seed, pieces=bool(seed % 2))
        first = reduced(case.model)
        if first.rounded:  # rounding may have made signs known
            continue
        small = first.model
        source, output = tmp_path / f"{seed}.onnx", tmp_path / f"{seed}_small.onnx"
        source.write_bytes(small.SerializeToString())
        result = reduce(source, output, passes=FACTS)
        assert not result.changed
        assert result.why_unchanged
        assert output.read_bytes() == source.read_bytes()


@examples(40)
@given(seeds)
def test_layers_that_share_their_weights(seed: int) -> None:
    """Weights used at several depths: cut alike or left alone, never copied so that files grow."""
    case = tied_chain(seed)
    result = reduced(case.model)
    assert constant_bytes(result.model) <= constant_bytes(case.model)
    feeds = feeds_for(case.model, np.random.default_rng(seed))
    assert identical(run(case.model, feeds), run(result.model, feeds))
    again = reduced(result.model)
    assert not again.changed


@examples(30)
@given(seeds)
def test_rows_at_any_ratio_are_found_within_rounding(seed: int) -> None:
    """Multiples rounded to float32, at every depth: the widths are those before planting."""
    core, network = rounded_chain(seed)
    rng = np.random.default_rng(seed)
    model = Writer(rng, False, 13).model(network)
    result = reduced(model, "rounding")
    left = widths(network, result)
    assert all(left[layer.name] <= core[layer.name].width for layer in core.dense)
    feeds = feeds_for(model, rng, largest=2)
    assert farthest(run(model, feeds), run(result.model, feeds)) <= TOLERANCE[False]
