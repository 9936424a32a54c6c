"""Planted redundancy on thousands of random networks: `python benchmarks/planted.py`.

Chains and residual graphs of small integers with dyadic ratios and piecewise-linear activations,
float32 and float64, in which nothing is ever rounded. Each is reduced in memory (which checks law
5: what was written loads as what was meant), compared with the reference of tests/laws and in
onnxruntime, and reduced again. Exits 1, naming the seeds, when anything deviates.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from tests.laws.generator import Case, random_case
from tests.laws.reference import expected
from tests.laws.runtime import feeds_for, identical, reduced, run, same_bytes, widths

KINDS = [(shape, double) for shape in ("chain", "residual") for double in (False, True)]
ROWS = (
    ("networks", "networks"),
    ("before", "features before"),
    ("after", "features after"),
    ("expected", "features expected"),
    ("widths", "widths as expected"),
    ("open", "left to choice"),
    ("equal", "outputs equal"),
    ("bits", "also bit by bit"),
    ("idempotent", "second run a no-op"),
    ("law5", "law 5"),
    ("rounded", "with rounded weights"),
)


def examine(case: Case, seed: int) -> Counter[str]:
    """Reduce one network and count what is as it should be."""
    network = case.network
    bounds = expected(network)
    wanted, fewest = bounds.widths, bounds.fewest
    counts = Counter(networks=1, before=network.hidden(), expected=network.hidden(wanted))
    try:
        result = reduced(case.model)
        again = reduced(result.model)
    except Exception as error:  # whatever it is, it is a deviation to report
        print(f"seed {seed}: {error!r}", file=sys.stderr)
        counts["after"] = counts["before"]
        return counts
    got = widths(network, result)
    feeds = feeds_for(case.model, np.random.default_rng(seed))
    before, after = run(case.model, feeds), run(result.model, feeds)
    counts["after"] = network.hidden(got)
    counts["widths"] = all(fewest[name] <= got[name] <= wanted[name] for name in got)
    counts["open"] = any(fewest[name] < wanted[name] for name in got)
    counts["equal"] = identical(before, after)
    counts["bits"] = all(a.tobytes() == b.tobytes() for a, b in zip(before, after, strict=True))
    counts["idempotent"] = not again.changed and same_bytes(again.model, result.model)
    counts["law5"] = 1
    counts["rounded"] = result.rounded > 0
    counts["widest"] = max(layer.width for layer in network.layers)
    return counts


def table(totals: dict[str, Counter[str]]) -> str:
    """The counts, a column per kind of network."""
    every = {**totals, "all": sum(totals.values(), Counter())}
    lines = [f"{'':<20}" + "".join(f"{label:>18}" for label in every)]
    for key, title in ROWS:
        lines.append(f"{title:<20}" + "".join(f"{c[key]:>18,}" for c in every.values()))
    return "\n".join(lines)


def main() -> int:
    """Run, print the table, return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--networks", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0, help="of the first network")
    options = parser.parse_args()
    totals: dict[str, Counter[str]] = {}
    deviations: list[str] = []
    spent = Counter[str]()
    for seed in range(options.seed, options.seed + options.networks):
        shape, double = KINDS[seed % len(KINDS)]
        started = time.perf_counter()
        case = random_case(seed, shape=shape, double=double)
        drawn = time.perf_counter()
        counts = examine(case, seed)
        spent["drawing"] += drawn - started
        spent["reducing"] += time.perf_counter() - drawn
        widest = counts.pop("widest", 0)
        label = f"{shape} float{64 if double else 32}"
        totals.setdefault(label, Counter()).update(counts)
        spent["widest"] = max(spent["widest"], widest)
        wrong = [key for key in ("widths", "equal", "idempotent", "law5") if not counts[key]]
        if wrong:
            deviations.append(f"seed {seed} ({label}): not {', '.join(wrong)}")
    print(table(dict(sorted(totals.items()))))
    print(
        f"widest layer {spent['widest']}; {spent['drawing']:.0f} s to draw the networks, "
        f"{spent['reducing']:.0f} s to reduce each twice, predict and compare"
    )
    print("\n".join(deviations) or "no deviation")
    return 1 if deviations else 0


if __name__ == "__main__":
    sys.exit(main())
