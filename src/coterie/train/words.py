"""Tasks that are answered in words, which a model that continues texts learns."""

from typing import TYPE_CHECKING, Any

from torch import nn

from coterie.data.collate import Collator
from coterie.data.rows import Rows
from coterie.data.sample import Sample
from coterie.pretrained import load
from coterie.train.lesson import Lesson
from coterie.train.losses import IGNORED, TokenLosses, token_losses
from coterie.train.plan import Plan
from coterie.train.run import PRECISION

if TYPE_CHECKING:
    from coterie.pretrained import Pretrained


class Words(Lesson):
    """The tasks of a plan, each with rows of its own; an item is a token of an answer."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def training_rows(self) -> list[Rows]:
        return [
            task.samples("train", skip_bad_rows=self.plan.skip_bad_rows) for task in self.plan.tasks
        ]

    def validation_rows(self) -> list[Rows]:
        return [
            task.samples("validation", skip_bad_rows=self.plan.skip_bad_rows)
            for task in self.plan.tasks
            if self.plan.looks and "validation" in task.splits()
        ]

    def load(self) -> "Pretrained":
        return load(self.plan.base, dtype=PRECISION[self.plan.precision])

    def collator(self, processor: Any) -> Collator:
        return Collator(
            processor,
            self.plan.names,
            max_length=self.plan.max_length,
            skip_long=self.plan.skip_bad_rows,
        )

    def drawn(self, sample: Sample, lot: int) -> Sample:
        return sample

    def losses(self, model: nn.Module, host: nn.Module, batch: dict[str, Any]) -> TokenLosses:
        return token_losses(model, host.get_output_embeddings(), batch)  # pyright: ignore[reportCallIssue]

    def items(self, batch: dict[str, Any]) -> int:
        # The first token of a text is predicted by none.
        return int(batch["labels"][:, 1:].ne(IGNORED).sum())

    def present(self, batch: dict[str, Any]) -> list[str]:
        return sorted({self.plan.names[i] for i in batch["task_ids"].tolist()})
