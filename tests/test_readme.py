"""The README's commands run as written, its map is the tree, its schemas and links exist."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import shutil
from pathlib import Path

import pytest

from lumpcli.cli.root import COMMANDS, run
from tests.report.schema import load, validate

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MEASURED = re.compile(r"\d\S*")  # figures that depend on versions: compared by shape


def blocks(*languages: str) -> list[str]:
    return [body for language, body in BLOCK.findall(TEXT) if language in languages]


def commands() -> list[tuple[str, list[str]]]:
    """Each command of a ```console block, and the output printed below it."""
    found: list[tuple[str, list[str]]] = []
    for body in blocks("console"):
        for line in body.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    for body in blocks("sh"):
        found += [(line, []) for line in body.splitlines() if line.startswith("lumpcli ")]
    return found


def arguments(command: str) -> tuple[list[str], int]:
    """Arguments with globs expanded, and the exit code that `# exit N` announces."""
    line, _, code = command.partition("# exit")
    words = []
    for word in shlex.split(line, comments=True)[1:]:
        words += sorted(str(p) for p in Path().glob(word)) if "*" in word else [word]
    return words, int(code or 0)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder that holds the sample models, which is the current one."""
    shutil.copytree(ROOT / "sample_models", tmp_path / "sample_models")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_commands_run_as_written(folder):
    """In order, in one folder, as somebody who copies them would."""
    done = set()
    for command, shown in commands():
        assert command.startswith("lumpcli ")
        args, wanted = arguments(command)
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(args)
        assert code == wanted, f"{command}: {code}: {err.getvalue()}"
        assert (err.getvalue() == "") == (wanted == 0), command
        if "--json" in args:
            validate(load(out.getvalue()))
        if shown:
            printed = [MEASURED.sub("#", line) for line in out.getvalue().splitlines()]
            assert printed == [MEASURED.sub("#", line) for line in shown], out.getvalue()
        done.add(args[0])
    assert done == set(COMMANDS)


def test_the_numbers_shown_are_the_numbers_printed(folder):
    """Widths and sizes do not depend on versions."""
    command, shown = next((c, s) for c, s in commands() if s)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        run(arguments(command)[0])
    stable = [line for line in shown if not line.startswith("verified")]
    assert [x for x in out.getvalue().splitlines() if not x.startswith("verified")] == stable


def test_the_map_is_the_tree():
    (tree,) = [body for body in blocks("") if body.startswith("lumpcli/")]
    rooms, top = set(), set()
    for line in tree.splitlines():
        if line.startswith("  "):
            rooms |= {c for c in line.split() if c.endswith(("/", ".py")) and c.count("/") < 2}
        else:
            top.add(line.split()[0])
    for name in top:
        assert (ROOT / name).is_dir(), name
    for name in rooms:
        assert (ROOT / "lumpcli" / name).exists(), name
    present = {p.name + "/" for p in (ROOT / "lumpcli").iterdir() if (p / "__init__.py").exists()}
    assert present <= rooms


def test_links_lead_somewhere():
    targets = [t for t in re.findall(r"\]\(([^)]+)\)", TEXT) if not t.startswith("http")]
    assert targets
    for target in targets:
        assert (ROOT / target.partition("#")[0]).exists(), target


def test_make_knows_its_targets():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"\bmake (\w+)", "\n".join(blocks("sh"))):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_python_example_runs(folder):
    shutil.copy("sample_models/exact_mlp.onnx", "model.onnx")
    (code,) = blocks("python")
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "README.md", "exec"), {})
    assert out.getvalue().splitlines()[0] == "40 18 exact"
