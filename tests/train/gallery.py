"""A tiny vision backbone in a folder, and a data set of a few pictures with three tasks."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import torch
from transformers import ViTConfig, ViTModel

from coterie import (
    AttentionHeads,
    Copies,
    Mixture,
    MutualInformation,
    Recipe,
    Stage,
    TaskGate,
    TopK,
    Uncertainty,
)
from coterie.data.dataset import BadRow
from coterie.tasks.dense.dataset import DenseDataset, DenseSample, DenseSamples
from coterie.tasks.dense.kinds.distillation import Distillation
from coterie.tasks.dense.kinds.regression import Regression
from coterie.tasks.dense.kinds.segmentation import Segmentation
from coterie.tasks.dense.task import DenseTask
from coterie.train import Run, train
from tests.tinies.base import VISION

SIDE = 28
SPLITS = {"train": range(12), "validation": range(12, 15)}
TASKS = {
    "grey": Regression(name="grey", weight=2.0),
    "half": Segmentation(name="half", classes=2),
    "light": Distillation(name="light", classes=3),
}


@cache
def base() -> str:
    """A folder with a random ViT of two layers."""
    folder = mkdtemp()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        ViTModel(ViTConfig(**VISION), add_pooling_layer=False).save_pretrained(folder)
    return folder


@dataclass(frozen=True, kw_only=True)
class Gallery(DenseDataset):
    """Pictures of one colour with noise: how grey each pixel is, which are light, the mean colour.

    Every third picture has no label of "half".
    """

    names: tuple[str, ...] = tuple(TASKS)
    num_damaged: int = 0

    @property
    def tasks(self) -> tuple[DenseTask, ...]:
        return tuple(TASKS[name] for name in self.names)

    def load_split(self, split: str, *, skip_bad_rows: bool = False) -> DenseSamples:
        if self.num_damaged and not skip_bad_rows:
            raise ValueError(f"Gallery, {split} has {self.num_damaged} bad samples")
        return Paintings(SPLITS[split], self.names, self.num_damaged)


class Paintings(DenseSamples):
    def __init__(self, numbers: range, names: tuple[str, ...], damaged: int) -> None:
        self.numbers, self.names = numbers[damaged:], names
        self.bad_rows = tuple(
            BadRow(source=f"picture {number}", field="grey", reason="is empty")
            for number in numbers[:damaged]
        )

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> DenseSample:
        number = self.numbers[index]
        lots = torch.Generator().manual_seed(number)
        colour = torch.rand(3, 1, 1, generator=lots)
        noise = torch.rand(3, SIDE, SIDE, generator=lots)
        image = ((0.8 * colour + 0.2 * noise) * 255).byte()
        grey = image.float().mean(0, keepdim=True) / 255
        labels = {
            "grey": grey,
            "half": (grey[0] > 0.5).long(),
            "light": image.float().mean((1, 2)) / 255,
        }
        wanted = [name for name in self.names if name != "half" or number % 3]
        return DenseSample(
            image=image, labels={name: labels[name] for name in wanted}, source=f"picture {number}"
        )


OPTIONS: dict[str, Any] = {
    "batch_size": 4, "log_every": 2, "save_every": 2, "use_every": 1, "progress": False
}  # fmt: skip


def learned(
    folder: Path, recipe: Recipe, pictures: DenseDataset | None = None, **options: Any
) -> Run:
    """A run on the gallery."""
    return train(
        recipe, base=base(), tasks=pictures or Gallery(), out=folder, **(OPTIONS | options)
    )


def experts(**stage: Any) -> Recipe:
    """All kinds of experts that a vision model has, noise, sigma, and a loss on the routing."""
    router = TopK(k=1, noise=0.1)
    return Recipe(
        name="experts",
        mixtures=(
            Mixture(
                at="vision.attn", experts=AttentionHeads(count=3), gate=TaskGate(), router=router
            ),
            Mixture(
                at="vision.mlp",
                experts=Copies(count=2),
                gate=TaskGate(noisy=True),
                router=TopK(k=1),
            ),
        ),
        losses=(MutualInformation(weight=0.1),),
        balancing=Uncertainty(),
        stages=(Stage(**{"trains": ("adapter", "host"), "learning_rate": 1e-2} | stage),),
    )
