"""The rules of the house, read from the source: rooms and walls, sizes, words, tests, docstrings.

Every rule is a function from sources (path -> text) to complaints; test_house_rules.py runs them.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
Sources = dict[str, str]  # path from the root, with slashes -> text
Rule = Callable[[Sources], list[str]]

# room -> rooms it may import; "lumpcli" is lumpcli/__init__.py, which hands out the names of api
WALLS: dict[str, set[str]] = {
    "errors": set(),
    "promises": set(),
    "results": {"promises"},
    "progress": set(),
    "box": {"errors", "results", "promises"},
    "ir": {"errors", "progress"},
    "wire": {"errors"},
    "loader": {"ir", "wire", "errors", "progress"},
    "bounds": {"ir", "loader", "box", "errors", "progress"},
    "redundancy": {"bounds", "ir", "loader", "box", "errors"},
    "analysis": {"ir", "box", "errors", "progress"},
    "proofs": {"ir", "errors"},
    "passes": {"ir", "analysis", "proofs", "errors"},
    "pipeline": {"ir", "analysis", "passes", "errors", "results", "promises"},
    "exporter": {"ir", "loader", "wire", "box", "errors", "progress"},
    "certify": {"bounds", "box", "ir", "loader", "proofs", "errors"},
    "family": {"box", "errors"},
    "judge": {"box", "family", "wire", "errors", "progress", "results", "promises"},
    "measures": {"ir", "loader", "analysis", "errors", "results", "promises"},
    "report": {"errors", "results", "promises"},
    "slicing": {"box", "bounds", "family", "loader", "errors", "progress"},
    "cli": {"lumpcli", "api", "report", "errors", "progress", "results", "promises"},
    "lumpcli": {"api", "errors", "results", "promises"},
    "__main__": {"cli"},
}
WALLS["api"] = set(WALLS) - {"cli", "lumpcli", "__main__"}

OUTSIDE: dict[str, set[str]] = {  # runtime dependency -> the rooms that may import it
    "onnx": {"wire", "loader", "bounds", "exporter", "judge", "measures", "slicing", "api"},
    # protobuf, which onnx is made of
    "google": {"wire", "loader", "exporter", "judge", "measures", "api"},
    "onnxruntime": {"judge"},
    "click": {"cli"},
    "distributed": {"slicing"},  # an extra
    "pyscipopt": {"bounds"},  # an extra
    "numpy": set(WALLS) - {"errors", "results", "progress", "lumpcli", "__main__"},
}

NO_TEST: dict[str, str] = {  # module without a test file of its own -> why
    "lumpcli/__main__.py": "two lines, run by tests/cli",
    "lumpcli/errors.py": "a table of exit codes, each seen in tests/cli/test_errors.py",
    "lumpcli/judge/messages.py": "plain values, exchanged in tests/judge/test_apart.py",
    "lumpcli/promises.py": "plain values; their dictionaries are checked in tests/report",
    "lumpcli/results.py": "plain values; their dictionaries are checked in tests/report",
}

LONGEST = 299
BANNED_WORD = "de" + "ad"
BANNED_MARKS = ("type: " + "ignore", "TO" + "DO", "FIX" + "ME", "X" + "XX")
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:" + "work|tmp/v|root" + r")(?![\w-])")


def read(*patterns: str) -> Sources:
    """The files of the tree that match, text by path."""
    paths = {p for pattern in patterns for p in ROOT.glob(pattern) if p.is_file()}
    return {p.relative_to(ROOT).as_posix(): p.read_text(encoding="utf-8") for p in sorted(paths)}


def module_of(path: str) -> str:
    """`lumpcli/ir/__init__.py` is the module `lumpcli.ir`."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def modules_of(sources: Sources) -> set[str]:
    """Names of the modules, without those hidden by a function that their package exports."""
    modules = {module_of(path) for path in sources}
    for path, text in sources.items():
        if path.endswith("/__init__.py"):
            for node in ast.parse(text).body:
                if isinstance(node, ast.ImportFrom):
                    names = {alias.asname or alias.name for alias in node.names}
                    modules -= {f"{module_of(path)}.{name}" for name in names}
    return modules


