"""The box that something is said of, as text for people."""

from __future__ import annotations

from lumpcli.report.layout import Look, labelled, printable
from lumpcli.results import Domain, InputRange, Verdict

SHOWN = 5  # inputs that are listed without -v


def domain_text(domain: Domain, look: Look) -> str:
    """The bounds of every input, in one line."""
    shown = domain.inputs if look.verbose or len(domain.inputs) <= SHOWN else domain.inputs[:SHOWN]
    parts = [_range(entry) for entry in shown]
    if len(shown) < len(domain.inputs):
        parts.append(f"and {len(domain.inputs) - len(shown):,} more inputs (-v lists them)")
    return ", ".join(parts)


def where_text(verdict: Verdict, look: Look) -> list[str]:
    """Where the samples of a comparison lay, and which outputs were not compared."""
    lines = []
    if verdict.domain is not None:
        text = f"{domain_text(verdict.domain, look)}; {verdict.domain.origin}"
        lines.append(labelled(look, "inside", text))
    if verdict.uncompared:
        names = ", ".join(map(printable, verdict.uncompared))
        text = f"{names}: only one model says whether its input is in its domain"
        lines.append(labelled(look, "not compared", text))
    return lines


def _range(entry: InputRange) -> str:
    each = "" if entry.uniform else " (every element has bounds of its own)"
    return f"{printable(entry.input)} in [{entry.lower:.7g}, {entry.upper:.7g}]{each}"
