"""The input box in a VNN-LIB file.

Read are `(declare-const X_i Real)` and `(assert ...)` of `<=` and `>=` between an X_i and a number,
on either side, and of an `and` of those. Asserts that name no X_i concern outputs and are passed
over. Everything else, also an `or` that names an X_i, is an error that names its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from lumpcli.box.box import Array
from lumpcli.box.decimals import is_number, lower_bound, upper_bound
from lumpcli.errors import UsageError

_TOKEN = re.compile(r"\s+|;[^\n]*|([()])|([^\s();]+)")
_INPUT = re.compile(r"X_(\d+)", re.ASCII)
_OUTPUT = re.compile(r"Y_\d+", re.ASCII)
_MOST_INPUTS = 10**8


@dataclass
class _Node:
    """A list of the file; its items are lists or words."""

    line: int
    items: list[_Node | str] = field(default_factory=list)

    def words(self) -> Iterator[str]:
        """Every word in it, at any depth."""
        waiting = [self]
        while waiting:
            for item in waiting.pop().items:
                if isinstance(item, str):
                    yield item
                else:
                    waiting.append(item)

    def __str__(self) -> str:
        inner = (item if isinstance(item, str) else "(...)" for item in self.items)
        return f"({' '.join(inner)})"


class _Reader:
    """Bounds of the X_i so far."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.declared: set[int] = set()
        self.lower: dict[int, float] = {}
        self.upper: dict[int, float] = {}

    def error(self, line: int, reason: str) -> UsageError:
        return UsageError(f"box: {self.source}, line {line}: {reason}")

    def command(self, node: _Node) -> None:
        match node.items:
            case ["declare-const", str(name), "Real"] if _INPUT.fullmatch(name):
                self.declare(int(name[2:]), node.line)
            case ["declare-const", str(name), "Real"] if _OUTPUT.fullmatch(name):
                pass
            case ["assert", _Node() as claim]:
                if any(_INPUT.fullmatch(word) for word in claim.words()):
                    self.constrain(claim)
            case _:
                raise self.error(node.line, f"{node} is not understood")

    def declare(self, index: int, line: int) -> None:
        if index in self.declared:
            raise self.error(line, f"X_{index} is declared twice")
        if index >= _MOST_INPUTS:
            raise self.error(line, f"X_{index}: so many inputs are not supported")
        self.declared.add(index)

    def constrain(self, claim: _Node) -> None:
        waiting = [claim]
        while waiting:
            node = waiting.pop()
            match node.items:
                case ["and", *parts] if parts and all(isinstance(p, _Node) for p in parts):
                    waiting += [p for p in parts if isinstance(p, _Node)]
                case [("<=" | ">=") as relation, left, right]:
                    self.compare(node, left, right, relation == "<=")
                case ["or", *_]:
                    raise self.error(node.line, "a disjunction over inputs is not a box")
                case _:
                    raise self.error(node.line, f"{node} is not understood")

    def compare(self, node: _Node, left: _Node | str, right: _Node | str, below: bool) -> None:
        """`left <= right` if `below`, else `left >= right`."""
        for name, bound, above in ((left, right, below), (right, left, not below)):
            number = _number(bound)
            if isinstance(name, str) and _INPUT.fullmatch(name) and number is not None:
                self.bound(int(name[2:]), number, above, node.line)
                return
        raise self.error(node.line, f"{node} does not compare an input with a number")

    def bound(self, index: int, number: str, is_upper: bool, line: int) -> None:
        if index not in self.declared:
            raise self.error(line, f"X_{index} is not declared")
        try:
            if is_upper:
                self.upper[index] = min(self.upper.get(index, np.inf), upper_bound(number))
            else:
                self.lower[index] = max(self.lower.get(index, -np.inf), lower_bound(number))
        except UsageError as error:
            raise self.error(line, str(error).removeprefix("box: ")) from None
        if self.lower.get(index, -np.inf) > self.upper.get(index, np.inf):
            raise self.error(line, f"X_{index} has a lower bound above its upper bound")


def parse_vnnlib(text: str, source: str = "VNN-LIB") -> tuple[Array, Array]:
    """Lower and upper bounds (inputs,) of X_0, X_1, ...; `source` is how errors call the text.

    Decimals are rounded outward. Raises UsageError, with the line, for what is not understood.
    """
    reader = _Reader(source)
    for node in _lists(text, reader):
        reader.command(node)
    count = len(reader.declared)
    for index in range(count):
        if index not in reader.declared:
            raise UsageError(f"box: {source} declares {count} inputs, but no X_{index}")
        if index not in reader.lower or index not in reader.upper:
            side = "upper" if index in reader.lower else "lower"
            raise UsageError(f"box: {source} gives X_{index} no {side} bound")
    order = range(count)
    return np.array([reader.lower[i] for i in order]), np.array([reader.upper[i] for i in order])


def _number(item: _Node | str) -> str | None:
    """A decimal number, also as `(- 1.5)`."""
    if isinstance(item, str):
        return item if is_number(item) else None
    match item.items:
        case ["-", str(text)] if is_number(text) and text[0] not in "+-":
            return f"-{text}"
    return None


def _lists(text: str, reader: _Reader) -> Iterator[_Node]:
    """The outermost lists of a text."""
    line, position = 1, 0
    open_lists: list[_Node] = []
    while position < len(text):
        token = _TOKEN.match(text, position)
        assert token is not None  # the pattern has a case for every character
        bracket, word = token.groups()
        if bracket == "(":
            open_lists.append(_Node(line))
        elif bracket == ")":
            if not open_lists:
                raise reader.error(line, "a closing bracket without an opening one")
            done = open_lists.pop()
            if open_lists:
                open_lists[-1].items.append(done)
            else:
                yield done
        elif word is not None:
            if not open_lists:
                raise reader.error(line, f"{word!r} stands outside brackets")
            open_lists[-1].items.append(word)
        line += token.group().count("\n")
        position = token.end()
    if open_lists:
        raise reader.error(open_lists[0].line, "a bracket is never closed")
