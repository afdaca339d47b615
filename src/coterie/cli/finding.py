"""One line of `coterie doctor`: what was looked at, how it is, and what to do if it is not well."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What doctor found of one thing.

    Attributes:
        what: what was looked at.
        state: "ok"; "off" for what only some verbs need; "broken" for what every verb needs.
        said: the facts, as found on this machine.
        advice: what to do; empty where nothing is to be done.
    """

    what: str
    state: Literal["ok", "off", "broken"]
    said: str
    advice: str = ""

    def line(self) -> str:
        """The finding in one line, its advice in a second."""
        advice = f"\n{'':8}-> {self.advice}" if self.advice else ""
        return f"{self.state:8}{self.what}: {self.said}{advice}"
