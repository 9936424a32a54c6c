"""What helpers assert is shown in full when it fails, as in the tests themselves."""

import signal

import pytest

pytest.register_assert_rewrite("tests.loader.checks", "tests.ir.claims", "tests.passes.proposals")

# A shell starts what runs in its background with SIGINT ignored, and processes inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
