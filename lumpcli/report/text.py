"""What `reduce` and `verify` found, as text for people: everything needed, nothing twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lumpcli.report.layout import (
    LABEL,
    PLAIN,
    Look,
    Row,
    arrows,
    brief,
    exactly,
    labelled,
    percent,
    plural,
    printable,
    table,
)
from lumpcli.report.text_bounds import box_text, certified_text, least_text, rounding_text
from lumpcli.report.text_domain import where_text
from lumpcli.results import ConstantOutput, LayerChange, OutputComparison, Result, Verdict

KINDS = ("constant", "unread", "lumped", "linear")  # why features go; the last one where it is so
MANY = 30  # layers; with more, only those that changed are listed
CONSTANTS = 10  # constant outputs that are listed one by one
NOTES = 5  # notes that are listed without -v

_VERDICTS = {
    "equal": ("verified", "green"),
    "different": ("different", "red"),
    "unverified": ("unverified", "yellow"),
}


def reduce_text(result: Result, look: Look = PLAIN) -> str:
    """What changed in each layer and altogether, what is promised, and what was verified."""
    lines = _layers(result, look)
    if result.why_unchanged is not None:
        lines.append(labelled(look, "unchanged", printable(result.why_unchanged)))
    lines += _sizes(result, look)
    status = "equal" if result.verdict is None else result.verdict.status
    if result.changed and status != "different":
        lines.append(labelled(look, result.promise, _promise(result)))
        lines += rounding_text(result, look)
    lines += least_text(result.lower_bound, look)
    lines += box_text(result.box, look)
    inputs = "every input" if result.box is None else "every input in the box"
    lines += constants_text(result.constant_outputs, look, inputs)
    told = result.why_unchanged or ""
    lines += notes_text([note for note in result.notes if note not in told], look)
    lines += _verified(result, look)
    lines.append(_wrote(result, look))
    if look.verbose:
        lines.append(labelled(look, "level", result.level))
    if result.hint is not None and status == "equal":
        lines.append(labelled(look, "hint", printable(result.hint), "yellow"))
    return "\n".join(lines)


def verify_text(verdict: Verdict, look: Look = PLAIN) -> str:
    """Whether two models are the same function, how far they are apart, and how we know."""
    label, style = _VERDICTS[verdict.status]
    label = "equal" if verdict.status == "equal" else label
    ran = f"{plural(verdict.samples, 'sample')}, seed {verdict.seed}"
    head = f"on {ran}" if verdict.status == "equal" else printable(verdict.reason)
    lines = [labelled(look, label, head, style), *where_text(verdict, look)]
    lines += _comparisons(verdict.outputs, look)
    if verdict.status != "equal" and verdict.outputs:
        lines.append(labelled(look, "compared on", ran))
    if verdict.runtime:
        lines.append(labelled(look, "run by", printable(verdict.runtime)))
    if verdict.referee:
        lines.append(labelled(look, "referee", _referee(verdict)))
    if verdict.witness is not None:
        lines.append(labelled(look, "witness", printable(verdict.witness)))
    if verdict.status == "equal":
        where = "" if verdict.domain is None else ", all of them inside the box"
        told = f"seen on these samples{where}: not a proof"
        lines.append(labelled(look, verdict.assurance, told))
    return "\n".join(lines)


def constants_text(
    outputs: Sequence[ConstantOutput], look: Look, inputs: str = "every input"
) -> list[str]:
    """A sentence per output that has the same value for the inputs named."""
    shown = outputs if look.verbose or len(outputs) <= CONSTANTS + 1 else outputs[:CONSTANTS]
    lines = [
        f"output {printable(c.output)}[{c.feature}] is {exactly(c.value)} for {inputs}"
        for c in shown
    ]
    if len(shown) < len(outputs):
        lines.append(f"and {len(outputs) - len(shown):,} more outputs are (-v lists them)")
    return [labelled(look, "" if i else "constant", line) for i, line in enumerate(lines)]


def notes_text(notes: Sequence[str], look: Look) -> list[str]:
    """What lumpcli did not understand and left as it is, a line each."""
    shown = notes if look.verbose or len(notes) <= NOTES + 1 else notes[:NOTES]
    lines = [printable(note) for note in shown]
    if len(shown) < len(notes):
        lines.append(f"and {len(notes) - len(shown):,} more (-v lists them)")
    return [labelled(look, "" if i else "left whole", line) for i, line in enumerate(lines)]


# --- layers -------------------------------------------------------------------------------


def _layers(result: Result, look: Look) -> list[str]:
    """A row per layer; a model that stays as it is only shows which layers may not be cut."""
    shown = result.layers
    if not look.verbose:
        if not result.changed:
            shown = tuple(x for x in shown if x.pinned or x.declined)
        if len(result.layers) > MANY:
            shown = tuple(x for x in result.layers if _changed(x))
    if not shown:
        return _summary(result.layers, shown, look)
    free = [x for x in shown if x.pinned is None]
    total = [] if len(free) < 2 or not result.changed else [result.features]
    pairs = [(x.features.before, x.features.after) for x in free]
    pairs += [(t.before, t.after) for t in total]
    widths = iter(arrows(pairs))
    kinds = KINDS if any(x.linear for x in result.layers) else KINDS[:-1]
    rows = [Row(("layer", "features", *kinds), style="bold")] if free else []
    rows += [_row(x, "" if x.pinned else next(widths), kinds) for x in shown]
    if total:
        sums = [sum(getattr(x, f) for x in result.layers) for f in kinds]
        rows.append(Row(("total", next(widths), *(f"{s:,}" for s in sums)), style="bold"))
    top = rows[0]  # as wide as the labels below the table
    rows[0] = replace(top, cells=(top.cells[0].ljust(LABEL - 2), *top.cells[1:]))
    lines = table(look, rows, left=(0, 1))
    more = _summary(result.layers, shown, look)
    return lines[: -len(total) or None] + more + lines[len(lines) - len(total) :]


def _changed(layer: LayerChange) -> bool:
    return layer.features.before != layer.features.after


def _row(layer: LayerChange, features: str, kinds: Sequence[str]) -> Row:
    name = printable(layer.name)
    if layer.pinned is not None:
        tail = f"kept at {layer.features.before:,}: {printable(layer.pinned)}"
        return Row((name,), tail, "dim")
    notes = []
    if layer.folded:
        notes.append("folded into what reads it")
    if layer.emptied:
        notes.append("nothing of it is needed: one feature kept for the shape")
    if layer.declined is not None:
        notes.append(printable(layer.declined))
    counts = (f"{getattr(layer, kind):,}" for kind in kinds)
    return Row((name, features, *counts), "; ".join(notes))


def _summary(layers: Sequence[LayerChange], shown: Sequence[LayerChange], look: Look) -> list[str]:
    """A line about the layers that are not listed, when that is because they are many."""
    hidden = len(layers) - len(shown)
    if hidden == 0 or len(layers) <= MANY:
        return []
    pinned = sum(x.pinned is not None for x in layers) - sum(x.pinned is not None for x in shown)
    why = f", {pinned:,} of them may not be cut" if pinned else ""
    more = "more " if shown else ""
    return [look.paint(f"{plural(hidden, f'{more}layer')} unchanged{why} (-v lists them)", "dim")]


# --- the lines below the table ------------------------------------------------------------


def _sizes(result: Result, look: Look) -> list[str]:
    labels = ("parameters", "MACs", "file bytes")
    changes = (result.parameters, result.macs, result.file_bytes)
    texts = arrows([(c.before, c.after) for c in changes])
    width = max(len(t) for t in texts)
    return [
        labelled(look, label, f"{text:<{width}}  {percent(c.before, c.after)}".rstrip())
        for label, c, text in zip(labels, changes, texts, strict=True)
    ]


def _promise(result: Result) -> str:
    if result.redundancy is not None:
        return certified_text(result.redundancy)
    if result.promise == "numerical":
        return f"if the solver is right, {_equality(result)}"
    return _equality(result)


def _equality(result: Result) -> str:
    """In which sense the reduced model is the original."""
    folded = plural(result.folded, "folded weight")
    if result.level == "rounding":
        rounded = f"; {folded}, {result.rounded:,} rounded" if result.folded else ""
        return (
            "an exact reduction of a network whose weights lie within the stored precision of "
            f"these: not equality{rounded}"
        )
    equal = "equal as real functions" + (" in the box" if result.box is not None else "")
    if result.folded == 0:
        return f"{equal}; no weight had to be folded"
    if result.level == "strict":
        return f"{equal}; {folded}, none rounded"
    needed = "none needed" if result.rounded == 0 else f"{result.rounded:,} needed"
    if result.steps > 1 and result.rounded:
        steps = f"rounded once in each of {result.steps} steps ({needed} rounding)"
        return f"{equal}, each step to the one before; {folded}, {steps}"
    return f"{equal}; {folded}, each rounded once (here: {needed} rounding)"


def _verified(result: Result, look: Look) -> list[str]:
    verdict = result.verdict
    if verdict is None:
        line = labelled(look, "not verified", "skipped (--no-verify)", "yellow")
        return [line] if result.changed else []
    label, style = _VERDICTS[verdict.status]
    runtime = verdict.runtime if look.verbose else verdict.runtime.split(",")[0]
    ran = [printable(runtime)] if runtime else []
    inside = "" if verdict.domain is None else " inside the box"
    ran += [plural(verdict.samples, "sample") + inside, f"seed {verdict.seed}"]
    # what was replaced on purpose is no difference that could be looked for
    of = "" if result.redundancy is None else "the network with ReLUs replaced; "
    text = f"{of}{', '.join(ran)}: {_largest(verdict)}"
    if verdict.status != "equal":
        text = printable(verdict.reason)
    lines = [labelled(look, label, text, style)]
    if look.verbose or verdict.status == "different":
        lines += _comparisons(verdict.outputs, look)
    if verdict.witness is not None:
        lines.append(labelled(look, "witness", printable(verdict.witness)))
    return lines


def _largest(verdict: Verdict) -> str:
    found = []
    for engine, name in (("onnxruntime", ""), ("referee", "float64 referee ")):
        relative = [o.relative for o in verdict.outputs if o.engine == engine]
        if relative:
            worst = max(relative)
            found.append(f"{name}{brief(worst)}" + (" of scale" if not name else ""))
    if verdict.referee.startswith("skipped"):
        found.append(f"referee {printable(verdict.referee)}")
    if not found:
        return "no outputs to compare"
    return f"largest difference {'; '.join(found)}"


def _wrote(result: Result, look: Look) -> str:
    if result.output is not None:
        copy = "" if result.changed else f", a copy of {printable(result.source)}"
        return labelled(look, "wrote", printable(result.output) + copy, "green")
    if result.verdict is not None and result.verdict.status != "equal":
        why = {"different": "the reduced model is different", "unverified": "not verified"}
        return labelled(look, "wrote", f"nothing: {why[result.verdict.status]}", "yellow")
    return labelled(look, "wrote", "nothing (dry run)")


# --- comparisons --------------------------------------------------------------------------


def _comparisons(outputs: Sequence[OutputComparison], look: Look) -> list[str]:
    """A row per output and engine: how far the two models are apart."""
    if not outputs:
        return []
    head = ("output", "engine", "type", "max |b-a|", "scale", "of scale", "tolerance", "noise")
    rows = [Row((*head, "ulp", "argmax", ""), style="bold")]
    for o in outputs:
        numbers = (brief(x) for x in (o.max_abs, o.scale, o.relative, o.tolerance, o.noise))
        ulp = "-" if o.ulp is None else f"{o.ulp:,.0f}" if o.ulp < 1e6 else brief(o.ulp)
        same = o.argmax_agreement
        argmax = "-" if same is None else f"{100 * same:.4g} %"
        verdict = "equal" if o.equal else "different"
        cells = (printable(o.name), o.engine, o.dtype, *numbers, ulp, argmax)
        rows.append(Row(cells, verdict, "" if o.equal else "red"))
    return table(look, rows, left=(0, 1, 2))


def _referee(verdict: Verdict) -> str:
    text = printable(verdict.referee)
    return text if text.startswith("skipped") else f"{text} (float64)"
