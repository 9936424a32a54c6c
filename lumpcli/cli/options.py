"""Options that commands share, and the command class that gives library errors click's look."""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lumpcli.cli.console import Console
from lumpcli.cli.interrupts import INTERRUPTS
from lumpcli.errors import UsageError

if TYPE_CHECKING:
    from lumpcli.api import Settings

F = TypeVar("F", bound=Callable[..., Any])

PASSES = ("unread", "constant", "lumping", "linear", "fold")
LEVELS = ("strict", "exact", "rounding")


class Command(click.Command):
    """A command that prints the library's usage errors and warnings the command line's way."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; raises click.UsageError for a UsageError of the library."""
        console = ctx.ensure_object(Console)
        if console.quiet and console.verbose:
            raise click.UsageError("--quiet and --verbose exclude each other", ctx=ctx)
        with INTERRUPTS.deferred():
            importlib.import_module("lumpcli.api")
        with warnings.catch_warnings(record=True) as caught:
            try:
                return super().invoke(ctx)
            except UsageError as e:
                raise click.UsageError(str(e), ctx=ctx) from e
            finally:
                for warning in () if console.quiet else caught:
                    console.note(f"warning: {warning.message}")


def _flag(attribute: str, *names: str, help: str) -> Callable[[F], F]:
    def store(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        if value:
            setattr(ctx.ensure_object(Console), attribute, True)

    return click.option(*names, is_flag=True, expose_value=False, callback=store, help=help)


def output_options(command: F) -> F:
    """`--json`, `-q`, `-v`, `--no-color`, `--debug`: stored in the Console, not passed on."""
    return _stack(
        command,
        _flag("json", "--json", help="Print one JSON object instead of text."),
        _flag("quiet", "-q", "--quiet", help="Print only what is essential."),
        _flag("verbose", "-v", "--verbose", help="Print more: every layer, every setting."),
        _flag("no_color", "--no-color", help="No colours (also: NO_COLOR in the environment)."),
        _flag("debug", "--debug", help="Print the traceback of an error."),
    )


def freeze_option(command: F) -> F:
    """`--freeze-initializers`."""
    return click.option(
        "--freeze-initializers",
        is_flag=True,
        help="Take weights that are also graph inputs for constants (IR version 4 and later).",
    )(command)


def jobs_option(command: F) -> F:
    """`--jobs`."""
    return click.option(
        "--jobs",
        type=click.IntRange(min=1),
        metavar="N",
        help="Threads to work in (default: one per core; onnxruntime always gets one).",
    )(command)


def bounds_options(command: F) -> F:
    """How bounds on a box are searched for: `semantics`, `time_budget`."""
    return _stack(
        command,
        click.option(
            "--semantics",
            type=click.Choice(("real", "float32")),
            default="real",
            show_default=True,
            help="What bounds on a box hold for: real arithmetic, or float32 with sums in any "
            "order.",
        ),
        click.option(
            "--time-budget",
            type=click.FloatRange(min=0, min_open=True),
            metavar="SECONDS",
            help="End each search for bounds after that; the result then depends on the machine.",
        ),
    )


def verification_options(command: F) -> F:
    """How models are compared; the values arrive as one keyword argument per option."""
    opt = click.option
    return _stack(
        command,
        opt(
            "--samples",
            type=click.IntRange(min=1),
            metavar="N",
            help="Samples to draw (default: 64).",
        ),
        opt(
            "--seed",
            type=click.IntRange(0, 2**31 - 1),
            metavar="N",
            help="Their seed (default: 0).",
        ),
        opt(
            "--tol",
            "tolerance",
            type=float,
            metavar="X",
            callback=_non_negative,
            help="Largest difference allowed, relative to the output's scale (default: 1e-5 for "
            "float32, 1e-12 for float64, 5e-3 for float16, 4e-2 for bfloat16).",
        ),
        opt(
            "--timeout",
            type=float,
            metavar="SECONDS",
            callback=_positive,
            help="Stop verifying after this time (default: no new batch after 10 s).",
        ),
        opt(
            "--input",
            "inputs",
            multiple=True,
            metavar="NAME=FILE.npy",
            help="Your own data for an input, or FILE.npz for several (repeatable).",
        ),
        opt(
            "--input-shape",
            "input_shapes",
            multiple=True,
            metavar="NAME:1,3,224,224",
            callback=_shapes,
            help="Shape of an input (repeatable).",
        ),
        opt(
            "--dim",
            "dims",
            multiple=True,
            metavar="NAME=N",
            callback=_dims,
            help="Value of a symbolic dimension (repeatable).",
        ),
        opt("--witness", metavar="FILE.npz", help="Where to save an input that tells them apart."),
    )


def settings(**given: Any) -> Settings | None:
    """The verification settings of which at least one was given; None when none was.

    Reads the files named by `--input`; raises the LumpError of a file that cannot be read.
    """
    wanted = {k: v for k, v in given.items() if v or (v is not False and v == 0)}  # not (), {}
    if not wanted:
        return None
    from lumpcli.api import Settings, load_inputs

    if "inputs" in wanted:
        wanted["inputs"] = load_inputs(wanted["inputs"])
    if "witness" in wanted:
        wanted["witness"] = Path(wanted["witness"])
    return Settings(**wanted)


def split_passes(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[str, ...] | None:
    """The names in "lumping,constant"; None when the option is not given."""
    if value is None:
        return None
    names = tuple(dict.fromkeys(n.strip() for n in value.split(",")))
    for name in names:
        if name not in PASSES:
            raise click.BadParameter(f"{name!r} is not one of {', '.join(PASSES)}.")
    return names


def percentage(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    """A number from 0 to 100."""
    if value is not None and not 0 <= value <= 100:
        raise click.BadParameter(f"{value:g} is not a percentage from 0 to 100.")
    return value


def _stack(command: F, *decorators: Callable[[F], F]) -> F:
    for decorate in reversed(decorators):  # click lists the option applied last first
        command = decorate(command)
    return command


def _non_negative(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    if value is not None and not (math.isfinite(value) and value >= 0):
        raise click.BadParameter(f"{value:g} is not a finite number of at least 0.")
    return value


def _positive(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    if value is not None and not (math.isfinite(value) and value > 0):
        raise click.BadParameter(f"{value:g} is not a finite number above 0.")
    return value


def _shapes(
    ctx: click.Context, param: click.Parameter, value: Sequence[str]
) -> dict[str, tuple[int, ...]]:
    """NAME:1,3,224,224 by name; the name may hold colons, and no number at all means a scalar."""
    found: dict[str, tuple[int, ...]] = {}
    for text in value:
        name, colon, numbers = text.rpartition(":")
        parts = [n.strip() for n in numbers.split(",")] if numbers.strip() else []
        if not (name and colon) or not all(_is_size(n) for n in parts):
            raise click.BadParameter(f"{text!r} is not NAME:1,3,224,224.")
        _once(name, found)
        found[name] = tuple(int(n) for n in parts)
    return found


def _dims(ctx: click.Context, param: click.Parameter, value: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for text in value:
        name, equals, number = text.rpartition("=")
        if not (name and equals) or not _is_size(number.strip()):
            raise click.BadParameter(f"{text!r} is not NAME=N with N of at least 1.")
        _once(name, found)
        found[name] = int(number)
    return found


def _is_size(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) > 0


def _once(name: str, found: dict[str, Any]) -> None:
    if name in found:
        raise click.BadParameter(f"{name!r} is given twice.")
