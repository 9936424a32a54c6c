"""What the child answers; that it is a process of its own, test_apart shows."""

from __future__ import annotations

import io
import pickle
import time
import warnings

import pytest

from lumpcli.errors import InputError
from lumpcli.judge import Settings, child
from lumpcli.judge.messages import Advanced, Began, Failed, Request, Warned
from lumpcli.results import Verdict
from tests.judge.models import mlp


def ask(a, b, started=None, **settings):
    """The answer, and what was said before."""
    said = io.BytesIO()
    request = Request(str(a), str(b), Settings(**settings), started or time.time())
    answer = child.answer(request, said)
    said.seek(0)
    messages = []
    while said.tell() < len(said.getvalue()):
        messages.append(pickle.load(said))
    return answer, messages


def test_progress_then_the_verdict(tmp_path):
    a = mlp(tmp_path / "a.onnx")
    answer, messages = ask(a, a, samples=9)
    assert isinstance(answer, Verdict)
    assert answer.status == "equal"
    assert messages == [
        Began("running the original", 9, "samples"),
        Advanced(1),
        Advanced(8),
        Began("verifying", 9, "samples"),
        Advanced(1),
        Advanced(8),
    ]


def test_an_exception_carries_its_traceback(tmp_path):
    answer, _ = ask(tmp_path / "none.onnx", tmp_path / "none.onnx")
    assert isinstance(answer, Failed)
    assert isinstance(answer.error, InputError)
    again = pickle.loads(pickle.dumps(answer)).error
    assert str(again) == str(answer.error)
    assert "read_signature" in again.__notes__[0]


def test_warnings_are_told_also_before_an_exception(tmp_path, monkeypatch):
    def warn(case):
        warnings.warn("mind", UserWarning, stacklevel=1)
        raise MemoryError("too much")

    monkeypatch.setattr(child, "judge", warn)
    a = mlp(tmp_path / "a.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        answer, messages = ask(a, a)
    assert isinstance(answer.error, MemoryError)
    assert [(m.text, m.category) for m in messages if isinstance(m, Warned)] == [
        ("mind", UserWarning)
    ]


def test_the_timeout_began_in_the_parent(tmp_path):
    a = mlp(tmp_path / "a.onnx")
    answer, _ = ask(a, a, started=time.time() - 5, timeout=4.0)
    assert (answer.status, answer.samples) == ("unverified", 0)
    assert answer.reason == "no sample was done within 4 s"


def test_a_parent_that_is_gone(tmp_path):
    class Closed(io.BytesIO):
        def flush(self):
            raise BrokenPipeError

    a = mlp(tmp_path / "a.onnx")
    with pytest.raises(BrokenPipeError):
        child.answer(Request(str(a), str(a), Settings(), time.time()), Closed())
