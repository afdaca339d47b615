"""One line of `coterie doctor`: what was looked at, how it is, and what to do if it is not well."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Check:
    """What doctor found of one thing.

    Attributes:
        subject: what was looked at.
        status: "ok"; "off" for what only some verbs need; "broken" for what every verb needs.
        details: the facts, as found on this machine.
        advice: what to do; empty where nothing is to be done.
    """

    subject: str
    status: Literal["ok", "off", "broken"]
    details: str
    advice: str = ""

    def format(self) -> str:
        """The finding in one line, its advice in a second."""
        advice = f"\n{'':8}-> {self.advice}" if self.advice else ""
        return f"{self.status:8}{self.subject}: {self.details}{advice}"
