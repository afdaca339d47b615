"""The command line called in this process."""

import re
from dataclasses import dataclass

import pytest

from coterie.cli.main import main


@dataclass(frozen=True)
class Called:
    """What a call gave back.

    Attributes:
        code: the exit code.
        err: standard error, without the line that names the device: test_device.py reads that.
    """

    code: int
    out: str
    err: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "err", re.sub(r"^running on .*\n", "", self.err))


class Calls:
    """`coterie(...)` calls the command line and gives back its exit code and what it said."""

    def __init__(self, said: pytest.CaptureFixture[str]) -> None:
        self.said = said

    def __call__(self, *arguments: str) -> Called:
        self.said.readouterr()
        code = main(arguments)
        out, err = self.said.readouterr()
        return Called(code, out, err)
