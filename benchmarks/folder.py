"""A folder of models: each reduced and verified in a process of its own, and why layers stay.

Next to the models may lie a MANIFEST.csv with the columns path, features_reference and
features_exact_reference: hidden features before and after, as somebody else found them.
"""

from __future__ import annotations

import csv
import json
import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lumpcli.api import reduce, stats
from lumpcli.errors import InputError, LumpError

Record = dict[str, Any]
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_TIED = re.compile(r"^tied to .+?: ")
_WIDEST = 62  # characters of a path in the table


def examine(path: Path) -> Record:
    """Reduce and verify one model, and ask what is in it."""
    started = time.perf_counter()
    try:
        result = reduce(path)
        seconds = time.perf_counter() - started
        found = stats(path)
    except LumpError as error:
        bug = not isinstance(error, InputError)
        return {"verdict": f"{type(error).__name__}: {error}", "failed": bug}
    verdict = result.verdict
    failed = verdict is not None and verdict.status == "different"
    cuttable = sum(layer.width for layer in found.layers if layer.pinned is None)
    return {
        "features": [result.features.before, result.features.after],
        "emptied": sum(layer.emptied for layer in result.layers),
        "cuttable": cuttable,
        "pinned": found.features - cuttable,
        "parameters": [result.parameters.before, result.parameters.after],
        "seconds": round(seconds, 2),
        "verdict": _in_words(verdict.status, verdict.reason) if verdict else "unchanged",
        "failed": failed,
        "pins": [[layer.width, layer.pinned] for layer in found.layers if layer.pinned],
        "notes": list(found.notes),
    }


