"""A net on a box of inputs: what bounds say of its layers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lumpcli.bounds import (
    MILP,
    RUNGS,
    Assurance,
    Phases,
    Semantics,
    bounded,
    input_shapes,
    ladder,
)
from lumpcli.box import Box, read_box
from lumpcli.errors import UsageError
from lumpcli.exporter import Guard, export, write_model
from lumpcli.ir import Net
from lumpcli.loader import Host, load
from lumpcli.promises import BoxFacts
from lumpcli.redundancy import Request


@dataclass(frozen=True)
class Granted:
    """A box that inputs are granted to lie in, and how to bound the network on it.

    `box`, or entries as on the command line: `lo,hi`, `name=lo,hi`, an .npz or a .vnnlib file.
    `budget` are seconds after which bounding ends; without it the result is reproducible, and can
    be certified. `guard`:
    what the reduced model does with inputs outside, "clip" or "output" (None: nothing).
    `redundancy`: ReLUs that may be replaced though that changes outputs, within certified bounds.
    `milp`: a solver is asked about what bounds leave open, which is no proof: it only is believed
    with `assurance` "numerical".
    """

    box: Box | Sequence[str]
    semantics: Semantics = "real"
    budget: float | None = None
    seed: int = 0
    guard: Guard | None = None
    redundancy: Request | None = None
    milp: bool = False
    assurance: Assurance = "rigorous"

    def on(self, host: Host) -> Box:
        """The box for a model; UsageError where it does not fit its inputs."""
        shapes = input_shapes(host.graph)
        box = self.box if isinstance(self.box, Box) else read_box(self.box, shapes)
        box.matches(shapes)
        return box


def bounds_on(host: Host, granted: Granted, jobs: int) -> tuple[Box, Phases]:
    """The box, and what is known of what activations read there.

    With numerical assurance `phase` is what a solver says, too. UsageError for a request that makes
    no sense.
    """
    _sensible(granted)
    box = granted.on(host)
    found = ladder(
        host,
        box,
        rungs=(*RUNGS, MILP) if granted.milp else RUNGS,
        seed=granted.seed,
        budget=granted.budget,
        semantics=granted.semantics,
        jobs=jobs,
    )
    return box, found.accepting(granted.assurance)


def renewing(
    host: Host, granted: Granted, jobs: int, freeze_initializers: bool
) -> Callable[[Net], Net]:
    """What bounds a net made of the host's anew, for the numbers that it would be stored with.

    Always rigorously: no solver is asked again, whose verdicts the report would not count.
    """
    proving = replace(granted, milp=False, assurance="rigorous")

    def bounds(net: Net) -> Net:
        with tempfile.TemporaryDirectory(prefix="lumpcli-") as name:
            folder = Path(name)
            write_model(host, export(host, net), folder / "model.onnx", folder)
            stored = load(folder / "model.onnx", freeze_initializers=freeze_initializers)
            return bounded(stored, net, *bounds_on(stored, proving, jobs))

    return bounds


def _sensible(granted: Granted) -> None:
    if granted.assurance not in ("rigorous", "numerical"):
        raise UsageError(f"no assurance is called {granted.assurance!r}: rigorous, numerical")
    if granted.assurance == "numerical" and not granted.milp:
        raise UsageError("only a solver's verdicts are numerical: --assurance numerical --milp")
    if granted.milp and granted.redundancy is not None:
        raise UsageError("redundancy: what it certifies cannot rest on a solver: no --milp")


def facts_in(
    box: Box, phases: Phases, guard: Guard | None, assurance: Assurance = "rigorous"
) -> BoxFacts:
    """What was found, for reports; `phases` as `bounds_on` returns them with that assurance."""
    every = [b.phase.reshape(-1) for b in phases.tensors.values()]
    phase = np.concatenate(every) if every else np.zeros(0, np.int8)
    counts = {sign: int((phase == sign).sum()) for sign in (-1, 0, 1)}
    solved = sum(int((b.numerical != 0).sum()) for b in phases.tensors.values())
    believed = {MILP: solved} if assurance == "numerical" else {}
    return BoxFacts(
        inputs=box.size,
        inactive=counts[-1],
        active=counts[1],
        unknown=counts[0],
        methods={**phases.counts(), **believed},
        semantics=phases.semantics,
        unbounded=dict(phases.unbounded),
        guard=guard,
        numerical=solved,
        assurance=assurance,
    )
