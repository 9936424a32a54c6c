"""What `stats` measured, as text for people: a head, a table of layers, and what could go."""

from __future__ import annotations

from collections.abc import Callable

from lumpcli.report.layout import PLAIN, Look, Row, brief, labelled, plural, printable, table
from lumpcli.report.text import constants_text, notes_text
from lumpcli.report.text_bounds import least_text
from lumpcli.report.text_domain import domain_text
from lumpcli.results import LayerStats, Stats

_FOUND = {
    "constant": "constant",
    "unread": "unread",
    "duplicate": "duplicate",
    "proportional": "proportional",
    "linear": "linear",
    "within rounding": "within_rounding",
}


def stats_text(stats: Stats, look: Look = PLAIN) -> str:
    """What is in a model, layer by layer, and how much of it `reduce` would remove."""
    lines = [look.paint(printable(stats.source), "bold"), *_head(stats, look)]
    if stats.layers:
        lines += ["", *_table(stats, look), ""]
    percent = f" ({stats.reducible_percent:.1f} %)" if stats.features else ""
    text = f"{stats.reducible:,} of {plural(stats.features, 'hidden feature')}{percent}"
    lines.append(labelled(look, "reducible", text, "green" if stats.reducible else ""))
    lines += least_text(stats.lower_bound, look)
    lines += constants_text(stats.constant_outputs, look)
    if stats.why_not is not None:
        lines.append(labelled(look, "why not", printable(stats.why_not)))
    told = stats.why_not or ""
    lines += notes_text([note for note in stats.notes if note not in told], look)
    return "\n".join(lines)


def stats_line(stats: Stats) -> str:
    """The essential in one line, for `-q`."""
    counts = f"{stats.reducible:,} of {plural(stats.features, 'hidden feature')} reducible"
    return f"{printable(stats.source)}: {counts} ({stats.reducible_percent:.1f} %)"


def _head(stats: Stats, look: Look) -> list[str]:
    opsets = ", ".join(f"{d or 'ai.onnx'} {v}" for d, v in stats.opsets.items())
    made = f", made by {stats.producer}" if stats.producer else ""
    counts = sorted(stats.operators.items(), key=lambda kv: (-kv[1], kv[0]))
    pairs = {
        "format": f"ONNX IR {stats.ir_version}, opset {opsets}{made}",
        "inputs": _values(stats.inputs),
        "outputs": _values(stats.outputs),
        "operators": ", ".join(f"{n:,} {op}" for op, n in counts),
        "file": f"{stats.file_bytes:,} bytes, {plural(stats.parameters, 'parameter')}",
    }
    if stats.domain is not None:
        pairs["domain"] = domain_text(stats.domain, look)
    return [labelled(look, label, printable(text) or "none") for label, text in pairs.items()]


def _values(values: dict[str, str]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in values.items())


def _count(attribute: str) -> Callable[[LayerStats], str]:
    return lambda x: f"{getattr(x, attribute):,}"


def _table(stats: Stats, look: Look) -> list[str]:
    """A row per layer; a count that is 0 everywhere is named below instead of a column of 0s."""
    layers = stats.layers
    present = {h for h, f in _FOUND.items() if look.verbose or any(getattr(x, f) for x in layers)}
    found = {h: f for h, f in _FOUND.items() if h in present}
    columns: dict[str, Callable[[LayerStats], str]] = {
        "layer": lambda x: printable(x.name),
        "operators": lambda x: printable(x.operators),
        "width": lambda x: f"{x.width:,}",
        "parameters": lambda x: f"{x.parameters:,}",
        "MACs": lambda x: f"{x.macs:,}",
    }
    for heading, attribute in found.items():
        columns[heading] = _count(attribute)
    columns["reducible"] = lambda x: f"{x.reducible:,}"
    if any(x.near_miss is not None for x in layers):
        columns["nearest miss"] = lambda x: "-" if x.near_miss is None else brief(x.near_miss)
    if any(x.rank is not None for x in layers):
        columns["rank"] = lambda x: "-" if x.rank is None else f"{x.rank:,} of {x.rank_of or 0:,}"
    rows = [Row(tuple(columns), style="bold")]
    for x in layers:
        tail = "" if x.pinned is None else f"kept: {printable(x.pinned)}"
        rows.append(Row([cell(x) for cell in columns.values()], tail, "dim" if tail else ""))
    if len(layers) > 1:
        sums = {"parameters": "parameters", "MACs": "macs", **found}
        totals = {h: f"{sum(getattr(x, a) for x in layers):,}" for h, a in sums.items()}
        totals |= {"layer": "total", "reducible": f"{stats.reducible:,}"}
        rows.append(Row([totals.get(h, "") for h in columns], style="bold"))
    lines = table(look, rows, left=(0, 1))
    absent = [h for h in _FOUND if h not in found and h != "linear"]
    if absent and stats.why_not is None:
        absent = ["proportional within rounding" if h == "within rounding" else h for h in absent]
        lines.append(look.paint(f"no feature is {' or '.join(absent)}", "dim"))
    return lines
