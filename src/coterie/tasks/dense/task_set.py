"""Tasks on the pictures of a dense data set, which a vision backbone with a head a task learns."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from coterie.families.multitask_vit import MultiTaskViT
from coterie.models.loading import EMBEDDED, LoadedModel
from coterie.recipe import Recipe
from coterie.tasks.dense.collator import DenseCollator
from coterie.tasks.dense.dataset import DenseDataset, DenseSample, DenseSamples
from coterie.tasks.dense.task import DenseTask
from coterie.tasks.dense.vision_config import ResizedDataset
from coterie.tasks.task_set import TaskSet
from coterie.third_party_warnings import suppress_third_party_warnings
from coterie.train.config import RunConfig
from coterie.train.objective import ItemLosses
from coterie.train.run import DTYPES
from coterie.tuner.injection import is_role
from coterie_demo import get_cache_dir
from coterie_demo.weights import MODEL


class DenseTasks(TaskSet):
    """A plan's dense data set; a row is a picture with all its labels, and an item is a picture."""

    def __init__(self, config: RunConfig, dataset: DenseDataset) -> None:
        self.config, self.pictures = config, dataset
        self.tasks, self.vision = dataset.tasks, config.vision
        self.base = resolve_backbone(config.base)
        check_mixture_sites(config.recipe)

    def load_training_rows(self) -> list[DenseSamples]:
        return [self.pictures.load_split("train", skip_bad_rows=self.config.skip_bad_rows)]

    def load_validation_rows(self) -> list[DenseSamples]:
        if not self.config.validates:
            return []
        rows = self.pictures.load_split("validation", skip_bad_rows=self.config.skip_bad_rows)
        return [ResizedDataset(rows, self.tasks, self.vision)]

    def load_model(self) -> LoadedModel:
        """`MultiTaskVision` on the plan's base; what is new in it is drawn from the plan's seed."""
        # Heavy: transformers' models.
        from coterie.models.multitask_vision.modeling import MultiTaskVisionModel

        plan, vision = self.config, self.vision
        with torch.random.fork_rng(), suppress_third_party_warnings():
            torch.manual_seed(plan.seed)
            model = MultiTaskVisionModel.from_backbone(
                self.base,
                self.tasks,
                pretrained=vision.pretrained,
                drop_path=vision.drop_path,
                **vision.get_model_kwargs(),
            )
        collator = DenseCollator.from_pretrained(self.base, self.tasks)
        return LoadedModel(model.to(DTYPES[plan.precision]).eval(), collator, plan.base)  # pyright: ignore[reportArgumentType]

    def make_collator(self, processor: DenseCollator) -> DenseCollator:
        return processor

    def transform(self, sample: DenseSample, seed: int) -> DenseSample:
        return self.vision.transform_for_training(sample, self.tasks, seed)

    def compute_losses(
        self, model: nn.Module, base_model: nn.Module, batch: dict[str, Any]
    ) -> ItemLosses:
        """One loss for each picture and task with a label, times the task's weight."""
        said = model(pixel_values=batch["pixel_values"]).predictions
        return compute_batch_losses(said, enumerate(self.tasks), batch)

    def count_items(self, batch: dict[str, Any]) -> int:
        return len(batch["pixel_values"])

    def get_task_names(self, batch: dict[str, Any]) -> list[str]:
        return sorted(name for name, known in batch["known"].items() if bool(known.any()))


def compute_task_losses(
    task: DenseTask, prediction: Float[Tensor, "batch channels *place"], batch: Mapping[str, Any]
) -> Float[Tensor, " samples"]:
    """The loss of each picture that has a label of a task, times the task's weight.

    Args:
        task: one with a label in the batch.
        prediction: what its head wrote.
        batch: the collator's.
    """
    losses = task.compute_loss(prediction, batch["labels"][task.name])
    return task.weight * losses[batch["known"][task.name]]


def compute_batch_losses(
    said: Mapping[str, Tensor], tasks: Iterable[tuple[int, DenseTask]], batch: Mapping[str, Any]
) -> ItemLosses:
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
        mine = compute_task_losses(task, said[task.name], batch)
        found.append(mine)
        numbers.append(torch.full_like(mine, number, dtype=torch.int64))
    return ItemLosses(torch.cat(found), torch.cat(numbers))


def check_mixture_sites(recipe: Recipe) -> None:
    """ValueError if a recipe puts experts where only a model of words has a place for them."""
    roles = MultiTaskViT.roles
    for at in [mixture.at for mixture in recipe.mixtures]:
        if isinstance(at, str) and is_role(at) and at not in roles:
            raise ValueError(
                f"recipe {recipe.name!r} puts experts at {at!r}, and a model of dense tasks has "
                f"{' and '.join(roles)} alone: take mod_squad, m3vit, plain_moe or dense, or put "
                "them there by the recipe's `at`, if it has one"
            )


def resolve_backbone(base: str) -> str:
    """The folder or hub id of the vision model that is meant: "embedded" is that of `home()`.

    Raises ValueError if that was not fetched.
    """
    if base != EMBEDDED:
        return base
    folder = get_cache_dir() / "weights" / "vision"
    if not (folder / MODEL).is_file():
        raise ValueError(
            f'base="embedded": there is no vision model in {folder} yet; run `coterie fetch '
            "weights`, or set COTERIE_HOME to where you have fetched it"
        )
    return str(folder)
