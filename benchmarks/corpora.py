"""lumpcli on other people's models: `python benchmarks/corpora.py node | light | models FOLDER`.

node: onnx's own operator tests, as they are and between layers of weights. light: the nine ImageNet
networks in onnx's package. models: all *.onnx below a folder. Exits 1 when lumpcli fails somewhere.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

# at the end: whoever sets PYTHONPATH chooses the lumpcli that is measured
sys.path.append(str(Path(__file__).resolve().parents[1]))

import onnx
import onnxruntime

import lumpcli
from benchmarks import folder, light, operators


def node(options: argparse.Namespace) -> tuple[int, Any]:
    """The operator tests."""
    cases = operators.operator_tests()
    code, saved = 0, {}
    kinds = {
        "operator tests as they are": operators.as_they_are,
        "operator tests between layers of weights": operators.between_layers,
    }
    for title, corpus in kinds.items():
        started = time.perf_counter()
        tally = corpus(cases[:: options.every])
        print(f"{title} ({time.perf_counter() - started:.0f} s)")
        print("\n".join(tally.lines()), flush=True)
        saved[title] = {**tally.counts, "features": dict(tally.features)}
        saved[title]["failures"] = {o.name: o.reason for o in tally.failures}
        code |= bool(tally.failures)
    return code, saved


def networks(options: argparse.Namespace) -> tuple[int, Any]:
    """The light networks."""
    found = []
    for one in light.light_models(options.names):
        found.append(light.measure(one))
        rows = light.table(found[-1:]).splitlines()
        print("\n".join(rows if len(found) == 1 else rows[1:]), flush=True)
    saved = {
        m.outcome.name: {
            "status": m.outcome.status,
            "reason": m.outcome.reason,
            "seconds": round(m.seconds, 2),
            "apart": m.apart,
            **({} if m.outcome.result is None else m.outcome.result.to_dict()),
        }
        for m in found
    }
    good = all(m.outcome.status in ("changed", "unchanged") for m in found)
    return int(not good or not found), saved


def models(options: argparse.Namespace) -> tuple[int, Any]:
    """A folder of models."""
    command = [sys.executable, str(Path(__file__).resolve()), "one"]
    return folder.examine_all(options.folder, command, options.timeout)


def one(options: argparse.Namespace) -> tuple[int, Any]:
    """One model, as JSON: what each process of `models` runs."""
    print(json.dumps(folder.examine(options.model)))
    return 0, None


def main() -> int:
    """Run one corpus, return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    commands = parser.add_subparsers(required=True, metavar="node | light | models")
    for name, call in {"node": node, "light": networks, "models": models, "one": one}.items():
        command = commands.add_parser(name, description=call.__doc__)
        command.set_defaults(call=call, json=None)
        if name != "one":
            command.add_argument("--json", type=Path, metavar="FILE", help="save the numbers")
        if name == "node":
            command.add_argument("--every", type=int, default=1, help="take every n-th test")
        elif name == "light":
            command.add_argument("names", nargs="*", help="of networks; all nine when not given")
        elif name == "models":
            command.add_argument("folder", type=Path)
            command.add_argument("--timeout", type=float, default=600.0, help="seconds per model")
        else:
            command.add_argument("model", type=Path)
    options = parser.parse_args()
    if options.call is not one:
        where = Path(lumpcli.__file__ or "").parent
        print(f"lumpcli {lumpcli.__version__} in {where}, onnx {onnx.__version__}, ", end="")
        print(f"onnxruntime {onnxruntime.__version__}", flush=True)
    code: int
    code, saved = options.call(options)
    if options.json is not None:
        options.json.write_text(json.dumps(saved, indent=1) + "\n", encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main())
