"""What `slice` made, as text for people."""

from __future__ import annotations

from lumpcli.report.layout import PLAIN, Look, Row, labelled, percent, plural, printable, table
from lumpcli.report.text import notes_text, verify_text
from lumpcli.results import Sizes, Sliced


def slice_text(sliced: Sliced, look: Look = PLAIN) -> str:
    """How many slices there are, how large their models, whether they are verified, and where."""
    many = plural(sliced.slices, "slice")
    depth = plural(sliced.depth, "cut")
    lines = [labelled(look, "box", f"{many}, at most {depth} to one")]
    if sliced.slices < sliced.asked:
        fewer = f"{sliced.asked:,} were asked for; cutting more would settle nothing"
        lines.append(labelled(look, "", fewer))
    if sliced.resumed:
        lines.append(labelled(look, "resumed", f"{sliced.resumed:,} of {many} were there"))
    if sliced.table is not None:
        lines += _sizes(sliced, look)
        lines += notes_text(sliced.notes, look)
    if sliced.verdict is not None:
        lines.append(verify_text(sliced.verdict, look))
    return "\n".join([*lines, *_wrote(sliced, look)])


def _sizes(sliced: Sliced, look: Look) -> list[str]:
    rows = [Row(("".ljust(15), "original", "mean", "", "smallest", "largest"), style="bold")]
    for name, sizes in (
        ("features", sliced.features),
        ("parameters", sliced.parameters),
        ("file bytes", sliced.file_bytes),
    ):
        rows.append(Row((name, *_row(sizes))))
    return table(look, rows)


def _row(sizes: Sizes) -> tuple[str, ...]:
    mean = round(sizes.mean)
    change = percent(sizes.original, mean)
    return f"{sizes.original:,}", f"{mean:,}", change, f"{sizes.smallest:,}", f"{sizes.largest:,}"


def _wrote(sliced: Sliced, look: Look) -> list[str]:
    folder = printable(sliced.folder)
    if sliced.table is None:
        return [labelled(look, "wrote", f"no table to {folder}: a model is not verified", "yellow")]
    lines = [f"{folder}/{sliced.table}, which says what the other files there are for"]
    if sliced.single_file is not None:
        lines.append(f"{folder}/{sliced.single_file}, which selects its slice; for one sample")
    return [labelled(look, "" if k else "wrote", line, "green") for k, line in enumerate(lines)]
