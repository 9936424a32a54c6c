"""The checker without one of its checks: a statement that may refuse becomes one that passes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import CodeType, FunctionType, TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MODULES = (
    *("certify.boxed", "certify.check", "certify.document", "certify.facts", "certify.models"),
    *("proofs.book", "proofs.cutting", "proofs.features", "proofs.folding", "proofs.linear"),
    *("proofs.reading", "proofs.rows", "proofs.taking", "proofs.within"),
)
_HELPERS = ("require",)  # they raise what they are told to


@dataclass(frozen=True)
class Check:
    """A statement of a module that may refuse: its lines, and its text up to the first line."""

    module: str
    first: int
    last: int
    text: str

    @property
    def label(self) -> str:
        """How tests call it, wherever it moves to: its module and its message."""
        return f"{self.module}: {self.text}"


def _refuses(node: ast.AST) -> bool:
    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
        return ast.unparse(node.exc.func) == "Refused"
    call = node.value if isinstance(node, ast.Expr) else None
    return isinstance(call, ast.Call) and ast.unparse(call.func) in _HELPERS


def _file(module: str) -> Path:
    return ROOT / "lumpcli" / f"{module.replace('.', '/')}.py"


def _message(node: Any) -> str:
    call = node.exc if isinstance(node, ast.Raise) else node.value
    return ast.unparse(call.args[-1])


def checks() -> list[Check]:
    """Every check there is, but for those inside the helpers."""
    found = []
    for module in MODULES:
        tree = ast.parse(_file(module).read_text("utf-8"))
        inside = [
            inner
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef) and node.name in _HELPERS
            for inner in ast.walk(node)
        ]
        told: dict[str, str] = {}  # messages in a variable
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and isinstance(
                node.value, (ast.Constant, ast.JoinedStr)
            ):
                told[f"{ast.unparse(node.targets[0])} {node.lineno}"] = ast.unparse(node.value)
        for node in ast.walk(tree):
            if _refuses(node) and node not in inside:
                text = _message(node)
                nearest = [
                    value
                    for name, value in told.items()
                    if name.split()[0] == text
                    and node.lineno - 3 <= int(name.split()[1]) < node.lineno
                ]
                text = nearest[-1] if nearest else text
                found.append(Check(module, node.lineno, node.end_lineno or node.lineno, text))
    return sorted(found, key=lambda check: (check.module, check.first))


def who(traceback: TracebackType | None) -> list[tuple[str, int]]:
    """The modules and lines an exception came through, the innermost first."""
    found = []
    while traceback is not None:
        path = Path(traceback.tb_frame.f_code.co_filename)
        if path.is_relative_to(ROOT / "lumpcli"):
            module = ".".join(path.relative_to(ROOT / "lumpcli").with_suffix("").parts)
            found.append((module, traceback.tb_lineno))
        traceback = traceback.tb_next
    return found[::-1]


def check_of(every: list[Check], error: BaseException) -> Check | None:
    """The check that raised an error."""
    for module, line in who(error.__traceback__):
        for check in every:
            if check.module == module and check.first <= line <= check.last:
                return check
    return None


class _Without(ast.NodeTransformer):
    def __init__(self, lines: set[int]) -> None:
        self.lines = lines

    def visit(self, node: ast.AST) -> Any:
        if _refuses(node) and getattr(node, "lineno", 0) in self.lines:
            return ast.copy_location(ast.Pass(), node)
        return self.generic_visit(node)


def _codes(code: CodeType) -> dict[str, CodeType]:
    found = {}
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            found[inner.co_qualname] = inner
            found |= _codes(inner)
    return found


@contextmanager
def without(module_name: str, lines: set[int]) -> Iterator[None]:
    """The checker without the checks of a module on these lines, wherever they were imported to."""
    path = _file(module_name)
    tree = _Without(lines).visit(ast.parse(path.read_text("utf-8")))
    codes = _codes(compile(ast.fix_missing_locations(tree), str(path), "exec"))
    module = import_module(f"lumpcli.{module_name}")
    functions: list[FunctionType] = []
    for owner in (module, *(v for v in vars(module).values() if isinstance(v, type))):
        if getattr(owner, "__module__", module.__name__) == module.__name__:
            functions += [v for v in vars(owner).values() if isinstance(v, FunctionType)]
    own = [f for f in functions if f.__module__ == module.__name__ and f.__qualname__ in codes]
    before = [function.__code__ for function in own]
    try:
        for function in own:
            function.__code__ = codes[function.__qualname__]
        yield
    finally:
        for function, code in zip(own, before, strict=True):
            function.__code__ = code