def room_of(module: str) -> str:
    """The first name below lumpcli; lumpcli itself for the front door."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else parts[0]


def imports(path: str, text: str, modules: set[str]) -> Iterator[tuple[int, str]]:
    """Line and full name of every module imported, relative and lazy imports included.

    A name that is itself a module (one of `modules`, or a room) counts as that module.
    """
    package = module_of(path).split(".")
    if not path.endswith("/__init__.py"):
        package = package[:-1]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            for alias in node.names:
                full = f"{base}.{alias.name}"
                is_room = base == "lumpcli" and alias.name in WALLS
                yield node.lineno, full if is_room or full in modules else base


def walls(sources: Sources) -> list[str]:
    """Rooms import only what WALLS allows, and only through the other room's `__init__`."""
    modules, found = modules_of(sources), []
    for path, text in sources.items():
        room = room_of(module_of(path))
        if room not in WALLS:
            found.append(f"{path}: the room {room} is not in the table")
            continue
        for line, name in imports(path, text, modules):
            target = room_of(name)
            if name.split(".")[0] != "lumpcli" or target == room:
                continue
            if target not in WALLS[room]:
                found.append(f"{path}:{line}: {room} may not import {target}")
            elif name.count(".") > 1:
                found.append(f"{path}:{line}: {name} is inside another room: import {target}")
    return found


def passes_apart(sources: Sources) -> list[str]:
    """Passes import `base` and other rooms, never one another."""
    modules, found = modules_of(sources), []
    for path, text in sources.items():
        if not path.startswith("lumpcli/passes/") or path.endswith("/__init__.py"):
            continue
        for line, name in imports(path, text, modules):
            if room_of(name) == "passes" and name != "lumpcli.passes.base":
                found.append(f"{path}:{line}: a pass may not import {name}")
    return found


def dependencies(sources: Sources) -> list[str]:
    """Other people's packages only where OUTSIDE says."""
    found = []
    for path, text in sources.items():
        room = room_of(module_of(path))
        for line, name in imports(path, text, set()):
            top = name.split(".")[0]
            if top == "lumpcli" or top in sys.stdlib_module_names:
                continue
            if top not in OUTSIDE:
                found.append(f"{path}:{line}: {top} is not a runtime dependency")
            elif room not in OUTSIDE[top]:
                found.append(f"{path}:{line}: {room} may not import {top}")
    return found


def short(sources: Sources) -> list[str]:
    """Files stay under 300 lines."""
    lengths = {path: len(text.splitlines()) for path, text in sources.items()}
    return [f"{path}: {n} lines" for path, n in lengths.items() if n > LONGEST]


def _lines(sources: Sources, pattern: re.Pattern[str], complaint: str) -> list[str]:
    return [
        f"{path}:{number}: {complaint}"
        for path, text in sources.items()
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]


def words(sources: Sources) -> list[str]:
    """The word that papers use for three different things is not used at all."""
    pattern = re.compile(rf"(?<![a-z]){BANNED_WORD}(?![a-z])", re.IGNORECASE)
    return _lines(sources, pattern, f"the word {BANNED_WORD!r}")


def marks(sources: Sources) -> list[str]:
    """Nothing is left for later and no type error is silenced."""
    pattern = re.compile("|".join(rf"\b{re.escape(mark)}\b" for mark in BANNED_MARKS))
    return _lines(sources, pattern, "a mark that may not stay")


def portable(sources: Sources) -> list[str]:
    """No path of the machine that somebody happened to work on."""
    return _lines(sources, MACHINE_PATHS, "a path of one machine")


def mirrored(sources: Sources) -> list[str]:
    """tests/ mirrors lumpcli/: a/b.py is tested by tests/a/test_b.py, a.py by tests/test_a.py."""
    found = []
    for path in sources:
        if not path.startswith("lumpcli/") or path.endswith("__init__.py") or path in NO_TEST:
            continue
        folder, _, name = path.removeprefix("lumpcli/").rpartition("/")
        wanted = "/".join(part for part in ("tests", folder, f"test_{name}") if part)
        if wanted not in sources:
            found.append(f"{path}: no {wanted}")
    return found


def explained(sources: Sources) -> list[str]:
    """Modules, and the public functions, classes and methods at their top, have docstrings."""
    found = []
    for path, text in sources.items():
        tree = ast.parse(text)
        queue: list[tuple[str, ast.AST]] = [("module", tree)]
        while queue:
            label, node = queue.pop(0)
            assert isinstance(
                node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
            )
            if not ast.get_docstring(node) and text.strip():
                found.append(f"{path}: {label} has no docstring")
            if isinstance(node, (ast.Module, ast.ClassDef)):
                queue += [
                    (f"{type(item).__name__} {item.name}", item)
                    for item in node.body
                    if isinstance(item, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
                    and not item.name.startswith("_")
                ]
    return found
