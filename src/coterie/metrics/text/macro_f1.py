"""`MacroF1`: F1 of a classification with equal class weights."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from coterie.metrics.base import Statistics, TextMetric, TextPrediction, compute_ratios
from coterie.metrics.text.normalization import normalize
from coterie.metrics.text.option_letters import find_option_letter, is_option_letter


@dataclass(frozen=True, kw_only=True)
class MacroF1(TextMetric):
    """Mean F1, in percent, over the classes that occur in answers or predictions.

    Labels are compared up to `normalize`, letters of options as in `ExactMatch`. A prediction that
    is not a label is wrong and adds no class. Of several answers, the predicted one is used if any,
    else the first. `labels` are all classes; if empty, `fit` takes them from a split's answers.
    """

    nearby = ("f1",)
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.labels, str) or not all(isinstance(x, str) for x in self.labels):
            raise ValueError(f"MacroF1(labels={self.labels!r}): give a list of texts")
        if len(set(map(normalize, self.labels))) < len(self.labels):
            raise ValueError(f"MacroF1(labels={self.labels!r}): two of them are the same")

    def fit(self, answers: Iterable[tuple[str, ...]]) -> "MacroF1":
        if self.labels:
            return self
        texts = sorted({text for items in answers for text in items}, reverse=True)
        by_form = {normalize(text): text for text in texts}  # the first text of each form
        return replace(self, labels=tuple(by_form[form] for form in sorted(by_form)))

    def check(self, answers: tuple[str, ...]) -> None:
        labels = list(map(normalize, self.labels))
        for answer in answers:
            if labels and normalize(answer) not in labels:
                raise ValueError(f"{answer!r} is no label: they are {', '.join(self.labels)}")

    def statistics(self, prediction: TextPrediction, answers: tuple[str, ...]) -> Statistics:
        """Compute for each label the numbers of correct, predicted and true samples."""
        if not self.labels:
            raise ValueError("MacroF1(labels=()): call `fit` with the answers of the split first")
        self.check(answers)
        labels = list(map(normalize, self.labels))
        predicted, accepted = self.find_label(prediction.text), list(map(normalize, answers))
        right = predicted if predicted in accepted else accepted[0]
        counts = np.zeros((3, len(labels)))
        counts[:, labels.index(right)] = [predicted == right, 0, 1]
        counts[1, [label == predicted for label in labels]] = 1
        return counts.ravel()

    def find_label(self, prediction: str) -> str:
        """Return the prediction's normal form, or the letter that it chooses of such labels."""
        if all(map(is_option_letter, self.labels)):
            return find_option_letter(prediction) or normalize(prediction)
        return normalize(prediction)

    def score(self, total: Statistics) -> float:
        both, predicted, right = total.reshape(3, -1)
        return float(100 * compute_ratios(2 * both, predicted + right).mean())
