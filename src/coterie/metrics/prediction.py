"""Predictions for one sample as metrics take them: text, choices or a map."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor


class AnswerPrediction(ABC):
    """An answer that is stored in a predictions file. Kinds are frozen dataclasses."""

    @abstractmethod
    def dump(self) -> Any:
        """Return the "prediction" of a row as a JSON value."""

    @classmethod
    @abstractmethod
    def load(cls, data: Any) -> "AnswerPrediction":
        """Return the prediction that `dump` made `data` from; ValueError for another format."""


@dataclass(frozen=True, kw_only=True)
class TextPrediction(AnswerPrediction):
    """A generated text, which may be empty."""

    text: str

    def dump(self) -> str:
        return self.text

    @classmethod
    def load(cls, data: Any) -> "TextPrediction":
        if not isinstance(data, str):
            raise ValueError(
                f"prediction {data!r} is not a text: the metric needs generated text; choose a "
                "metric for this kind of prediction, or evaluate again"
            )
        return cls(text=data)


@dataclass(frozen=True, kw_only=True)
class ChoicePrediction(AnswerPrediction):
    """A score for each of the allowed answers, such as its log-likelihood; at least one."""

    scores: Mapping[str, float]

    def __post_init__(self) -> None:
        if not self.scores:
            raise ValueError("ChoicePrediction(scores={}): give a score for at least one answer")

    @property
    def best(self) -> str:
        """The answer with the highest score; the first in a tie."""
        return max(self.scores, key=lambda answer: self.scores[answer])

    def dump(self) -> dict[str, float]:
        return dict(self.scores)

    @classmethod
    def load(cls, data: Any) -> "ChoicePrediction":
        if not isinstance(data, Mapping):
            raise ValueError(
                f"prediction {data!r} has no scores: the metric needs the score of each allowed "
                "answer; choose a metric for generated text, or evaluate again"
            )
        return cls(scores={answer: float(score) for answer, score in data.items()})


@dataclass(frozen=True, kw_only=True, eq=False)
class MapPrediction:
    """A head's output for one image, as passed to the loss: logits where the task has logits."""

    values: Float[Tensor, "channels *place"]
