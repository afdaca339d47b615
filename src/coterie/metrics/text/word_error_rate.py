"""`WordErrorRate`: edit distance in words."""

from dataclasses import dataclass
from typing import ClassVar

from coterie.metrics.text.edit_distance import EditRate


@dataclass(frozen=True, kw_only=True)
class WordErrorRate(EditRate):
    """Words inserted, deleted and substituted, in percent of the answers' words."""

    alias: ClassVar[str] = "wer"

    @property
    def jiwer_function(self) -> str:
        return "process_words"
