"""`Setting`: what a stage's trainer works on, beside transformers' own arguments."""

from dataclasses import dataclass

from peft import PeftModel
from torch import nn

from coterie.losses.base import RoutingLoss
from coterie.train.batches import Order, Samples
from coterie.train.journal import Journal
from coterie.train.lesson import AnyCollator, Lesson
from coterie.train.stages import Trained
from coterie.train.validation import Validation


@dataclass(frozen=True, kw_only=True)
class Setting:
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
    trained: Trained
    host: tuple[str, ...]
    balancing: nn.Module
    lesson: Lesson
    losses: tuple[RoutingLoss, ...]
    tasks: tuple[str, ...]
    samples: Samples
    order: Order
    collate: AnyCollator
    journal: Journal
    validation: Validation | None
    stage: str
    before: int
    use_every: int
    routed: bool
