"""`CharacterErrorRate`: edit distance in characters."""

from dataclasses import dataclass
from typing import ClassVar

from coterie.metrics.text.edit_distance import EditRate


@dataclass(frozen=True, kw_only=True)
class CharacterErrorRate(EditRate):
    """Characters inserted, deleted and substituted, in percent of the answers' characters."""

    alias: ClassVar[str] = "cer"

    @property
    def jiwer_function(self) -> str:
        return "process_characters"
