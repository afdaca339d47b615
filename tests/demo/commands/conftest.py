"""The command line as a fixture, as users run it: without the tests' type checks."""

import pytest

from tests.cli.calls import Calls


@pytest.fixture
def coterie(capsys: pytest.CaptureFixture[str], unchecked: None) -> Calls:
    return Calls(capsys)
