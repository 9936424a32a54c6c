"""What a reduction costs: time and memory against loading, saving, copying, and against peers."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from math import log2
from pathlib import Path

from benchmarks import tools
from benchmarks.networks import bytes_of, chain, files_of, kept
from benchmarks.stopwatch import MEMORY_KNOWN, NO_MEMORY, Run, alternate, best, measure
from benchmarks.tables import Table, megabytes, ratio, seconds


@dataclass(frozen=True)
class Scale:
    """How large and how often: once for a first look, once for figures to quote."""

    file: tuple[int, int]  # width and number of hidden layers of the files
    widths: tuple[int, ...]
    depths: tuple[int, ...]
    depth_width: int
    search: int
    large: tuple[int, int]  # as `file`
    gains: tuple[float, ...]  # redundancies
    gain_sizes: tuple[int, int, int]  # width of dense layers, channels, image size
    rounds: int
    timeout: float  # seconds of one command
    budget: float  # seconds of all runs of one command


QUICK = Scale(
    file=(1024, 4),
    widths=(256, 512, 1024),
    depths=(8, 32),
    depth_width=128,
    search=1024,
    large=(2048, 4),
    gains=(0.0, 0.5, 0.9),
    gain_sizes=(512, 32, 28),
    rounds=3,
    timeout=60.0,
    budget=1.2,
)
FULL = Scale(
    file=(4096, 8),
    widths=(512, 1024, 2048, 4096, 8192),
    depths=(8, 32, 128, 512),
    depth_width=512,
    search=8192,
    large=(8192, 16),
    gains=(0.0, 0.1, 0.5, 0.9),
    gain_sizes=(2048, 128, 56),
    rounds=5,
    timeout=300.0,
    budget=20.0,
)
REDUCE, VERIFIED, ONNX = "lumpcli reduce --no-verify", "lumpcli reduce", "onnx.load + onnx.save"
_WRITERS = (ONNX, REDUCE, VERIFIED, *tools.PEERS)


def reduction(source: Path, target: Path, *options: str) -> list[str]:
    """The command a user would give."""
    words = ["reduce", str(source), str(target), "--force", "--json", *options]
    return [sys.executable, "-m", "lumpcli", *words]


def files(scale: Scale, folder: Path) -> Iterator[Table]:
    """Whole commands on large files."""
    width, layers = scale.file
    for redundancy, external in ((0.0, False), (0.0, True), (0.5, False), (0.5, True)):
        path = folder / "in.onnx"
        chain(path, [width] * (layers + 1), redundancy, external=external)
        size = bytes_of(path)
        inputs = list(files_of(path))
        # a folder for each: lumpcli keeps the names of data files
        out = {name: folder / f"out{k}" for k, name in enumerate(("cp", *_WRITERS))}
        for place in out.values():
            place.mkdir()
        to = {name: place / "model.onnx" for name, place in out.items()}
        commands: dict[str, list[str | Path]] = {
            "cat": ["cat", *inputs],
            "cp": ["cp", *inputs, out["cp"]],
            ONNX: [*tools.command("load_and_save", path, to[ONNX])],
            REDUCE: [*reduction(path, to[REDUCE], "--no-verify")],
            VERIFIED: [*reduction(path, to[VERIFIED])],
            **{name: [*tools.command(name, path, to[name])] for name in tools.PEERS},
        }
        runs = alternate(commands, scale.rounds, scale.timeout, folder, scale.budget)
        results = {name: best(found) for name, found in runs.items()}
        where = "external data" if external else "one file"
        table = Table(
            f"A network of {size / 1e6:,.0f} MB, {redundancy:.0%} redundant ({where})",
            f"{layers} dense layers of {width:,} features. Whole commands, start of Python "
            f"included; the best of {scale.rounds} turns, of fewer where one takes more than "
            f"{scale.budget / 2:.0f} s. Memory: peaks of all processes of a "
            "command together; anonymous memory is what no file stands behind.",
            ("command", "s", "of load + save", "of cat", "of cp", *_MEMORY, "MB written"),
        )
        for name, run in results.items():
            written = _bytes_in(out[name]) if name in out else None
            table.rows.append(_row(name, run, results, size, written))
        if not MEMORY_KNOWN:
            table.notes.append(NO_MEMORY)
        yield table
        for place in out.values():
            shutil.rmtree(place)
        for p in inputs:
            p.unlink()


_MEMORY = ("peak MB", "of file", "anonymous MB", "of file")


def _row(
    name: str, run: Run, results: dict[str, Run], size: int, written: int | None
) -> tuple[str, ...]:
    if run.failure:
        return (name, run.failure, *[""] * 8)
    others = (results[other] for other in (ONNX, "cat", "cp"))
    times = (ratio(run.seconds, None if o.failure else o.seconds) for o in others)
    memory = (megabytes(run.rss), ratio(run.rss, size), megabytes(run.anon), ratio(run.anon, size))
    return (name, seconds(run.seconds), *times, *memory, megabytes(written))


def _bytes_in(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def width(scale: Scale, folder: Path) -> Iterator[Table]:
    """How the time of a reduction grows with the width of a pair of layers."""
    table = _growth_table("width", "Two dense layers of that width.", scale)
    for redundancy in (0.0, 0.5, 0.95):
        _grow(table, scale, folder, redundancy, [(n, [n] * 3) for n in scale.widths])
    yield table


def depth(scale: Scale, folder: Path) -> Iterator[Table]:
    """How the time of a reduction grows with the number of layers."""
    wide = scale.depth_width
    table = _growth_table("depth", f"So many dense layers of {wide} features.", scale)
    for redundancy in (0.0, 0.5):
        _grow(table, scale, folder, redundancy, [(n, [wide] * (n + 1)) for n in scale.depths])
    yield table


def _growth_table(what: str, about: str, scale: Scale) -> Table:
    return Table(
        f"Growth with {what}",
        f"{about} Inside one process, without imports and without verification: the best of up to "
        f"{scale.rounds} turns. The exponent is that of the model's size from the row above to "
        "this one: 1 when time grows as size does.",
        (what, "redundant", "MB", "features", "reduce s", "load + save s", "ratio", "exponent"),
    )


def _grow(
    table: Table,
    scale: Scale,
    folder: Path,
    redundancy: float,
    sizes: list[tuple[int, list[int]]],
) -> None:
    before: tuple[int, float] | None = None
    for number, widths in sizes:
        path = chain(folder / "in.onnx", widths, redundancy)
        size = bytes_of(path)
        target = folder / "out.onnx"
        command = tools.command("growth", path, target, scale.rounds, scale.budget)
        run = measure(command, scale.timeout, folder)
        row = [f"{number:,}", f"{redundancy:.0%}", megabytes(size)]
        if run.failure:
            table.rows.append((*row, "", run.failure, "", "", ""))
            before = None
        else:
            found = json.loads(run.out)
            spent = found["reduce"]
            power = log2(spent / before[1]) / log2(size / before[0]) if before else None
            table.rows.append(
                (
                    *row,
                    f"{found['before']:,} -> {found['after']:,}",
                    seconds(spent),
                    seconds(found["onnx"]),
                    ratio(spent, found["onnx"]),
                    "" if power is None else f"{power:.2f}",
                )
            )
            before = (size, spent)
        for p in (path, target):
            p.unlink(missing_ok=True)
        if run.failure:
            break  # what is larger takes no less


def search(scale: Scale, folder: Path) -> Iterator[Table]:
    """The search alone, where there is nothing to find."""
    n = scale.search
    path = chain(folder / "in.onnx", [n, n], 0.0, external=True)
    run = measure(tools.command("search", path, scale.rounds), scale.timeout, folder)
    table = Table(
        "The search alone",
        f"Facts of one dense layer of {n:,} x {n:,} float32 with nothing to merge, against summing "
        f"its numbers once with numpy: the best of {scale.rounds} turns.",
        ("what", "s", "of the sum"),
    )
    if run.failure:
        table.rows.append(("search", run.failure, ""))
    else:
        found = json.loads(run.out)
        for name in ("sum", "search"):
            table.rows.append((name, seconds(found[name]), ratio(found[name], found["sum"])))
    yield table
    for p in files_of(path):
        p.unlink()


def large(scale: Scale, folder: Path) -> Iterator[Table]:
    """A model larger than a protobuf may be: verified, and its memory against a tensor."""
    wide, layers = scale.large
    redundancy = 0.5
    tensor = wide * wide * 4
    need = tensor * layers * 2  # and the result
    table = Table(
        f"A model of {tensor * layers / 2**30:.3g} GiB",
        f"{layers} dense layers of {wide:,} features, {redundancy:.0%} redundant, external data; "
        f"reduced to {kept(wide, redundancy):,} features each and verified. Memory against its "
        f"largest tensor, {tensor / 1e6:,.0f} MB. One run.",
        ("command", "s", "peak MB", "of tensor", "anonymous MB", "of tensor", "MB written"),
    )
    free = shutil.disk_usage(folder).free
    if free < need:
        table.rows.append((f"needs {need / 1e9:.0f} GB of disk, has {free / 1e9:.0f}", *[""] * 6))
        yield table
        return
    path = chain(folder / "in.onnx", [wide] * (layers + 1), redundancy, external=True)
    out = folder / "out"
    out.mkdir()
    for name, command in (
        ("cp", ["cp", *files_of(path), out]),
        (REDUCE, [*reduction(path, out / "reduced.onnx", "--no-verify")]),
        (VERIFIED, [*reduction(path, out / "reduced.onnx")]),
    ):
        run = measure(command, 20 * scale.timeout, folder)
        cells = (megabytes(run.rss), ratio(run.rss, tensor), megabytes(run.anon))
        spent = run.failure or seconds(run.seconds)
        written = megabytes(_bytes_in(out))
        table.rows.append((name, spent, *cells, ratio(run.anon, tensor), written))
        shutil.rmtree(out)
        out.mkdir()
    yield table
    out.rmdir()
    for p in files_of(path):
        p.unlink()
