"""The interface of metrics: predictions, their additive statistics, and the score of a sum."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar, cast

import numpy as np
from jaxtyping import Float, Float64, Shaped
from torch import Tensor

from coterie.metrics.text.normalization import to_snake_case
from coterie.serialization import get_init_fields

Statistics = Float64[np.ndarray, " statistics"]


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


Answer = TypeVar("Answer", bound=AnswerPrediction)


class Metric(ABC):
    """A score computed from sums over samples, so that a bootstrap only has to sum again.

    Attributes:
        name: the name in tasks.yaml and scores.json; "" for the class's name in snake case.
        aliases: other names, such as "wer".
        nearby: names that users type for it and for others, and that are no metric's: parsing one
            fails with what there is instead.
        prediction_type: the type of prediction that `statistics` takes.
        limits: minimum and maximum of the score; intervals are clipped to them.
        score_range: how far the score may be from that of other samples, where all samples agree;
            None for the distance of the limits, and nothing is assumed where that is infinite.
    """

    name: ClassVar[str] = ""
    aliases: ClassVar[tuple[str, ...]] = ()
    nearby: ClassVar[tuple[str, ...]] = ()
    prediction_type: ClassVar[type[Any]]
    higher_is_better: ClassVar[bool] = True
    unit: ClassVar[str] = "%"
    limits: ClassVar[tuple[float, float]] = (0.0, 100.0)
    score_range: ClassVar[float | None] = None

    @classmethod
    def get_name(cls) -> str:
        """Return the name in tasks.yaml and scores.json."""
        return cls.name or to_snake_case(cls.__name__)

    @classmethod
    def get_score_range(cls) -> float:
        """Return `score_range`, or the distance of the limits."""
        return cls.limits[1] - cls.limits[0] if cls.score_range is None else cls.score_range

    def score(self, total: Statistics) -> float:
        """Compute the score of summed statistics; shares in percent, 0 to 100. NaN if undefined.

        By default there are two, and the score is the first divided by the second, in percent if
        that is the unit.
        """
        return compute_percent(*total) if self.unit == "%" else compute_ratio(*total)

    def describe(self, total: Statistics) -> Mapping[str, float]:
        """Return further numbers of summed statistics, such as answers that could not be parsed."""
        return {}

    def list_settings(self) -> Mapping[str, Any]:
        """Return the fields that `str` shows: those that are not their defaults."""
        values = {field: getattr(self, field.name) for field in get_init_fields(type(self))}
        return {field.name: value for field, value in values.items() if value != field.default}

    def __str__(self) -> str:
        """Format the metric as in tasks.yaml."""
        items = [f"{key}={value!r}" for key, value in self.list_settings().items()]
        return f"{self.get_name()}({', '.join(items)})" if items else self.get_name()


class AnswerMetric(Metric, Generic[Answer]):
    """A metric that compares a prediction with the accepted answers, which are texts.

    Kinds are frozen keyword-only dataclasses, subclasses of `TextMetric` or `ChoiceMetric`.
    `parse_metric` reads the `str` of one back to an equal metric.
    """

    prediction_type: ClassVar[type[AnswerPrediction]]

    def fit(self, answers: Iterable[tuple[str, ...]]) -> "AnswerMetric[Answer]":
        """Return the metric fitted to all answers of a split; by default itself."""
        return self

    def check(self, answers: tuple[str, ...]) -> None:
        """Raise ValueError if this metric cannot score a sample with these answers."""

    @abstractmethod
    def statistics(self, prediction: Answer, answers: tuple[str, ...]) -> Statistics:
        """Compute the statistics of one sample, which add up; `answers` are one or more."""

    def compute_statistics(
        self, rows: Sequence[Mapping[str, Any]]
    ) -> tuple["AnswerMetric[Answer]", Float64[np.ndarray, "samples statistics"]]:
        """Fit the metric to the answers of all rows, and compute the statistics of each.

        A row has "prediction", as `AnswerPrediction.dump` returns it, and a list "answers".
        """
        fitted, load = self.fit(tuple(row["answers"]) for row in rows), self.prediction_type.load
        found = [
            fitted.statistics(cast(Answer, load(row["prediction"])), tuple(row["answers"]))
            for row in rows
        ]
        return fitted, np.stack(found).astype(np.float64)


class TextMetric(AnswerMetric[TextPrediction]):
    """A metric of generated text. Kinds are frozen keyword-only dataclasses."""

    prediction_type = TextPrediction


class ChoiceMetric(AnswerMetric[ChoicePrediction]):
    """A metric of the scores of all allowed answers. Kinds are frozen keyword-only dataclasses."""

    prediction_type = ChoicePrediction


class DenseMetric(Metric):
    """A metric that compares a map with a label. Kinds are frozen keyword-only dataclasses."""

    prediction_type = MapPrediction

    @abstractmethod
    def statistics(self, prediction: MapPrediction, label: Shaped[Tensor, "*label"]) -> Statistics:
        """Compute the statistics of one image: finite, of fixed length, additive over images.

        Unlabelled pixels are ignored.
        """

    def list_settings(self) -> Mapping[str, Any]:
        """Return the fields that fit into a name of a table."""
        settings = super().list_settings().items()
        return {name: value for name, value in settings if isinstance(value, str | int | float)}


def compute_ratio(part: float, whole: float) -> float:
    """Compute part / whole; NaN if `whole` is 0."""
    return float(part) / float(whole) if whole else float("nan")


def compute_percent(part: float, whole: float) -> float:
    """Compute 100 * part / whole; NaN if `whole` is 0."""
    return compute_ratio(100.0 * float(part), whole)


def compute_ratios(part: Statistics, whole: Statistics) -> Float64[np.ndarray, "..."]:
    """Compute part / whole of the items where `whole` is above 0; one NaN if it is for none."""
    there = whole > 0
    return part[there] / whole[there] if there.any() else np.array([np.nan])
