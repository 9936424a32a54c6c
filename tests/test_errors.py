"""Every error has its exit code, and one root."""

from __future__ import annotations

import pytest

from lumpcli import errors
from lumpcli.errors import LumpError

CODES = {
    "LumpError": 4,
    "UsageError": 2,
    "InputError": 3,
    "RunError": 4,
    "OutputError": 5,
    "InternalError": 70,
}


def test_the_table_of_codes():
    found = {n: e.exit_code for n, e in vars(errors).items() if isinstance(e, type)}
    assert found == CODES


@pytest.mark.parametrize("name", CODES)
def test_one_root_and_the_message_is_the_text(name):
    error = getattr(errors, name)("a.onnx: what is wrong")
    assert isinstance(error, LumpError)
    assert isinstance(error, Exception)
    assert str(error) == "a.onnx: what is wrong"


@pytest.mark.parametrize("name", CODES)
def test_every_error_says_when_it_is_raised(name):
    assert getattr(errors, name).__doc__
