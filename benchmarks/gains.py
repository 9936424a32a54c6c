"""What a user gains: latency in onnxruntime and bytes on disk."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import tools
from benchmarks.costs import Scale, reduction
from benchmarks.networks import bytes_of, chain, images
from benchmarks.stopwatch import measure
from benchmarks.tables import Table, ratio

_RUNS = 50


def gains(scale: Scale, folder: Path) -> Iterator[Table]:
    """Dense and convolutional networks, from no redundancy to much."""
    table = Table(
        "What is gained",
        "Latency of one input in onnxruntime with its default optimisations and one thread "
        f"(median of {_RUNS} runs, original and reduced in turn), and bytes of the file.",
        ("network", "redundant", "ms before", "after", "ratio", "MB before", "after", "ratio"),
    )
    wide, channels, size = scale.gain_sizes
    dense = f"dense, 4 x {wide:,}"
    convolutional = f"convolutional, 4 x {channels} channels, {size} x {size}"
    kinds: dict[str, Callable[[Path, float], Path]] = {
        dense: lambda path, r: chain(path, [wide] * 5 + [10], r),
        convolutional: lambda path, r: images(path, [3] + [channels] * 4, size, r),
    }
    for name, make in kinds.items():
        for redundancy in scale.gains:
            path = make(folder / "in.onnx", redundancy)
            target = folder / "out.onnx"
            table.rows.append((name, f"{redundancy:.0%}", *_gain(scale, folder, path, target)))
            path.unlink()
            target.unlink(missing_ok=True)
    yield table


def _gain(scale: Scale, folder: Path, path: Path, target: Path) -> tuple[str, ...]:
    for command in (
        reduction(path, target),
        run_both := tools.command("latency", path, target, _RUNS),
    ):
        run = measure(command, scale.timeout, folder)
        if run.failure:
            what = "latency" if command is run_both else "reduce"
            return (f"{what}: {run.failure}", *[""] * 5)
    found = json.loads(run.out)
    before, after = bytes_of(path), bytes_of(target)
    return (
        f"{found['before'] * 1e3:.3g}",
        f"{found['after'] * 1e3:.3g}",
        ratio(found["after"], found["before"]),
        f"{before / 1e6:.3g}",
        f"{after / 1e6:.3g}",
        ratio(after, before),
    )
