"""Tasks on the pictures of a dense data set, which a vision backbone with a head a task learns."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from coterie.dense.collate import PictureCollator
from coterie.dense.rows import DenseRows, DenseSample, DenseSet
from coterie.dense.task import DenseTask
from coterie.dense.vision import Seen
from coterie.embedded import home
from coterie.embedded.weights import MODEL
from coterie.hosts.multitask_vit import MultiTaskViT
from coterie.pretrained import EMBEDDED, Pretrained
from coterie.quiet import quiet
from coterie.recipe import Recipe
from coterie.train.lesson import Lesson
from coterie.train.losses import TokenLosses
from coterie.train.plan import Plan
from coterie.train.run import PRECISION
from coterie.tuner.targets import ROLE


class Pictures(Lesson):
    """A plan's dense data set; a row is a picture with all its labels, and an item is a picture."""

    def __init__(self, plan: Plan, pictures: DenseSet) -> None:
        self.plan, self.pictures = plan, pictures
        self.tasks, self.vision = pictures.tasks, plan.vision
        self.base = backbone(plan.base)
        check_places(plan.recipe)

    def training_rows(self) -> list[DenseRows]:
        return [self.pictures.rows("train", skip_bad_rows=self.plan.skip_bad_rows)]

    def validation_rows(self) -> list[DenseRows]:
        if not self.plan.looks:
            return []
        rows = self.pictures.rows("validation", skip_bad_rows=self.plan.skip_bad_rows)
        return [Seen(rows, self.tasks, self.vision)]

    def load(self) -> Pretrained:
        """`MultiTaskVision` on the plan's base; what is new in it is drawn from the plan's seed."""
        # Heavy: transformers' models.
        from coterie.dense.model import MultiTaskVision

        plan, vision = self.plan, self.vision
        with torch.random.fork_rng(), quiet():
            torch.manual_seed(plan.seed)
            model = MultiTaskVision.on(
                self.base,
                self.tasks,
                pretrained=vision.pretrained,
                drop_path=vision.drop_path,
                **vision.choices(),
            )
        collator = PictureCollator.of(self.base, self.tasks)
        return Pretrained(model.to(PRECISION[plan.precision]).eval(), collator, plan.base)  # pyright: ignore[reportArgumentType]

    def collator(self, processor: PictureCollator) -> PictureCollator:
        return processor

    def drawn(self, sample: DenseSample, lot: int) -> DenseSample:
        return self.vision.drawn(sample, self.tasks, lot)

    def losses(self, model: nn.Module, host: nn.Module, batch: dict[str, Any]) -> TokenLosses:
        """One loss for each picture and task with a label, times the task's weight."""
        said = model(pixel_values=batch["pixel_values"]).predictions
        return batch_losses(said, enumerate(self.tasks), batch)

    def items(self, batch: dict[str, Any]) -> int:
        return len(batch["pixel_values"])

    def present(self, batch: dict[str, Any]) -> list[str]:
        return sorted(name for name, known in batch["known"].items() if bool(known.any()))


def picture_losses(
    task: DenseTask, prediction: Float[Tensor, "batch channels *place"], batch: Mapping[str, Any]
) -> Float[Tensor, " samples"]:
    """The loss of each picture that has a label of a task, times the task's weight.

    Args:
        task: one with a label in the batch.
        prediction: what its head wrote.
        batch: the collator's.
    """
    losses = task.loss(prediction, batch["labels"][task.name])
    return task.weight * losses[batch["known"][task.name]]


def batch_losses(
    said: Mapping[str, Tensor], tasks: Iterable[tuple[int, DenseTask]], batch: Mapping[str, Any]
) -> TokenLosses:
    """The losses of a batch.

    Args:
        said: task's name -> what its head wrote.
        tasks: number and task of those that learn.
        batch: of a `PictureCollator`.
    """
    # Empty, so that heads without a label in the batch are in the graph, with a gradient of 0.
    found = [each.flatten()[:0].float() for each in said.values()]
    numbers = [torch.empty(0, dtype=torch.int64, device=found[0].device)]
    for number, task in tasks:
        if task.name not in batch["labels"]:
            continue
        mine = picture_losses(task, said[task.name], batch)
        found.append(mine)
        numbers.append(torch.full_like(mine, number, dtype=torch.int64))
    return TokenLosses(torch.cat(found), torch.cat(numbers))


def check_places(recipe: Recipe) -> None:
    """ValueError if a recipe puts experts where only a model of words has a place for them."""
    roles = MultiTaskViT.roles
    for at in [mixture.at for mixture in recipe.mixtures]:
        if isinstance(at, str) and ROLE.fullmatch(at) and at not in roles:
            raise ValueError(
                f"recipe {recipe.name!r} puts experts at {at!r}, and a model of dense tasks has "
                f"{' and '.join(roles)} alone: take mod_squad, m3vit, plain_moe or dense, or put "
                "them there by the recipe's `at`, if it has one"
            )


def backbone(base: str) -> str:
    """The folder or hub id of the vision model that is meant: "embedded" is that of `home()`.

    Raises ValueError if that was not fetched.
    """
    if base != EMBEDDED:
        return base
    folder = home() / "weights" / "vision"
    if not (folder / MODEL).is_file():
        raise ValueError(
            f'base="embedded": there is no vision model in {folder} yet; run `coterie fetch '
            "weights`, or set COTERIE_HOME to where you have fetched it"
        )
    return str(folder)
