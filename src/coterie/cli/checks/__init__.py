"""The checks of `coterie doctor`, one a file, and `Check`, a finding of one."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Check:
    """A finding of `coterie doctor`.

    Attributes:
        subject: the checked package or resource.
        status: "ok"; "off" for what only some subcommands need; "broken" for what all need.
        details: the facts found on this machine.
        advice: what to do; empty if nothing is needed.
    """

    subject: str
    status: Literal["ok", "off", "broken"]
    details: str
    advice: str = ""

    def format(self) -> str:
        """Return the finding as one line, with any advice as a second."""
        advice = f"\n{'':8}-> {self.advice}" if self.advice else ""
        return f"{self.status:8}{self.subject}: {self.details}{advice}"
