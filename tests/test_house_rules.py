"""Each rule of the house can fail on made-up sources, and the real tree gives it no reason to."""

from __future__ import annotations

import pytest

from tests.house_rules import (
    BANNED_MARKS,
    BANNED_WORD,
    NO_TEST,
    Rule,
    Sources,
    dependencies,
    explained,
    marks,
    mirrored,
    passes_apart,
    portable,
    read,
    short,
    walls,
    words,
)

LIBRARY, TESTS = read("lumpcli/**/*.py"), read("tests/**/*.py")
SAMPLES = read("sample_models/**/*.py", "benchmarks/**/*.py")
TEXTS = read("*.md", "*.toml", "Makefile", ".ci/*", "docs/**/*.md", "sample_models/*.md")

# rule, sources it must accept, sources it must complain about (once each)
EXAMPLES: list[tuple[Rule, Sources, Sources]] = [
    (
        walls,
        {
            "lumpcli/loader/host.py": "from lumpcli.ir import Net\nfrom . import site\nimport json",
            "lumpcli/loader/site.py": "from .host import load",
            "lumpcli/ir/__init__.py": "from lumpcli.ir.net import Net",
            "lumpcli/ir/net.py": "from lumpcli.errors import LumpError\nfrom lumpcli import errors",
            "lumpcli/errors.py": "",
            "lumpcli/api.py": "from lumpcli import ir\nfrom lumpcli.measures import measure",
            "lumpcli/measures/__init__.py": "from lumpcli.measures.measure import measure",
            "lumpcli/measures/measure.py": "",
        },
        {
            "lumpcli/certify/replay.py": "from lumpcli.passes import PASSES",
            "lumpcli/judge/judge.py": "def f():\n    from ..loader import load",
            "lumpcli/proofs/unread.py": "from lumpcli.ir import net",
            "lumpcli/measures/measure.py": "import lumpcli.ir.net",
            "lumpcli/api.py": "from lumpcli import cli",
            "lumpcli/ir/net.py": "import lumpcli",
            "lumpcli/attic/old.py": "",
            "lumpcli/report/text.py": "from lumpcli import verify",
            "lumpcli/report/__init__.py": "from ..stats import Stats",
        },
    ),
    (
        passes_apart,
        {
            "lumpcli/passes/__init__.py": "from lumpcli.passes.unread import Unread",
            "lumpcli/passes/base.py": "from lumpcli.ir import Net",
            "lumpcli/passes/unread.py": "from lumpcli.passes.base import Pass",
        },
        {
            "lumpcli/passes/unread.py": "from lumpcli.passes.constant import Constant",
            "lumpcli/passes/constant.py": "from . import lumping",
            "lumpcli/passes/lumping.py": "from lumpcli.passes import PASSES",
        },
    ),
    (
        dependencies,
        {
            "lumpcli/loader/host.py": "import onnx.helper\nimport numpy as np",
            "lumpcli/judge/session.py": "import onnxruntime",
            "lumpcli/cli/reduce.py": "import click\nimport json",
        },
        {
            "lumpcli/ir/net.py": "from onnx import helper",
            "lumpcli/api.py": "import onnxruntime",
            "lumpcli/errors.py": "import click",
            "lumpcli/loader/weights.py": "import ml_dtypes",
            "lumpcli/results.py": "import numpy as np",
        },
    ),
    (short, {"lumpcli/a.py": "x\n" * 299}, {"lumpcli/a.py": "x\n" * 300}),
    (
        words,
        {"lumpcli/a.py": "deadline = 1", "lumpcli/b.py": "# no one uses it"},
        {"lumpcli/a.py": f"# {BANNED_WORD} code", "lumpcli/b.py": f"is_{BANNED_WORD}_unit = 1"},
    ),
    (
        marks,
        {"lumpcli/a.py": "kind: type = int"},
        {f"lumpcli/{k}.py": f"x = 1  # {mark}" for k, mark in enumerate(BANNED_MARKS)},
    ),
    (
        portable,
        {"README.md": "in /usr and /work-flow and ./root/x"},
        {"README.md": "see /" + "work/main", "Makefile": "/" + "root/x"},
    ),
    (
        mirrored,
        {
            "lumpcli/pipeline.py": "",
            "tests/test_pipeline.py": "",
            "lumpcli/ir/net.py": "",
            "tests/ir/test_net.py": "",
            "lumpcli/ir/__init__.py": "",
            "lumpcli/loader/handlers/add.py": "",
            "tests/loader/handlers/test_add.py": "",
        },
        {
            "lumpcli/pipeline.py": "",
            "lumpcli/ir/net.py": "",
            "lumpcli/loader/handlers/add.py": "",
            "tests/test_net.py": "",
        },
    ),
    (
        explained,
        {"lumpcli/a.py": '"""A."""\ndef _f(): ...\nclass C:\n    """C."""\n', "lumpcli/b.py": ""},
        {
            "lumpcli/a.py": "x = 1",
            "lumpcli/b.py": '"""B."""\ndef f(): ...',
            "lumpcli/c.py": '"""C."""\nclass C:\n    """C."""\n    def f(self): ...',
        },
    ),
]
REAL: list[tuple[Rule, Sources]] = [
    (walls, LIBRARY),
    (passes_apart, LIBRARY),
    (dependencies, LIBRARY),
    (short, LIBRARY | TESTS | SAMPLES),
    (words, LIBRARY | TESTS | SAMPLES),
    (marks, LIBRARY | TESTS | SAMPLES),
    (portable, LIBRARY | TESTS | SAMPLES | TEXTS),
    (mirrored, LIBRARY | TESTS),
    (explained, LIBRARY),
]


@pytest.mark.parametrize(
    ("rule", "good", "bad"), EXAMPLES, ids=lambda v: getattr(v, "__name__", "")
)
def test_rule_can_fail(rule: Rule, good: Sources, bad: Sources) -> None:
    assert rule(good) == []
    code = [path for path in bad if rule is not mirrored or path.startswith("lumpcli/")]
    assert sorted(complaint.split(":")[0] for complaint in rule(bad)) == sorted(code)


@pytest.mark.parametrize(("rule", "sources"), REAL, ids=lambda v: getattr(v, "__name__", ""))
def test_rule_holds(rule: Rule, sources: Sources) -> None:
    assert sources
    assert "\n".join(rule(sources)) == ""


def test_every_rule_is_shown_to_fail_and_is_applied() -> None:
    assert [rule for rule, *_ in EXAMPLES] == [rule for rule, _ in REAL]


def test_excused_modules_exist() -> None:
    assert [path for path in NO_TEST if path not in LIBRARY] == []
