"""`Finding`: one thing that a program does with an adapter other than use it as it was trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Effect = Literal["refused", "dropped", "wrong scale", "unknown"]
MAX_NAMES = 3


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What is not used as it was trained, and why.

    Attributes:
        effect: the program refuses the whole adapter, drops these weights without an error, scales
            them otherwise than PEFT, or does what the documents do not say.
        reason: a sentence's end, such as "DoRA is not supported".
        names: of the tensors or modules concerned; empty for the whole adapter.
    """

    effect: Effect
    reason: str
    names: Sequence[str] = ()

    def format(self) -> str:
        """Return one line."""
        shown = ", ".join(self.names[:MAX_NAMES])
        more = len(self.names) - MAX_NAMES
        names = f": {shown}" + (f" and {more} more" if more > 0 else "") if self.names else ""
        count = f" ({len(self.names)})" if self.names else ""
        return f"{self.effect}{count}: {self.reason}{names}"
