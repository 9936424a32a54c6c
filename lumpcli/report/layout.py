"""How text is laid out: numbers, aligned tables, labelled lines, colours, long names."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context

LABEL = 17  # columns of a labelled line's label, so that "within rounding" fits
NARROWEST = 16  # a name is never shortened below this

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}


@dataclass(frozen=True)
class Look:
    """How a report should look: where it goes, and how much of it is wanted."""

    width: int | None = None  # columns of the terminal; None: not a terminal, nothing is shortened
    color: bool = False
    verbose: bool = False

    def paint(self, text: str, style: str) -> str:
        """`text` in a colour of the terminal, when colours are wanted."""
        return f"\033[{_CODES[style]}m{text}\033[0m" if self.color and text else text


PLAIN = Look()


@dataclass(frozen=True)
class Row:
    """Cells that are aligned with those of other rows, and a free text after the last of them."""

    cells: Sequence[str]
    tail: str = ""
    style: str = ""


def printable(text: str) -> str:
    """`text` on one line, control characters written as escapes: a name cannot steer a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shorten(text: str, limit: int) -> str:
    """`text` with its middle left out when it is longer than `limit` characters."""
    if len(text) <= limit:
        return text
    front = (limit - 3) // 2
    return f"{text[:front]}...{text[len(text) - (limit - 3 - front) :]}"


def table(look: Look, rows: Sequence[Row], left: Collection[int] = (0,)) -> list[str]:
    """The rows as aligned lines, two spaces between cells; `left`: columns aligned to the left.

    On a terminal the names in column 0 are shortened so that the cells fit into its width.
    """
    columns = max((len(r.cells) for r in rows), default=0)
    widths = [max(len(r.cells[i]) for r in rows if i < len(r.cells)) for i in range(columns)]
    if look.width is not None and widths:
        rest = sum(w + 2 for w in widths[1:])
        widths[0] = min(widths[0], max(NARROWEST, look.width - rest))
    lines = []
    for row in rows:
        cells = [
            shorten(c, w).ljust(w) if i == 0 else c.ljust(w) if i in left else c.rjust(w)
            for i, (c, w) in enumerate(zip(row.cells, widths, strict=False))
        ]
        line = "  ".join([*cells, row.tail] if row.tail else cells).rstrip()
        lines.append(look.paint(line, row.style) if row.style else line)
    return lines


def labelled(look: Look, label: str, text: str, style: str = "") -> str:
    """A line that begins with what it is about."""
    space = " " * (max(LABEL, len(label) + 2) - len(label))
    return look.paint(label, style or "bold") + space + text


def arrows(pairs: Sequence[tuple[int, int]]) -> list[str]:
    """Numbers before and after, aligned: "130 ->  42"; a number that stays is written once."""
    before = max((len(f"{b:,}") for b, _ in pairs), default=0)
    after = max((len(f"{a:,}") for b, a in pairs if a != b), default=0)
    return [f"{b:>{before},} -> {a:>{after},}" if a != b else f"{b:>{before},}" for b, a in pairs]


def percent(before: int, after: int) -> str:
    """The relative change, "(-84.4 %)"; nothing when there is none or it has no meaning."""
    if before == 0 or before == after:
        return ""
    change = 100 * (after - before) / before
    return f"({change:+.1f} %)" if abs(change) >= 0.05 else f"({'-' if change < 0 else '+'}<0.1 %)"


def plural(number: int, word: str) -> str:
    """A number and its noun: "1 layer", "2 layers"."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def brief(value: float) -> str:
    """A measured number with two digits: "3.2e-07", "0"."""
    return "0" if value == 0 else f"{value:.2g}"


def above(bound: float) -> str:
    """A bound with two digits that are not below it: "2.2e-07" for 2.11e-07."""
    return brief(float(Context(prec=2, rounding=ROUND_CEILING).create_decimal_from_float(bound)))


def exactly(value: float) -> str:
    """A value with the digits a float32 has: "3", "0.1", "0.300000012"."""
    if math.isfinite(value) and value == int(value) and abs(value) < 1e15:
        return str(int(value))
    short = repr(value)
    return short if len(short) <= 12 else f"{value:.9g}"
