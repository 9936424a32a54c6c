"""The verbs, on paths or models: what the command line does, as functions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from onnx import ModelProto

from lumpcli.analysis import Grants, loosen
from lumpcli.api.boxed import Granted, bounds_on, facts_in, renewing
from lumpcli.api.certifying import proof_target, require_provable
from lumpcli.api.planning import chosen, plan_export, report_of, threads
from lumpcli.api.redundant import without_redundancy
from lumpcli.api.writing import Job, finish
from lumpcli.bounds import bounded
from lumpcli.box import summarise
from lumpcli.certify import check
from lumpcli.errors import InputError, UsageError
from lumpcli.exporter import (
    check_data_place,
    check_roundtrip,
    check_target,
    domain_of,
    embed,
    guard,
    state_domain,
)
from lumpcli.judge import Settings
from lumpcli.judge import verify as verify_files
from lumpcli.loader import Host, load
from lumpcli.measures import (
    file_bytes,
    measure,
    parameters,
)
from lumpcli.proofs import Refused
from lumpcli.results import Change, Domain, Level, Proof, Result, Stats, Verdict

PathOrModel = str | os.PathLike[str] | ModelProto

_LEVELS = ("strict", "exact", "rounding")


def verify(
    a: str | os.PathLike[str], b: str | os.PathLike[str], settings: Settings | None = None
) -> Verdict:
    """Compare two model files in onnxruntime on samples: measured, not proved.

    `b` may be a folder of slices. Raises InputError when a file is no model; one that cannot run
    gives an unverified verdict.
    """
    return verify_files(a, b, settings or Settings())


def check_certificate(
    a: str | os.PathLike[str],
    b: str | os.PathLike[str],
    certificate: str | os.PathLike[str],
    settings: Settings | None = None,
) -> Proof:
    """Whether a certificate proves that model B is the reduction of model A that it describes.

    Samples are compared as well only when there are `settings`. Raises InputError when a file
    cannot be read, or is no certificate.
    """
    try:
        found = check(a, b, certificate)
    except Refused as error:
        where = error.layer, error.tensor
        return Proof("refused", error.reason, *where, None, False, 0, 0, 0, 0, 0, 0)
    verdict = None if settings is None else verify(a, b, settings)
    proved = {name: getattr(found, name) for name in found.__dataclass_fields__}
    return Proof("proved", "", "", "", **proved, verdict=verdict)


def stats(
    source: PathOrModel,
    *,
    deep: bool = False,
    freeze_initializers: bool = False,
    jobs: int | None = None,
) -> Stats:
    """What is in a model, and what could go. `deep`: near misses and ranks too, which take longer.

    `jobs`: threads to work in, by default one per core. Raises UsageError, and InputError when the
    source is no model.
    """
    workers = threads(jobs)
    host = load(source, freeze_initializers=freeze_initializers)
    exact, _ = plan_export(host, host.net, Grants("exact"), jobs=workers, whole=True)
    rounding = exact
    if exact.values.would_change(loosen, workers):
        rounding, _ = plan_export(host, host.net, Grants("rounding"), jobs=workers, whole=True)
    size = (
        source.ByteSize()
        if isinstance(source, ModelProto)
        else file_bytes(Path(source), host.data_files.values())
    )
    return measure(
        host,
        _label(source),
        exact.values,
        exact.stages,
        rounding.final,
        file_bytes=size,
        deep=deep,
        domain=_stated(host, source),
    )


def _stated(host: Host, source: PathOrModel) -> Domain | None:
    try:
        box = domain_of(host.model)
    except InputError as error:
        raise InputError(f"{_label(source)}: {error}") from None
    return None if box is None else summarise(box, "stated")


def reduce(
    source: PathOrModel,
    output: str | os.PathLike[str] | None = None,
    *,
    level: Level = "exact",
    passes: Sequence[str] | None = None,
    only: Sequence[str] = (),
    exclude: Sequence[str] = (),
    force: bool = False,
    dry_run: bool = False,
    check: bool = True,
    freeze_initializers: bool = False,
    certificate: str | os.PathLike[str] | None = None,
    granted: Granted | None = None,
    settings: Settings | None = None,
    jobs: int | None = None,
) -> Result:
    """Make a model smaller without changing what it computes; verify it; write it to `output`.

    Without `output` nothing is written; for a model in memory `Result.model` then is the reduced
    one, not verified. When verification (`check`) fails nothing is written either, and
    `Result.output` is None. `passes` and the globs `only` and `exclude`, of layer or node names,
    choose what is cut, never what is known. `granted`: a box that inputs lie in; outside of it the
    reduced model may be another function. `certificate` is where the proof goes, if `output` is
    written: checked, and published with it. `jobs`: threads to work in, by default one per core;
    onnxruntime verifies in one, so that it computes the same every time.

    Raises UsageError, InputError and OutputError; RunError for a certificate that is refused;
    InternalError when lumpcli contradicts itself.
    """
    if level not in _LEVELS:
        raise UsageError(f"no level is called {level!r}; there are {', '.join(_LEVELS)}")
    if level == "rounding" and granted is not None:
        raise UsageError("level rounding: bounds on a box are those of the stored weights")
    workers = threads(jobs)
    if granted is not None and granted.redundancy is not None:
        if certificate is not None:
            raise UsageError("redundancy: a certificate promises something else")
        if output is not None:
            check_target(output, force)
        host = load(source, freeze_initializers=freeze_initializers)
        host = replace(host, net=chosen(host.net, only, exclude))
        model, told = without_redundancy(host, granted, granted.redundancy, workers)
        found = reduce(
            model,
            output,
            level=level,
            passes=passes,
            only=only,
            exclude=exclude,
            force=force,
            dry_run=dry_run,
            check=check,
            freeze_initializers=freeze_initializers,
            granted=replace(granted, redundancy=None),
            settings=settings,
            jobs=jobs,
        )
        return replace(found, source=_label(source), promise="certified", redundancy=told)
    target = None if output is None or dry_run else check_target(output, force)
    proof = proof_target(source, output, certificate, force)
    if proof is not None and granted is not None:
        require_provable(granted)
    host = load(source, freeze_initializers=freeze_initializers)
    if target is not None and output is not None:
        check_data_place(host, output, target)
    net, on_box, grants = chosen(host.net, only, exclude), None, Grants(level)
    if granted is not None:
        box, phases = bounds_on(host, granted, workers)
        granted = replace(granted, box=box)
        net = bounded(host, net, box, phases)
        on_box = facts_in(box, phases, granted.guard, granted.assurance)
        if proof is None:  # a checker only bounds the original
            grants = Grants(level, renewing(host, granted, workers, freeze_initializers))
    whole = not (only or exclude)
    done, exported = plan_export(host, net, grants, passes, jobs=workers, whole=whole)
    loose = None
    hints = level == "exact" and passes is None and granted is None
    if hints and done.values.would_change(loosen, workers):
        loose, _ = plan_export(host, net, Grants("rounding"), jobs=workers, whole=whole)
    guarded = None
    if granted is not None:
        settings = replace(settings or Settings(), box=box)
        if exported.changed or granted.guard is not None:
            exported.changed = True
            state_domain(exported.model, box)
        guarded = None if granted.guard is None else (box, granted.guard)
    result = report_of(_label(source), level, done, loose, exported.changed, host, on_box)
    if isinstance(source, ModelProto) and target is None:
        embed(exported)
        reloaded = load(exported.model, freeze_initializers=freeze_initializers)
        check_roundtrip(done.final, reloaded.net)
        if guarded is not None:
            guard(exported.model, *guarded)
        return replace(
            result,
            model=exported.model,
            parameters=Change(parameters(host), parameters(reloaded)),
            file_bytes=Change(source.ByteSize(), exported.model.ByteSize()),
        )
    job = Job(
        host,
        done,
        exported,
        source,
        target,
        "" if output is None else os.fspath(output),
        check,
        settings or Settings(),
        freeze_initializers,
        None if dry_run else proof,
        guarded,
        granted,
    )
    return finish(job, result)


def _label(source: PathOrModel) -> str:
    return source.graph.name if isinstance(source, ModelProto) else os.fspath(source)
