"""The data sets of a task set, their batches, and the predictions for them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, NotRequired, Protocol, TypedDict, runtime_checkable

import numpy as np
from jaxtyping import Float

from coterie.data.dataset import BadRow
from coterie.metrics.base import Metric
from coterie.routing.decision import Tape

Prediction = dict[str, Any]
"""A line of predictions/SPLIT/TASK.jsonl: "source", "statistics", and what else a task set keeps,
such as "question", "prediction" and "answers"."""


@runtime_checkable
class TaskDataset(Protocol):
    """A map-style data set of samples, which are read when they are asked for."""

    bad_rows: tuple[BadRow, ...]
    """The rows that were left out, with the reason of each."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Any: ...


@runtime_checkable
class Collator(Protocol):
    """Makes the batch that a model takes from samples."""

    def __call__(self, samples: Sequence[Any]) -> dict[str, Any]: ...


@dataclass(frozen=True, kw_only=True)
class EvaluationDataset:
    """Samples with the tasks that are evaluated on each of them, in one forward pass.

    Attributes:
        name, unit: for the progress bar, its name and that of a sample.
        tasks: at least one; different data sets have different tasks.
        samples: a sequence whose samples are read when they are asked for.
        bad_rows: the skipped rows.
    """

    name: str
    tasks: tuple[str, ...]
    samples: Any
    unit: str = "sample"
    bad_rows: tuple[BadRow, ...] = ()


class PredictOptions(TypedDict):
    """Options of a prediction.

    Attributes:
        batch_size: samples a forward pass, at least 1.
        on_routing: called with what the mixtures decided for a batch's inputs; None for a model
            without mixtures.
        on_batch_end: called after each batch with the number of samples that are done.
    """

    batch_size: int
    on_routing: NotRequired[Callable[[Tape], object] | None]
    on_batch_end: NotRequired[Callable[[int], object]]


class PredictionResult(NamedTuple):
    """Predictions for a data set: task -> a prediction for each sample, in the samples' order."""

    rows: Mapping[str, Sequence[Prediction]]
    seconds: float
    """Of the model, without reading, scoring and cached encoders, so that runs compare; the sum
    over processes."""


ScoredPredictions = tuple[Metric, Float[np.ndarray, "samples statistics"]]
"""A metric, and its statistics of each prediction: it scores their sum."""


@dataclass(frozen=True, kw_only=True)
class RoutingTrace:
    """What the gates decided for each token of a sample's prompt.

    Attributes:
        source: the sample's file and row.
        tokens: the text of each token.
        modalities: the name of each token's modality.
        layers: layer -> the weights of each token's experts, rounded.
    """

    source: str
    tokens: tuple[str, ...]
    modalities: tuple[str, ...]
    layers: Mapping[str, tuple[tuple[float, ...], ...]]


class ForwardPass(NamedTuple):
    """A forward pass over some samples, and the number of predictions that it makes.

    A prediction is one sample's for one task, so that runs of many tasks compare with runs of one.
    """

    run: Callable[[], object]
    num_predictions: int
