"""What helpers assert is shown in full when it fails, as in the tests themselves."""

import pytest

pytest.register_assert_rewrite("tests.loader.checks", "tests.ir.claims", "tests.passes.proposals")
