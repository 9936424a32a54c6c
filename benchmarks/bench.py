"""Time, memory and gains of lumpcli, measured side by side: `python benchmarks/bench.py`.

Everything is a ratio to something run in turn with it on the same machine: onnx's loading and
saving, reading and copying the file, and the peers that are installed (`pip install '.[bench]'`).
Models are drawn into a temporary folder and deleted afterwards. Prints tables and writes them to
benchmarks/results.md. `make bench` installs the peers first.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

# at the end: whoever sets PYTHONPATH chooses the lumpcli that is measured
sys.path.append(str(Path(__file__).resolve().parents[1]))

from benchmarks import costs
from benchmarks.costs import FULL, QUICK, Scale
from benchmarks.gains import gains
from benchmarks.tables import Table, machine

RESULTS = Path(__file__).resolve().parent / "results.md"
SECTIONS: dict[str, Callable[[Scale, Path], Iterator[Table]]] = {
    "files": costs.files,
    "width": costs.width,
    "depth": costs.depth,
    "search": costs.search,
    "gains": gains,
    "large": costs.large,
}
_TITLE = """\
# Measurements

Made by `make bench`. Ratios are to what was run in turn with lumpcli in the same run.
"""


def chosen(only: list[str] | None, with_large: bool) -> list[str]:
    """The sections to run: those named, else all; the large model only when asked for."""
    return only or [name for name in SECTIONS if name != "large" or with_large]


def main(arguments: list[str] | None = None) -> int:
    """Run the sections, print and write their tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="small models, about a minute")
    parser.add_argument("--large", action="store_true", help="also a model of 4 GiB")
    parser.add_argument("--only", action="append", choices=SECTIONS, help="repeatable")
    parser.add_argument("--folder", type=Path, help="for the models (default: a temporary one)")
    parser.add_argument("--output", type=Path, default=RESULTS, help="default: results.md here")
    options = parser.parse_args(arguments)
    scale = QUICK if options.quick else FULL
    text = f"{_TITLE}\n{machine()}\n"
    if options.quick:
        text += "\n`--quick`: small models, where the start of Python is most of the time.\n"
    print(text)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="lumpcli-bench-", dir=options.folder) as folder:
        for name in chosen(options.only, options.large):
            for table in SECTIONS[name](scale, Path(folder)):
                text += f"\n{table.markdown()}"
                print(table.markdown(), flush=True)
    print(f"{time.perf_counter() - started:.0f} s")
    options.output.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
