"""`slices.json`: which file computes the network on which part of the box."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lumpcli.box import Box
from lumpcli.errors import InputError, UsageError
from lumpcli.family.tree import Cut, Tree

TABLE = "slices.json"
VERSION = 1


@dataclass(frozen=True)
class Member:
    """The network of one slice: a file beside the table, and what is in it."""

    file: str
    sha256: str
    bytes: int
    features: int  # hidden ones
    parameters: int
    note: str  # why less was cut than could be; "" where it was not


@dataclass(frozen=True)
class Table:
    """All slices of a network on a box; `members` are in the order of the tree's slices."""

    source: str
    source_sha256: str
    seed: int
    box: Box
    tree: Tree
    members: tuple[Member, ...]


def table_json(table: Table) -> str:
    """A table as JSON, a line for each cut and for each slice."""
    head = {
        "schema_version": VERSION,
        "kind": "slices",
        "source": table.source,
        "source_sha256": table.source_sha256,
        "seed": table.seed,
        "box": box_to_dict(table.box),
    }
    domains = table.tree.domains(table.box)
    slices = [
        {**vars(member), "domain": box_to_dict(domain)}
        for member, domain in zip(table.members, domains, strict=True)
    ]
    cuts = [cut_to_dict(cut) for cut in table.tree.cuts]
    start = json.dumps(head, allow_nan=False)[:-1]
    return f'{start}, "cuts": {_lines(cuts)}, "slices": {_lines(slices)}}}\n'


def _lines(entries: list[dict[str, Any]]) -> str:
    return "[\n " + ",\n ".join(json.dumps(e, allow_nan=False) for e in entries) + "\n]"


def read_table(folder: Path) -> Table:
    """The table in a folder. Raises InputError where there is none, or one that makes no sense."""
    path = folder / TABLE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{folder} has no {TABLE}: it is no folder of slices") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}") from None
    try:
        return _table(document)
    except (KeyError, TypeError, ValueError, AttributeError, UsageError, InputError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else error
        raise InputError(f"{path} is no table of slices: {what}") from None


def _table(document: Any) -> Table:
    if (document["kind"], document["schema_version"]) != ("slices", VERSION):
        raise InputError("it is of another kind, or of another version")
    box = box_from_dict(document["box"])
    tree = Tree(tuple(cut_from_dict(cut) for cut in document["cuts"]))
    for cut in tree.cuts:
        if not 0 <= cut.element < box.ranges[cut.input][0].size:
            raise InputError(f"the input {cut.input!r} has no element {cut.element}")
    tree.domains(box)  # thresholds lie in what they cut
    names = Member.__annotations__
    members = tuple(Member(**{name: entry[name] for name in names}) for entry in document["slices"])
    if len(members) != tree.slices:
        raise InputError(f"{len(members)} slices are listed, the cuts make {tree.slices}")
    for member in members:
        if not isinstance(member.file, str) or Path(member.file).name != member.file:
            raise InputError(f"{member.file!r} is no file beside it")
    source, digest, seed = (document[key] for key in ("source", "source_sha256", "seed"))
    return Table(source, digest, seed, box, tree, members)


def box_to_dict(box: Box) -> dict[str, Any]:
    """A box as JSON types: numbers that read back as the same float64."""
    return {
        name: {
            "shape": list(lower.shape),
            "lower": lower.reshape(-1).tolist(),
            "upper": upper.reshape(-1).tolist(),
        }
        for name, (lower, upper) in box.ranges.items()
    }


def box_from_dict(found: Mapping[str, Any]) -> Box:
    """The box of `box_to_dict`; KeyError, TypeError, ValueError or UsageError for anything else."""
    return Box(
        {
            name: (
                np.array(entry["lower"], np.float64).reshape(entry["shape"]),
                np.array(entry["upper"], np.float64).reshape(entry["shape"]),
            )
            for name, entry in found.items()
        }
    )


def cut_to_dict(cut: Cut) -> dict[str, Any]:
    """A cut as JSON types: its sides are `{"cut": n}` or `{"slice": n}`."""
    sides = {
        name: {"cut": side} if side >= 0 else {"slice": ~side}
        for name, side in (("low", cut.low), ("high", cut.high))
    }
    head = {"input": cut.input, "element": cut.element, "threshold": cut.threshold}
    return {**head, **sides}


def cut_from_dict(found: Mapping[str, Any]) -> Cut:
    """The cut of `cut_to_dict`; KeyError, TypeError or ValueError for anything else."""
    low, high = (_side(found[name]) for name in ("low", "high"))
    element, threshold = int(found["element"]), float(found["threshold"])
    return Cut(str(found["input"]), element, threshold, low, high)


def _side(found: Mapping[str, int]) -> int:
    ((kind, number),) = found.items()
    if kind not in ("cut", "slice") or not isinstance(number, int) or number < 0:
        raise ValueError(f"a cut leads to {found!r}")
    return number if kind == "cut" else ~number
