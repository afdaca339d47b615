"""Error rates of recognized text: edits in words or in characters."""

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from coterie.metrics.base import Statistics, TextMetric, TextPrediction
from coterie.metrics.text.normalization import normalize_speech, split_unspaced
from coterie.optional_imports import import_optional


@dataclass(frozen=True, kw_only=True)
class EditRate(TextMetric):
    """Insertions, deletions and substitutions in percent of the answers' length, by jiwer.

    0 is perfect; it can exceed 100. Of several answers, the nearest to the prediction is used.
    Texts are compared up to `normalize_speech` if `normalize`, else verbatim. In scripts without
    spaces, each character is then a word, with its vowel and tone signs (`split_unspaced`).
    """

    higher_is_better = False
    limits = (0.0, math.inf)
    score_range = 100.0
    normalize: bool = True

    @abstractmethod
    def split_words(self, text: str) -> str:
        """Return the normal form of a text, with a space between words."""

    @abstractmethod
    def count_edits(self, answer: str, prediction: str) -> Any:
        """Return the result of the jiwer function that counts edits in this metric's unit."""

    def statistics(self, prediction: TextPrediction, answers: tuple[str, ...]) -> Statistics:
        """Compute (edits, length of the answer) for the answer with the fewest edits by length."""
        form: Callable[[str], str] = self.split_words if self.normalize else str
        pairs = []
        for answer in answers:
            found = self.count_edits(form(answer), form(prediction.text))
            wrong = found.substitutions + found.deletions
            pairs.append((wrong + found.insertions, wrong + found.hits))
        return np.array(min(pairs, key=lambda pair: pair[0] / max(pair[1], 1)), np.float64)


@dataclass(frozen=True, kw_only=True)
class WordErrorRate(EditRate):
    """Words inserted, deleted and substituted, in percent of the answers' words."""

    aliases = ("wer",)

    def split_words(self, text: str) -> str:
        return split_unspaced(normalize_speech(text))

    def count_edits(self, answer: str, prediction: str) -> Any:
        return import_optional("jiwer", "evaluate").process_words(answer, prediction)


@dataclass(frozen=True, kw_only=True)
class CharacterErrorRate(EditRate):
    """Characters inserted, deleted and substituted, in percent of the answers' characters."""

    aliases = ("cer",)

    def split_words(self, text: str) -> str:
        return normalize_speech(text)

    def count_edits(self, answer: str, prediction: str) -> Any:
        return import_optional("jiwer", "evaluate").process_characters(answer, prediction)
