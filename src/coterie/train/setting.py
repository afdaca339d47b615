"""`Setting`: what a stage's trainer works on, beside transformers' own arguments."""

from dataclasses import dataclass

from peft import PeftModel
from torch import nn

from coterie.losses.base import RoutingLoss
from coterie.train.batches import StageBatchSampler, MultiTaskDataset
from coterie.train.journal import MetricLog
from coterie.train.lesson import AnyCollator, TaskSet
from coterie.train.stages import TrainableParameters
from coterie.train.validation import Validation


@dataclass(frozen=True, kw_only=True)
class StageContext:
    """What a stage's trainer works on, beside transformers' own arguments.

    Attributes:
        model: the grafted model.
        trained: what learns.
        host: names of the host's parameters that learn here or have learned before.
        balancing: the module that makes one loss of the tasks'.
        lesson: what is learned.
        losses: on the routing.
        tasks: names.
        samples, order, collate: the data.
        journal: where lines go.
        validation: what is looked at; None for nothing.
        stage: its name.
        before: steps of the stages before this.
        use_every: lines between two with expert use; 0 for none.
        routed: whether the stage has mixtures that decide.
    """

    model: PeftModel
    trainable: TrainableParameters
    base_parameters: tuple[str, ...]
    balancing: nn.Module
    task_set: TaskSet
    losses: tuple[RoutingLoss, ...]
    tasks: tuple[str, ...]
    dataset: MultiTaskDataset
    batch_sampler: StageBatchSampler
    collator: AnyCollator
    metric_log: MetricLog
    validation: Validation | None
    stage_name: str
    finished_steps: int
    log_usage_every: int
    is_routed: bool
