"""What a run leaves behind, and what the next one makes of it."""

from __future__ import annotations

import hashlib
import json

import pytest

from lumpcli.errors import OutputError
from lumpcli.family import TABLE, Cut, Member, Tree
from lumpcli.slicing import SINGLE, Journal, digest, file_name

TREE = Tree((Cut("x", 0, 0.1, ~0, 1), Cut("x", 1, 0.5, ~1, ~2)))
REQUEST = {"slices": 3, "box": [0.1, 1 / 3]}
NAME = "journal.jsonl"


def begin(folder, request=REQUEST, force=False) -> Journal:
    return Journal.open(folder, request, lambda: TREE, force)


def resume(folder, request=REQUEST) -> Journal:
    def cut() -> Tree:
        raise AssertionError("the cuts are in the journal")

    return Journal.open(folder, request, cut, False)


def made(folder, number: int) -> Member:
    """A file of a slice, and the member it is."""
    name, content = file_name(number), f"model {number}".encode()
    (folder / name).write_bytes(content)
    return Member(name, hashlib.sha256(content).hexdigest(), len(content), number, 2 * number, "")


@pytest.fixture
def half_done(tmp_path):
    """A folder in which two of three slices are done."""
    folder = tmp_path / "out"
    journal = begin(folder)
    for number in (2, 0):
        journal.add(number, made(folder, number))
    return folder


def test_a_new_folder_is_made(tmp_path):
    journal = begin(tmp_path / "out")
    assert (journal.members, journal.tree) == ({}, TREE)
    assert len((tmp_path / "out" / NAME).read_text().splitlines()) == 2


def test_what_is_done_is_taken_over(half_done):
    journal = resume(half_done)
    assert journal.tree == TREE
    assert journal.members == {k: made(half_done, k) for k in (0, 2)}
    journal.add(1, made(half_done, 1))
    assert sorted(resume(half_done).members) == [0, 1, 2]


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_line_that_was_not_finished_is_as_if_not_there(half_done, cut):
    text = (half_done / NAME).read_text()
    (half_done / NAME).write_text(text[:-cut])
    journal = resume(half_done)
    assert sorted(journal.members) == ([0, 2] if cut == 1 else [2])
    journal.add(1, made(half_done, 1))
    assert sorted(resume(half_done).members) == ([0, 1, 2] if cut == 1 else [1, 2])


@pytest.mark.parametrize("length", [0, 10])
def test_a_journal_cut_short_in_its_first_line_says_nothing(half_done, length):
    text = (half_done / NAME).read_text()
    (half_done / NAME).write_text(text[:length])
    with pytest.raises(OutputError, match="holds other files"):
        resume(half_done)


def test_a_journal_without_cuts_begins_anew(half_done):
    first, _ = (half_done / NAME).read_text().split("\n", 1)
    (half_done / NAME).write_text(f"{first}\n")
    assert begin(half_done).members == {}


def test_a_file_that_changed_or_went_is_made_again(half_done):
    (half_done / file_name(0)).write_text("another")
    assert sorted(resume(half_done).members) == [2]
    (half_done / file_name(2)).unlink()
    assert resume(half_done).members == {}


@pytest.mark.parametrize(
    "line",
    ['{"slice": 1}', "3", "null", '{"slice": "a", "file": 3}', '{"slice": 1, "file": "../x"}'],
)
def test_lines_that_make_no_sense_are_passed_over(half_done, line):
    with (half_done / NAME).open("a") as file:
        file.write(line + "\n")
    assert sorted(resume(half_done).members) == [0, 2]


def test_another_request_needs_force_which_removes_what_was_made(half_done):
    for name in (TABLE, SINGLE, "mine.txt"):
        (half_done / name).write_text("{}")
    with pytest.raises(OutputError, match="slices of another run; use --force"):
        begin(half_done, {"slices": 4})
    assert (half_done / file_name(0)).exists()
    assert begin(half_done, {"slices": 4}, force=True).members == {}
    assert sorted(p.name for p in half_done.iterdir()) == [NAME, "mine.txt"]


def test_force_does_not_undo_a_run_with_the_same_request(half_done):
    assert sorted(begin(half_done, force=True).members) == [0, 2]


def test_a_folder_of_other_files_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("")
    with pytest.raises(OutputError, match="holds other files"):
        begin(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_places_where_no_folder_can_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is not a folder"):
        begin(tmp_path / "file")
    with pytest.raises(OutputError, match="is no folder"):
        begin(tmp_path / "nowhere" / "out")


def test_unfinished_files_are_removed(half_done):
    (half_done / ".lumpcli-abc").mkdir()
    (half_done / ".lumpcli-abc" / "slice.onnx").write_text("half")
    resume(half_done)
    assert not (half_done / ".lumpcli-abc").exists()


def test_numbers_come_back_as_they_were(half_done):
    entry = json.loads((half_done / NAME).read_text().splitlines()[0])
    assert entry == {"request": REQUEST}


def test_digest(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert digest(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