def examine_apart(path: Path, command: Sequence[str], timeout: float) -> Record:
    """`examine` in a process of its own, started by `command` and the path."""
    started = time.perf_counter()
    try:
        done = subprocess.run(
            [*command, str(path)], capture_output=True, text=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        return {"verdict": f"no answer after {timeout:g} s", "failed": True}
    try:
        record: Record = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        last = (done.stderr.strip().splitlines() or ["nothing said"])[-1]
        return {"verdict": f"crashed ({done.returncode}): {last}", "failed": True}
    return {"total_seconds": round(time.perf_counter() - started, 2), **record}


def references(folder: Path) -> dict[str, tuple[int, int]]:
    """Hidden features before and after by path, as the folder's manifest has them."""
    manifest = folder / "MANIFEST.csv"
    if not manifest.exists():
        return {}
    with manifest.open(newline="", encoding="utf-8") as file:
        return {
            row["path"]: (int(row["features_reference"]), int(row["features_exact_reference"]))
            for row in csv.DictReader(file)
            if row["features_reference"] and row["features_exact_reference"]
        }


def missed(record: Record, reference: tuple[int, int] | None) -> int:
    """How many more features the reference removed; it counts a layer without need as 0, not 1."""
    if reference is None or "features" not in record:
        return 0
    before, after = record["features"]
    removed = int(before - after) + int(record["emptied"])
    return max(0, reference[0] - reference[1] - removed)


def heading() -> str:
    """The table's first line."""
    return (
        f"{'model':<{_WIDEST}} {'hidden':>14} {'reference':>14} {'missed':>6} {'cuttable':>8} "
        f"{'pinned':>6} {'parameters':>24} {'s':>6}  verdict"
    )


def line(name: str, record: Record, reference: tuple[int, int] | None) -> str:
    """A model's line in the table."""
    short = name if len(name) <= _WIDEST else "..." + name[3 - _WIDEST :]
    theirs = "" if reference is None else _arrow(reference)
    if "features" not in record:
        return f"{short:<{_WIDEST}} {'':>14} {theirs:>14} {'':>54} {record['verdict']}"
    gap = missed(record, reference)
    return (
        f"{short:<{_WIDEST}} {_arrow(record['features']):>14} {theirs:>14} {gap or '':>6} "
        f"{record['cuttable']:>8,} {record['pinned']:>6,} {_arrow(record['parameters']):>24} "
        f"{record['seconds']:>6.1f}  {record['verdict']}"
    )


def summary(records: Mapping[str, Record], known: Mapping[str, tuple[int, int]]) -> str:
    """The sums over all models."""
    whole = [record for record in records.values() if "features" in record]
    verdicts = Counter(record["verdict"].partition(":")[0] for record in records.values())
    gaps = {name: missed(record, known.get(name)) for name, record in records.items()}
    behind = [gap for gap in gaps.values() if gap]
    features = [sum(record["features"][k] for record in whole) for k in (0, 1)]
    lines = [
        f"{len(records)} models: " + ", ".join(f"{n} {v}" for v, n in verdicts.most_common()),
        f"hidden features {_arrow(features)}; "
        f"{sum(r['cuttable'] for r in whole):,} may be cut, {sum(r['pinned'] for r in whole):,} "
        "are pinned",
    ]
    theirs = [known[name] for name in records if name in known]
    if theirs:
        sums = [sum(pair[k] for pair in theirs) for k in (0, 1)]
        lines.append(
            f"reference {_arrow(sums)}; it removed more in {len(behind)} models, "
            f"{sum(behind):,} features there"
        )
    return "\n".join(lines)


def normal(reason: str) -> str:
    """A reason without the names of tensors and nodes, so that equal ones can be counted."""
    return _QUOTED.sub("'...'", _TIED.sub("tied to ...: ", reason))


def census(records: Iterable[Record]) -> list[Record]:
    """Why layers are pinned, by features; in how many models and layers."""
    layers: Counter[str] = Counter()
    features: Counter[str] = Counter()
    models: Counter[str] = Counter()
    for record in records:
        reasons = [(normal(reason), width) for width, reason in record.get("pins", [])]
        for reason, width in reasons:
            layers[reason] += 1
            features[reason] += width
        models.update({reason for reason, _ in reasons})
    return [
        {"reason": r, "layers": layers[r], "features": n, "models": models[r]}
        for r, n in sorted(features.items(), key=lambda item: (-item[1], item[0]))
    ]


def census_of_notes(records: Iterable[Record]) -> list[tuple[int, str]]:
    """What was not understood, and how often."""
    notes = Counter(normal(note) for record in records for note in record.get("notes", []))
    return sorted(((n, note) for note, n in notes.items()), key=lambda pair: (-pair[0], pair[1]))


def examine_all(folder: Path, command: Sequence[str], timeout: float) -> tuple[int, Record]:
    """All models below a folder, printed as they come: the exit code, and all numbers."""
    known = references(folder)
    records: dict[str, Record] = {}
    print(heading())
    for path in sorted(folder.rglob("*.onnx")):
        name = path.relative_to(folder).as_posix()
        records[name] = examine_apart(path, command, timeout)
        print(line(name, records[name], known.get(name)), flush=True)
    print(f"\n{summary(records, known)}")
    pins, notes = census(records.values()), census_of_notes(records.values())
    print(f"\n{'features':>8} {'layers':>6} {'models':>6}  why layers are pinned")
    for pin in pins:
        print(f"{pin['features']:>8,} {pin['layers']:>6,} {pin['models']:>6,}  {pin['reason']}")
    print(f"\n{'times':>8}  not understood")
    for count, note in notes:
        print(f"{count:>8,}  {note}")
    failed = [name for name, record in records.items() if record["failed"]]
    print("\n" + ("\n".join(f"failed: {name}" for name in failed) or "no failure"))
    saved = {"models": records, "reference": known, "pins": pins, "notes": notes}
    return int(bool(failed) or not records), saved


def _arrow(pair: Sequence[int]) -> str:
    return f"{pair[0]:,} -> {pair[1]:,}"


def _in_words(status: str, reason: str) -> str:
    return f"{status}: {reason}" if reason else status
