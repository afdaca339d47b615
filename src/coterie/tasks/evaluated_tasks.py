"""`EvaluatedTasks`: what evaluation asks of a task set, whose other half `TaskSet` is."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Unpack

import numpy as np
from torch import Tensor

from coterie.data.sample_check import SampleCheck
from coterie.metrics.base import Metric
from coterie.models.loading import LoadedModel
from coterie.tasks.predictions import (
    EvaluationDataset,
    ForwardPass,
    Prediction,
    PredictionResult,
    PredictOptions,
    RoutingTrace,
    ScoredPredictions,
)


class SharedSample(NamedTuple):
    """A sample that another split has, too: where it is from, and where the other split has it."""

    source: str
    other: str


class EvaluatedTasks(ABC):
    """The samples, predictions and metrics of a task set.

    Attributes:
        supports_blind: whether evaluation can leave images and sounds out of samples.
        prediction_fields: the fields that every line of a predictions file has.
    """

    supports_blind: ClassVar[bool] = False
    prediction_fields: ClassVar[tuple[str, ...]] = ("source", "statistics")

    @abstractmethod
    def load_evaluation_datasets(
        self, split: str, *, limit: int | None, blind: bool, skip_bad_rows: bool,
        sample_check: SampleCheck | None = None,
    ) -> Sequence[EvaluationDataset]:  # fmt: skip
        """Load the rows of a split for evaluation, all tasks together in the order of task ids.

        Args:
            limit: samples of a data set, the same at each call, spread over all; None for all.
            blind: leave out images and sounds; only where `supports_blind`.
            skip_bad_rows: leave out rows that cannot be read, and list them.
            sample_check: rows that it refuses are bad, too.

        Raises ValueError for a split that a task lacks, bad rows, or a task without rows.
        """

    @abstractmethod
    def make_prediction_key(self, dataset: EvaluationDataset, task: str) -> dict[str, Any]:
        """Return all that predictions, which are kept, depend on beside the model, as JSON."""

    @abstractmethod
    def predict(
        self, loaded: LoadedModel, dataset: EvaluationDataset, **options: Unpack[PredictOptions]
    ) -> PredictionResult:
        """Predict every task of one of `load_evaluation_datasets`, by a model, grafted or not."""

    @abstractmethod
    def get_metric(self, task: str) -> Metric:
        """Return the metric of a task; scores call it by its text."""

    def score_predictions(self, task: str, rows: Sequence[Prediction]) -> ScoredPredictions:
        """Return a task's metric and its statistics of each prediction; it scores their sum.

        By default those in the rows. Kinds whose rows keep what was predicted compute them anew.
        """
        statistics = np.array([row["statistics"] for row in rows], dtype=np.float64)
        return self.get_metric(task), statistics

    def make_sample_key(self, row: Prediction) -> str:
        """Return a line that tells a prediction's sample from all others, on any machine."""
        return row["source"]

    def find_shared_samples(
        self, datasets: Sequence[EvaluationDataset], split: str
    ) -> Mapping[str, Sequence[SharedSample]]:
        """Return task -> its samples that a split has, too, of any task.

        By default none are known; task sets whose samples can be compared override it.
        """
        return {}

    @abstractmethod
    def make_forward_pass(
        self, loaded: LoadedModel, datasets: Sequence[EvaluationDataset], *, num_samples: int
    ) -> ForwardPass:
        """Prepare the forward pass, over the first samples of each data set, to count FLOPs of."""

    def save_examples(  # noqa: B027  not all tasks have examples other than the predictions
        self, loaded: LoadedModel, dataset: EvaluationDataset, index_file: Path
    ) -> None:
        """Write what the report shows of a few samples: `index_file`, and files beside it."""

    def trace_routing(self, loaded: LoadedModel, dataset: EvaluationDataset) -> RoutingTrace | None:
        """Return what the gates decide for each token of a sample; None without such gates."""
        return None

    def load_model_inputs(
        self, processor: Any, split: str, *, limit: int | None, batch_size: int, skip_bad_rows: bool
    ) -> Iterator[dict[str, Tensor]]:
        """Iterate over a split's batches as the model's arguments. ValueError for no such split."""
        raise ValueError(
            f"split={split!r}: samples of a {type(self).__name__} are no inputs of a pruned model; "
            "give a run on a dense data set"
        )
