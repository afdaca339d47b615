"""Edits from a prediction to an answer, which two metrics count: in words and in characters."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64

from coterie.metrics.text.normalization import normalize_speech
from coterie.optional_imports import import_optional


def count_edits(
    prediction: str,
    answers: tuple[str, ...],
    *,
    of: Literal["process_words", "process_characters"],
    normalize: bool,
) -> Float64[np.ndarray, " statistics"]:
    """(edits, length of the answer) for the answer that needs the fewest edits by length.

    Args:
        prediction: what the model wrote.
        answers: all that are accepted.
        of: jiwer's function.
        normalize: compare what is spoken: `words.spoken`.
    """
    form: Callable[[str], str] = normalize_speech if normalize else str
    count = getattr(import_optional("jiwer", "evaluate"), of)
    outputs = [count(form(answer), form(prediction)) for answer in answers]
    return min(map(read_edit_counts, outputs), key=lambda pair: pair[0] / max(pair[1], 1))


def read_edit_counts(output: Any) -> Float64[np.ndarray, " statistics"]:
    """(edits, length of the answer) of what jiwer has found."""
    wrong = output.substitutions + output.deletions
    return np.array([wrong + output.insertions, wrong + output.hits], np.float64)
