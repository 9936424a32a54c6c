"""What is proved about a reduction by numbers, as text: what rounding does, how far it may go."""

from __future__ import annotations

from lumpcli.promises import BoxFacts, LowerBound, Redundancy
from lumpcli.report.layout import Look, above, labelled, plural, printable
from lumpcli.results import Result


def rounding_text(result: Result, look: Look) -> list[str]:
    """How far the rounding of folded weights goes, where anything was rounded."""
    if not result.rounded:
        return []
    known = [b for b in result.rounding if b.relative is not None]
    unknown = [b for b in result.rounding if b.relative is None]
    lines = []
    if known:
        one = printable(known[0].tensor) if len(known) == 1 else "other tensors"
        worst = above(max(b.relative or 0.0 for b in known))
        path = plural(max(b.roundings for b in known), "rounding")
        what = one if unknown else "an output"
        lines.append(f"changes {what} by at most {worst} of its scale ({path} on the longest path)")
    on_box = [b.absolute for b in result.rounding if b.absolute is not None]
    if on_box and len(on_box) == len(result.rounding):
        lines.append(f"changes an output by at most {above(max(on_box))} for inputs in the box")
        unknown = []  # nothing is open
    for bound in unknown[:1]:
        others = f" (and for {len(unknown) - 1} more)" if len(unknown) > 1 else ""
        why = printable(bound.reason or "")
        lines.append(f"no bound for {printable(bound.tensor)}{others}: {why}")
    return [labelled(look, "" if i else "rounding", line) for i, line in enumerate(lines)]


def least_text(bound: LowerBound | None, look: Look) -> list[str]:
    """How few features would do, for models of which that is known."""
    if bound is None:
        return []
    least = plural(bound.features, "feature")
    left = f"{bound.reached:,}" if bound.reached > bound.features else "no more, so it is minimal"
    text = f"one hidden layer of this kind needs at least {least} for this; reduce leaves {left}"
    return [labelled(look, "lower bound", text)]


def certified_text(found: Redundancy) -> str:
    """What is proved of ReLUs that were replaced."""
    worst = above(max((bound.absolute for bound in found.bounds), default=0.0))
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in found.kinds.items() if count)
    kept = "" if found.preserved is None else f", the {found.preserved} stays the same"
    but = "in the box, but for the rounding of numbers that change"
    replaced = f"ReLUs replaced: {kinds or 'none'}"
    return f"{but}: outputs change by at most {worst}{kept}; {replaced}"


_OUTSIDE = {
    None: "outside the box the result may be another function",
    "clip": "inputs outside the box are clipped to it",
    "output": "the output inside_box says which inputs are in the box; for others it is no promise",
}


def _by_solver(box: BoxFacts) -> str:
    no_proof = "by a solver, within its tolerance, which is no proof"
    if box.believed:
        return f"{box.numerical:,} of them {no_proof}"
    return f"{box.numerical:,} of those unknown are settled {no_proof}: they are not used"


def box_text(box: BoxFacts | None, look: Look) -> list[str]:
    """What is known of the inputs that are granted."""
    if box is None:
        return []
    ways = ", ".join(f"{way} {count:,}" for way, count in box.methods.items() if count)
    known = f"{box.inactive:,} never above 0, {box.active:,} never below"
    first = f"of what activations read {known}, {box.unknown:,} unknown" + (
        f" ({ways})" * bool(ways)
    )
    lines = [first, _OUTSIDE[box.guard]]
    if box.semantics == "float32":
        lines.insert(1, "for any evaluation in float32")
    if box.numerical:
        lines.insert(1, _by_solver(box))
    lines += [
        f"no bounds for {printable(name)}: {printable(why)}"
        for name, why in list(box.unbounded.items())[: None if look.verbose else 3]
    ]
    return [labelled(look, "" if i else "in the box", line) for i, line in enumerate(lines)]
