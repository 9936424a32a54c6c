"""Two networks of one shape as one program: the original, and by how much the reduced one differs.

The program has the steps of the original first, under their own numbers, and then a step for every
tensor that may differ. Backward bounds of a difference go through both, so what both networks have
in common cancels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lumpcli.bounds import RELU, Affine, Function, Operation, Program, Range, Step, Sum, Tensor
from lumpcli.errors import UsageError
from lumpcli.ir import Array
from lumpcli.redundancy.curves import Gap, Replacement, Shift

Replacements = Mapping[int, Replacement]  # of the ReLUs at these steps


@dataclass(frozen=True)
class Joint:
    """The program of both; `differences`, and `after`: the reduced one's outputs, by step."""

    program: Program
    differences: Mapping[int, int]
    after: Mapping[int, int]


def joint(program: Program, ranges: Sequence[Range], replaced: Replacements) -> Joint:
    """The original and the difference, for z within `ranges` (cells, size) of all steps."""
    steps = list(program.steps)
    differences: dict[int, int] = {}

    def add(operation: Operation, *sources: int) -> int:
        steps.append(Step(steps[sources[0]].size, operation, sources))
        return len(steps) - 1

    for number, step in enumerate(program.steps):
        moving = [k for k, source in enumerate(step.sources) if source in differences]
        sources = tuple(differences[step.sources[k]] for k in moving)
        if isinstance(step.operation, Affine):
            if moving:
                steps.append(Step(step.size, _linear_part(step.operation, moving), sources))
                differences[number] = len(steps) - 1
        elif number in replaced or moving:
            follows(step.operation)
            source, own = step.sources[0], replaced.get(number) or kept(ranges[number])
            parts = [add(Gap(own), source)] if number in replaced else []
            parts += [add(Shift(ranges[source], own), s) for s in sources]
            differences[number] = add(Sum((1, 1)), *parts) if len(parts) == 2 else parts[0]
    outputs = [t.step for t in program.targets.values() if t.step in differences]
    after = {n: add(Sum((1, 1)), n, differences[n]) for n in outputs}
    targets = {
        f"difference of {name}": Tensor(differences[tensor.step], tensor.shape)
        for name, tensor in program.targets.items()
        if tensor.step in differences
    }
    both = replace(program, steps=tuple(steps), targets={**program.targets, **targets})
    return Joint(both, differences, after)


def follows(operation: object) -> None:
    """Raise UsageError for what differences cannot be followed through."""
    if operation is not RELU:
        what = "an activation" if isinstance(operation, Function) else "a maximum or a product"
        raise UsageError(
            f"redundancy: differences go through linear operators and ReLU alone, not {what} "
            "of another kind"
        )


def kept(found: Range) -> Replacement:
    """Nothing replaced, of a ReLU whose values have such a range."""
    nothing = found.lower[:1] * 0.0
    return Replacement(nothing != 0, nothing, nothing)


def _linear_part(operation: Affine, moving: list[int]) -> Affine:
    """What an affine operation makes of differences of some of its sources."""
    if isinstance(operation, Sum):
        return Sum(tuple(operation.signs[k] for k in moving))
    return replace(operation, bias=None, heft=None)


def values_after(
    program: Program, values: Sequence[Array], replaced: Replacements
) -> dict[int, Array]:
    """The reduced network's tensors that differ (samples, size), given all of the original's."""
    found: dict[int, Array] = {}
    for number, step in enumerate(program.steps):
        if number not in replaced and not any(s in found for s in step.sources):
            continue
        sources = [found.get(s, values[s]) for s in step.sources]
        if number in replaced:
            found[number] = replaced[number].value(sources[0])
        elif step.operation is not None:
            found[number] = step.operation.value(*sources)
    return found
