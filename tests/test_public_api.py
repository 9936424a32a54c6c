"""What users may import: the names, their signatures, and that they cost nothing until used."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import lumpcli

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "sample_models" / "fig3.onnx"

NAMES = [
    "Granted",
    "InputError",
    "InternalError",
    "LumpError",
    "OutputError",
    "Proof",
    "Request",
    "Result",
    "RunError",
    "Settings",
    "Sliced",
    "Stats",
    "UsageError",
    "Verdict",
    "check_certificate",
    "load_inputs",
    "reduce",
    "slice_model",
    "stats",
    "verify",
]

PATH = "str | os.PathLike[str]"
SIGNATURES = {
    "reduce": f"(source: PathOrModel, output: {PATH} | None = None, *, level: Level = exact, "
    "passes: Sequence[str] | None = None, only: Sequence[str] = (), exclude: Sequence[str] = (), "
    "force: bool = False, dry_run: bool = False, check: bool = True, "
    f"freeze_initializers: bool = False, certificate: {PATH} | None = None, "
    "granted: Granted | None = None, settings: Settings | None = None, "
    "jobs: int | None = None) -> Result",
    "check_certificate": f"(a: {PATH}, b: {PATH}, certificate: {PATH}, "
    "settings: Settings | None = None) -> Proof",
    "verify": f"(a: {PATH}, b: {PATH}, settings: Settings | None = None) -> Verdict",
    "slice_model": f"(source: {PATH}, folder: {PATH}, *, box: Box | Sequence[str], slices: int, "
    "single_file: bool = False, semantics: Semantics = real, budget: float | None = None, "
    "samples: int = 16, seed: int = 0, force: bool = False, jobs: int | None = 1, "
    "dask: str | None = None) -> Sliced",
    "stats": "(source: PathOrModel, *, deep: bool = False, freeze_initializers: bool = False, "
    "jobs: int | None = None) -> Stats",
}
SETTINGS = [
    "samples",
    "seed",
    "tolerance",
    "inputs",
    "input_shapes",
    "dims",
    "timeout",
    "witness",
    "optimize",
    "referee",
    "jobs",
    "box",
    "everywhere",
]


def python(code: str) -> str:
    """What a new Python prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, cwd=ROOT
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def test_names():
    assert lumpcli.__all__ == NAMES
    for name in NAMES:
        assert getattr(lumpcli, name) is not None
        assert name in dir(lumpcli)
    with pytest.raises(AttributeError, match="has no attribute 'shrink'"):
        _ = lumpcli.shrink


def test_star_import():
    assert python("from lumpcli import *; print(callable(reduce))") == "True"


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures(name):
    function = getattr(lumpcli, name)
    assert callable(function)
    assert str(inspect.signature(function)).replace("'", "") == SIGNATURES[name]
    assert function.__doc__


def test_settings():
    assert list(inspect.signature(lumpcli.Settings).parameters) == SETTINGS
    assert lumpcli.Settings() == lumpcli.Settings(samples=64, seed=0)


@pytest.mark.parametrize("order", [("stats", "verify"), ("verify", "stats")])
def test_the_verbs_stay_functions(order):
    """Rooms of the same names are imported on the way, and must not take their place."""
    first, second = order
    calls = {"stats": f"lumpcli.stats({str(SAMPLE)!r})", "verify": "lumpcli.verify(p, p)"}
    code = f"import lumpcli; p = {str(SAMPLE)!r}; "
    code += "; ".join(calls[n] for n in (first, second, first, second))
    code += "; from lumpcli import stats, verify, reduce; stats(p); verify(p, p)"
    code += "; reduce(p, dry_run=True); print('fine')"
    assert python(code) == "fine"


def test_the_verbs_stay_functions_after_the_rooms_were_imported():
    code = "import lumpcli.measures, lumpcli.judge, lumpcli; from lumpcli.judge import Settings; "
    code += f"print(lumpcli.stats({str(SAMPLE)!r}).features, lumpcli.verify.__name__)"
    assert python(code).startswith("3 ")


def test_importing_is_free():
    heavy = "('numpy', 'onnx', 'onnxruntime', 'google', 'click')"
    code = "import sys, lumpcli; lumpcli.__version__; dir(lumpcli); "
    code += f"print([m for m in {heavy} if m in sys.modules])"
    assert python(code) == "[]"
    code = f"import sys, lumpcli.cli; print([m for m in {heavy} if m in sys.modules])"
    assert python(code) == "['click']"


def test_version_and_types():
    assert lumpcli.__version__ == version("lumpcli")
    assert (ROOT / "lumpcli" / "py.typed").exists()
