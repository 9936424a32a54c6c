"""What is measured, each in a process of its own: `python benchmarks/tools.py NAME ARGUMENTS...`.

The peers do what their command line does by default. Prints one JSON object.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

# at the end: whoever sets PYTHONPATH chooses the lumpcli that is measured
sys.path.append(str(Path(__file__).resolve().parents[1]))

PEERS = ("onnxslim", "onnxsim", "onnxoptimizer")


def command(name: str, *arguments: object) -> list[str]:
    """The command that runs a function of this module."""
    return [sys.executable, str(Path(__file__).resolve()), name, *map(str, arguments)]


def load_and_save(source: str, target: str) -> None:
    """The least that any tool on top of onnx does."""
    import onnx

    _save(onnx.load(source), source, target)


def _save(model: Any, source: str, target: str) -> None:
    """With a data file beside it, as the original has one."""
    import onnx

    if Path(f"{source}.data").exists():
        location = f"{Path(target).name}.data"
        Path(f"{target}.data").unlink(missing_ok=True)  # onnx would append to it
        onnx.save(model, target, save_as_external_data=True, location=location)
    else:
        onnx.save(model, target)


def onnxslim(source: str, target: str) -> None:
    """The peer of that name."""
    import onnxslim as peer

    _save(peer.slim(source), source, target)


def onnxsim(source: str, target: str) -> None:
    """The peer of that name."""
    import onnx
    import onnxsim as peer

    model, well = peer.simplify(onnx.load(source))
    if not well:
        raise RuntimeError("it says that its result is wrong")
    _save(model, source, target)


def onnxoptimizer(source: str, target: str) -> None:
    """The peer of that name."""
    import onnx
    import onnxoptimizer as peer

    _save(peer.optimize(onnx.load(source)), source, target)


def growth(source: str, target: str, rounds: str, budget: str) -> dict[str, float]:
    """Seconds of lumpcli.reduce and of loading and saving, without imports: the best of each.

    `rounds` turns, or as many as fit into `budget` seconds.
    """
    import lumpcli

    found: dict[str, list[float]] = {"reduce": [], "onnx": []}
    begun = time.perf_counter()
    for done in range(int(rounds)):
        spent = time.perf_counter() - begun
        if done and spent + spent / done > float(budget):
            break
        started = time.perf_counter()
        result = lumpcli.reduce(source, target, check=False, force=True)
        found["reduce"].append(time.perf_counter() - started)
        started = time.perf_counter()
        load_and_save(source, target)
        found["onnx"].append(time.perf_counter() - started)
    best = {name: min(seconds) for name, seconds in found.items()}
    return {**best, "before": result.features.before, "after": result.features.after}


def search(source: str, rounds: str) -> dict[str, float]:
    """Seconds of the search in a loaded model, and of summing the numbers of its first layer."""
    from lumpcli.analysis import values_of
    from lumpcli.loader import load

    found: dict[str, list[float]] = {"search": [], "sum": []}
    for _ in range(int(rounds)):
        net = load(source).net  # a new one: facts are kept with their net
        weight = net.dense_layers[0].terms[0].weight
        assert weight is not None
        weight.sum()  # what the file is mapped to is now in memory
        started = time.perf_counter()
        weight.sum()
        found["sum"].append(time.perf_counter() - started)
        started = time.perf_counter()
        values_of(net)
        found["search"].append(time.perf_counter() - started)
    return {name: min(seconds) for name, seconds in found.items()}


def latency(before: str, after: str, runs: str) -> dict[str, float]:
    """Median seconds of one run of two models in onnxruntime, in turn, in one thread."""
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    sessions = [
        onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        for path in (before, after)
    ]
    (port,) = sessions[0].get_inputs()
    shape = [size if isinstance(size, int) else 1 for size in port.shape]
    x = {port.name: np.random.default_rng(0).standard_normal(shape, dtype=np.float32)}
    seconds: list[list[float]] = [[], []]
    for k in range(int(runs) + 3):
        for session, found in zip(sessions, seconds, strict=True):
            started = time.perf_counter()
            session.run(None, x)
            if k >= 3:  # the first ones prepare things
                found.append(time.perf_counter() - started)
    medians = [float(np.median(found)) for found in seconds]
    return {"before": medians[0], "after": medians[1]}


TOOLS: dict[str, Callable[..., dict[str, float] | None]] = {
    "load_and_save": load_and_save,
    "onnxslim": onnxslim,
    "onnxsim": onnxsim,
    "onnxoptimizer": onnxoptimizer,
    "growth": growth,
    "search": search,
    "latency": latency,
}


def main(arguments: Sequence[str]) -> None:
    """Run one and print what it found."""
    name, *rest = arguments
    print(json.dumps(TOOLS[name](*rest) or {}))


if __name__ == "__main__":
    main(sys.argv[1:])
