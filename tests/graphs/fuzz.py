"""Random graphs over all operators of convolutional networks: `python -m tests.graphs.fuzz`.

Every graph has planted redundancy. Checked, with onnxruntime: it computes what the graph it was
grown from computes; its reduction is valid, computes the same (bit by bit where no operator
rounds), is nowhere wider than the reduction of that graph, and cannot be reduced again. Lumpcli's
limits, beyond which nothing is demanded, are listed in tests/graphs/laws.py; the family `extra`,
which only runs when asked for, goes beyond them.

    python -m tests.graphs.fuzz --graphs 5000 --seed 0
    python -m tests.graphs.fuzz --family gate --graphs 200
    python -m tests.graphs.fuzz --box --graphs 1000
    python -m tests.graphs.fuzz --show 123 --family gate --into build/123
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import onnx

from tests.graphs.boxes import check_in_box
from tests.graphs.families import FAMILIES
from tests.graphs.laws import PLANTS, Report, build, check
from tests.graphs.models import run

_CHUNK = 20


def _arguments() -> argparse.Namespace:
    summary, _, more = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=more, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--graphs", type=int, default=5000, help="how many (default: 5000)")
    parser.add_argument("--seed", type=int, default=0, help="the first seed (default: 0)")
    parser.add_argument("--family", choices=FAMILIES, help="only graphs of this family")
    parser.add_argument("--plant", choices=PLANTS, default="all", help="only such channels")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--failures", type=int, default=20, help="how many to print in full")
    parser.add_argument("--only-generator", action="store_true", help="leave lumpcli out")
    parser.add_argument("--box", action="store_true", help="reduce in random boxes instead")
    parser.add_argument("--show", type=int, metavar="SEED", help="print one graph, and check it")
    parser.add_argument("--into", type=Path, help="with --show: write the models to this folder")
    return parser.parse_args()


def _reports(options: argparse.Namespace) -> Iterator[Report]:
    """The reports of all seeds, in their order."""
    seeds = range(options.seed, options.seed + options.graphs)
    one: Callable[[int], Report] = partial(
        check, family=options.family, plant=options.plant, only_generator=options.only_generator
    )
    if options.box:
        one = partial(check_in_box, family=options.family, plant=options.plant)
    if options.jobs <= 1:
        yield from map(one, seeds)
        return
    with ProcessPoolExecutor(options.jobs) as pool:
        yield from pool.map(one, seeds, chunksize=_CHUNK)


def _summary(options: argparse.Namespace, reports: list[Report], seconds: float) -> None:
    families, bad = Counter(r.family for r in reports), Counter[str]()
    laws, planted, left = Counter[str](), Counter[str](), Counter[str]()
    for report in reports:
        planted[report.family] += report.planted
        left[report.family] += report.left
        bad[report.family] += bool(report.failures)
        laws.update({f.split(":")[0] for f in report.failures})
    print(f"{'family':<12}{'graphs':>8}{'failing':>9}{'planted':>10}{'left':>9}")
    for family in sorted(families):
        row = f"{planted[family]:>10,}{left[family]:>9,}"
        print(f"{family:<12}{families[family]:>8}{bad[family]:>9}{row}")
    exact, inside = sum(r.exact for r in reports), sum(r.seconds for r in reports)
    print(f"{len(reports):,} graphs in {seconds:.0f} s ({options.jobs} jobs, {inside:.0f} s in "
          f"lumpcli), {exact:,} compared bit by bit, {sum(bad.values()):,} failing")  # fmt: skip
    for law, count in laws.most_common():
        print(f"  {law}: {count:,}")


def _fuzz(options: argparse.Namespace) -> int:
    started, reports = time.perf_counter(), list[Report]()
    shown = 0
    for report in _reports(options):
        reports.append(report)
        if report.failures:
            shown += 1
            if shown <= options.failures:
                _clear()
                print(f"seed {report.seed} --family {report.family}")
                print(*(f"    {f}" for f in report.failures), sep="\n", flush=True)
        if sys.stderr.isatty() and len(reports) % _CHUNK == 0:
            print(f"\r{len(reports):,} of {options.graphs:,}", end="", file=sys.stderr, flush=True)
    _clear()
    _summary(options, reports, time.perf_counter() - started)
    failing = [r.seed for r in reports if r.failures]
    if failing:
        print("failing seeds:", *failing)
    return 1 if failing else 0


def _clear() -> None:
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)


def _show(options: argparse.Namespace) -> int:
    case = build(options.show, options.family, options.plant)
    inside = run(case.model, case.feeds, inside=True)
    core = run(case.small, case.feeds, inside=True)
    print(f"seed {case.seed}, family {case.family}, opset {case.core.opset}")
    print(*(f"  {i.name} {list(case.feeds[i.name].shape)} input" for i in case.model.graph.input),
          sep="\n")  # fmt: skip
    outputs = {o.name for o in case.model.graph.output}
    for node in case.model.graph.node:
        for name in node.output:
            before, after = list(core[name].shape), list(inside[name].shape)
            sizes = f"{before}" if before == after else f"{before} -> {after}"
            attributes = " ".join(
                onnx.helper.printable_attribute(a) for a in node.attribute if a.name != "value"
            )
            end = " output" if name in outputs else ""
            print(f"  {name:<14} {node.op_type}({', '.join(node.input)}) {attributes} {sizes}{end}")
    if options.into:
        options.into.mkdir(parents=True, exist_ok=True)
        onnx.save(case.small, options.into / "core.onnx")
        onnx.save(case.model, options.into / "planted.onnx")
        print(f"wrote {options.into / 'core.onnx'}, {options.into / 'planted.onnx'}")
    report = check(
        options.show, options.family, options.plant, only_generator=options.only_generator
    )
    print("exact" if report.exact else "up to a tolerance", *report.failures, sep="\n  ")
    return 1 if report.failures else 0


def main() -> int:
    """Run, print, return the exit code."""
    options = _arguments()
    return _fuzz(options) if options.show is None else _show(options)


if __name__ == "__main__":
    sys.exit(main())
