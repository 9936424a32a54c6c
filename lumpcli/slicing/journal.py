"""What a run has done so far, so that an interrupted one can be resumed.

A line of JSON each: what was asked for, the cuts, and every slice once its file is in place. A line
that was not written to its end is as if it were not there.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lumpcli.errors import InputError, OutputError
from lumpcli.family import TABLE, Member, Tree, cut_from_dict, cut_to_dict

NAME = "journal.jsonl"
SINGLE = "single.onnx"  # all slices in one file
PATTERN = "slice-*.onnx"
Request = dict[str, Any]  # JSON types; the same request gives the same slices


def digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_name(number: int) -> str:
    """What the file of a slice is called."""
    return PATTERN.replace("*", f"{number:05}")


@dataclass
class Journal:
    """The journal of a folder; `members` are the slices whose files are there, and unchanged."""

    folder: Path
    tree: Tree
    members: dict[int, Member]

    @staticmethod
    def open(folder: Path, request: Request, cut: Callable[[], Tree], force: bool) -> Journal:
        """The journal of a folder that is new, empty, or left by a run with the same request.

        `cut` makes the tree where no run has. OutputError when the folder holds something else,
        unless `force`, which removes what an earlier run has made there, or cannot be written.
        """
        try:
            _make_folder(folder)
            entries = _entries(folder / NAME)
            if entries[:1] != [{"request": request}]:
                _make_room(folder, entries, force)
                entries = []
            tree = _tree(entries[1]) if len(entries) > 1 else None
            journal = Journal(folder, cut() if tree is None else tree, {})
            journal.tidy()
            if tree is not None:
                journal.members.update(_members(folder, entries[2:]))
            journal._write(request)
        except OSError as error:
            raise OutputError(f"{folder} cannot be written: {error.strerror or error}") from None
        return journal

    def add(self, number: int, member: Member) -> None:
        """A slice is done. OutputError when that cannot be noted."""
        self.members[number] = member
        try:
            with (self.folder / NAME).open("a", encoding="utf-8") as file:
                file.write(_line({"slice": number, **vars(member)}))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise OutputError(f"{file.name} cannot be written: {error.strerror or error}") from None

    def tidy(self) -> None:
        """Remove what is left of slices that were not finished."""
        for left in self.folder.glob(".lumpcli-*"):
            shutil.rmtree(left, ignore_errors=True)

    def _write(self, request: Request) -> None:
        """Begin the file anew, with what was taken over."""
        lines = [{"request": request}, {"cuts": [cut_to_dict(c) for c in self.tree.cuts]}]
        lines += [{"slice": k, **vars(m)} for k, m in self.members.items()]
        replace_text(self.folder / NAME, "".join(map(_line, lines)))


def replace_text(path: Path, text: str) -> None:
    """Write a file beside its place, then move it there. Raises OSError."""
    staged = path.with_name(f".lumpcli-{path.name}")
    with staged.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(staged, path)


def _line(entry: Any) -> str:
    return json.dumps(entry, allow_nan=False) + "\n"


def _entries(path: Path) -> list[Any]:
    """The lines of a journal up to the first that is none; nothing where there is no file."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        try:
            found.append(json.loads(line))
        except (ValueError, RecursionError):
            break
    return found


def _tree(entry: Any) -> Tree | None:
    try:
        return Tree(tuple(cut_from_dict(cut) for cut in entry["cuts"]))
    except (KeyError, TypeError, ValueError, InputError):
        return None


def _members(folder: Path, entries: list[Any]) -> Iterator[tuple[int, Member]]:
    """The slices that are noted, and whose files are as they were written."""
    for entry in entries:
        with suppress(KeyError, TypeError, ValueError, AttributeError, OSError):
            number, member = int(entry.pop("slice")), Member(**entry)
            if digest(folder / member.file) == member.sha256:
                yield number, member


def _make_folder(folder: Path) -> None:
    if not folder.parent.is_dir():
        raise OutputError(f"{folder} cannot be written: {folder.parent} is no folder")
    if os.path.lexists(folder) and not folder.is_dir():
        raise OutputError(f"{folder} is not a folder")
    folder.mkdir(exist_ok=True)


def _make_room(folder: Path, entries: list[Any], force: bool) -> None:
    """Remove what an earlier run has made. OutputError when anything is there, without `force`."""
    if not any(folder.iterdir()):
        return
    if not force:
        what = "slices of another run" if entries else "other files"
        raise OutputError(f"{folder} holds {what}; use --force to replace slices")
    for name in (NAME, TABLE, SINGLE):
        (folder / name).unlink(missing_ok=True)
    for file in folder.glob(PATTERN):
        file.unlink()
