"""New tasks on pictures, which learn beside the frozen tasks of an earlier run."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from peft import PeftModel
from safetensors import safe_open
from torch import nn

from coterie.dense.collate import PictureCollator
from coterie.dense.rows import DenseRows, DenseSample, DenseSet
from coterie.train.adopts import Adopts
from coterie.train.lesson import Lesson
from coterie.train.losses import TokenLosses
from coterie.train.pictures import Pictures, batch_losses
from coterie.train.plan import Plan
from coterie.train.run import ADAPTER, Run
from coterie.train.stages import Kept, Trained, own_name
from coterie.tuner.config import WEIGHTS

if TYPE_CHECKING:
    from coterie.pretrained import Pretrained


class Adopting(Lesson):
    """`Pictures` of all tasks, of which only the new ones run and learn."""

    def __init__(self, plan: Plan, pictures: DenseSet, adopts: Adopts) -> None:
        self.whole, self.adopts = Pictures(plan, pictures), adopts
        self.tasks, self.new = pictures.tasks, adopts.new(plan.names)

    def training_rows(self) -> list[DenseRows]:
        return self.whole.training_rows()

    def validation_rows(self) -> list[DenseRows]:
        return self.whole.validation_rows()

    def load(self) -> "Pretrained":
        return self.whole.load()

    def begin(self, model: PeftModel) -> tuple[str, ...]:
        """All tasks' weights from the earlier run, the new gates from the old."""
        # Heavy: transformers' models.
        from coterie.dense.adopt import check, filled

        run = Run.read(self.adopts.run)
        before: Any = run.load().model
        base: Any = model.get_base_model()
        old, host = before.get_base_model().config.tasks, base.config
        if host.tasks[: len(old)] != old:
            raise ValueError(
                f"the first tasks of the data set differ from those of {run.folder}: now "
                f"{host.tasks[: len(old)]}, then {old}"
            )
        for task in self.tasks[len(old) :]:
            check(before, task, self.adopts.like, "default")
        like = None if self.adopts.like is None else self.adopts.keeps.index(self.adopts.like)
        model.load_state_dict(filled(before.state_dict(), model.state_dict(), like))
        with safe_open(run.folder / ADAPTER / WEIGHTS, framework="pt") as file:
            learned = {name for name in file.keys() if ".coterie_" not in name}
        return tuple(
            name
            for name, _ in model.named_parameters()
            if ".coterie_" not in name
            and (name in learned or own_name(name).startswith(("heads.", "embeddings.")))
        )

    def narrowed(self, model: PeftModel, trained: Trained) -> Trained:
        """Without the old tasks' heads, and with their rows of gates and vectors kept."""
        count, kept, heads = len(self.adopts.keeps), list(trained.kept), set()
        old = tuple(f"heads.{number}." for number in range(count))
        for name, parameter in model.named_parameters():
            if not parameter.requires_grad:
                continue
            if own_name(name).startswith(old):
                parameter.requires_grad_(False)
                heads.add(name)
            elif ".coterie_gate." in name or own_name(name).startswith("embeddings."):
                rows, values = slice(0, count), parameter.detach()[:count].clone()
                kept.append(Kept(parameter=parameter, rows=rows, values=values))
        host = tuple(name for name in trained.host if name not in heads)
        return replace(trained, host=host, kept=tuple(kept))

    def collator(self, processor: PictureCollator) -> PictureCollator:
        return processor

    def drawn(self, sample: DenseSample, lot: int) -> DenseSample:
        return self.whole.drawn(sample, lot)

    def losses(self, model: nn.Module, host: nn.Module, batch: dict[str, Any]) -> TokenLosses:
        """One loss for each picture and new task with a label, times the task's weight."""
        said = model(pixel_values=batch["pixel_values"], tasks=self.new).predictions
        count = len(self.adopts.keeps)
        return batch_losses(said, list(enumerate(self.tasks))[count:], batch)

    def items(self, batch: dict[str, Any]) -> int:
        return self.whole.items(batch)

    def present(self, batch: dict[str, Any]) -> list[str]:
        return [name for name in self.whole.present(batch) if name in self.new]
