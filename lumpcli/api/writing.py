"""From a plan to a file to be trusted: staged, loaded again, verified, and only then moved."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from onnx import ModelProto

from lumpcli.api.boxed import Granted
from lumpcli.api.certifying import certificate, to_text
from lumpcli.box import Box
from lumpcli.certify import check, hashes
from lumpcli.errors import RunError
from lumpcli.exporter import (
    Exported,
    Guard,
    check_roundtrip,
    guard,
    publish,
    staging,
    write_copy,
    write_model,
)
from lumpcli.judge import Settings, verify
from lumpcli.loader import Host, load
from lumpcli.measures import file_bytes, parameters
from lumpcli.pipeline import Plan
from lumpcli.proofs import Refused
from lumpcli.results import Change, Level, Result


@dataclass(frozen=True)
class Job:
    """What to do with a planned reduction. `target` None: a dry run, in a folder of its own."""

    host: Host
    done: Plan
    exported: Exported
    source: str | os.PathLike[str] | ModelProto
    target: Path | None
    label: str  # what the user calls the target
    check: bool
    settings: Settings
    freeze_initializers: bool
    certificate: Path | None = None
    guarded: tuple[Box, Guard] | None = None  # what to add when all else is written and checked
    granted: Granted | None = None


def finish(job: Job, result: Result) -> Result:
    """Write, check and publish; `output` of the result is None when nothing was published."""
    with _folder(job) as folder:
        source = _source_file(job, folder)
        target = job.target or folder / "reduced" / source.name
        if not job.exported.changed:
            if job.target is not None:
                files = write_copy(job.host, source, target, folder)
                _publish(job, result.level, source, folder, files, target)
            size = file_bytes(source, job.host.data_files.values())
            count = parameters(job.host)
            return replace(
                result,
                output=None if job.target is None else job.label,
                file_bytes=Change(size, size),
                parameters=Change(count, count),
            )
        files = write_model(job.host, job.exported, target, folder)
        staged = folder / target.name
        loaded = load(staged, freeze_initializers=job.freeze_initializers)
        check_roundtrip(job.done.final, loaded.net)
        if job.guarded is not None:
            guard(job.exported.model, *job.guarded)
            files = write_model(job.host, job.exported, target, folder)
        result = replace(
            result,
            file_bytes=Change(
                file_bytes(source, job.host.data_files.values()),
                file_bytes(staged, [folder / name for name in files[:-1]]),
            ),
            parameters=Change(parameters(job.host), parameters(loaded)),
        )
        if job.check:
            result = replace(result, verdict=verify(source, staged, job.settings))
            if result.verdict is not None and result.verdict.status != "equal":
                return result
        if job.target is not None:
            _publish(job, result.level, source, folder, files, target)
            result = replace(result, output=job.label)
    return result


def _publish(
    job: Job, level: Level, source: Path, folder: Path, files: list[str], target: Path
) -> None:
    """Move the model to its place, and with it the certificate, if there is one: both or none.

    RunError where the certificate does not prove what it should.
    """
    if job.certificate is None:
        publish(folder, files, target)
        return
    with staging(job.certificate) as beside:
        # a copy may lie beside the original, and read its data
        staged = folder / target.name if job.exported.changed else source
        made = beside / job.certificate.name
        host = load(staged, freeze_initializers=job.freeze_initializers)
        both = hashes(job.host), hashes(host)
        document = certificate(job.done, level, job.freeze_initializers, both, job.granted)
        made.write_text(to_text(document), encoding="utf-8")
        try:
            check(source, staged, made)
        except Refused as error:
            told = f"{error.layer or error.tensor}: {error.reason}"
            raise RunError(f"the certificate was refused, so nothing was written: {told}") from None
        old = beside / "replaced"
        before = job.certificate.exists()
        if before:
            shutil.copy2(job.certificate, old)
        publish(beside, [made.name], job.certificate)
        try:
            publish(folder, files, target)
        except BaseException:
            if before:
                os.replace(old, job.certificate)
            else:
                job.certificate.unlink()
            raise


@contextmanager
def _folder(job: Job) -> Iterator[Path]:
    if job.target is not None:
        with staging(job.target, job.label) as folder:
            yield folder
    else:
        with tempfile.TemporaryDirectory(prefix="lumpcli-") as name:
            yield Path(name)


def _source_file(job: Job, folder: Path) -> Path:
    """The original as a file: a model in memory is written to the temporary folder."""
    if not isinstance(job.source, ModelProto):
        return Path(job.source)
    path = folder / "original" / "model.onnx"
    path.parent.mkdir()
    path.write_bytes(job.source.SerializeToString())
    for name, data in job.host.data_files.items():
        (path.parent / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(data, path.parent / name)
    return path
