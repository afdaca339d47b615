"""Tiny runs on pictures, made by hand: a folder each, with a plan, an adapter and a base."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import torch
from transformers import ViTConfig, ViTModel

import coterie
from coterie import Copies, Mixture, TaskGate, TopK
from coterie.data.dataset import BadRow
from coterie.devices import Precision
from coterie.recipe import Recipe
from coterie.stage import Stage
from coterie.tasks.dense.dataset import DenseDataset, DenseSample, DenseSamples
from coterie.tasks.dense.kinds.distillation import Distillation
from coterie.tasks.dense.kinds.regression import Regression
from coterie.tasks.dense.kinds.segmentation import Segmentation
from coterie.tasks.dense.task import DenseTask
from coterie.tasks.dense.task_set import DenseTasks
from coterie.tasks.dense.vision_config import VisionConfig
from coterie.train.config import RunConfig
from coterie.train.run import Run
from tests.tinies.base import VISION

TASKS: dict[str, DenseTask] = {
    "depth": Regression(name="depth"),
    "classes": Segmentation(name="classes", classes=3),
    "scene": Distillation(name="scene", classes=4),
}


class RandomRows(DenseSamples):
    """Pictures of 28 x 28; every fourth has no label of "classes"."""

    bad_rows: tuple[BadRow, ...] = ()

    def __init__(self, count: int, names: tuple[str, ...], seed: int) -> None:
        self.count, self.names, self.seed = count, names, seed

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> DenseSample:
        generator = torch.Generator().manual_seed(self.seed + index)
        image = torch.randint(256, (3, 28, 28), generator=generator).byte()
        labels = {
            "depth": torch.rand(1, 28, 28, generator=generator),
            "classes": torch.randint(3, (28, 28), generator=generator),
            "scene": torch.eye(4)[index % 4],
        }
        if index % 4 == 3:
            del labels["classes"]
        mine = {name: label for name, label in labels.items() if name in self.names}
        return DenseSample(image=image, labels=mine, source=f"test/{index}")


@dataclass(frozen=True, kw_only=True)
class RandomPictures(DenseDataset):
    """As many test pictures as `count` says."""

    names: tuple[str, ...] = tuple(TASKS)
    count: int = 10
    splits: tuple[str, ...] = ("test",)

    @property
    def tasks(self) -> tuple[DenseTask, ...]:
        return tuple(TASKS[name] for name in self.names)

    def load_split(self, split: str, *, skip_bad_rows: bool = False) -> DenseSamples:
        if split not in self.splits:
            known = ", ".join(self.splits)
            raise ValueError(f"RandomPictures has no split {split!r}: ask for {known}")
        return RandomRows(self.count, self.names, seed=0 if split == "test" else 1000)


@cache
def base() -> Path:
    """A folder with a tiny ViT, saved once; no test changes it."""
    folder = Path(mkdtemp(prefix="coterie-vit-"))
    torch.manual_seed(0)
    ViTModel(ViTConfig(**VISION), add_pooling_layer=False).save_pretrained(folder)
    return folder


def recipe(name: str = "squad", *, experts: bool = True) -> Recipe:
    """Two of four MLP experts a token, or none."""
    mixture = Mixture(
        at="vision.mlp", experts=Copies(count=4), gate=TaskGate(init_std=1.0), router=TopK(k=2)
    )
    stage = Stage(name="one", trains=("adapter",) if experts else ("host",), steps=1)
    return Recipe(name=name, mixtures=(mixture,) if experts else (), stages=(stage,))


def dense_run(
    folder: Path,
    pictures: DenseDataset,
    *,
    seed: int = 0,
    made_by: Recipe | None = None,
    vision: VisionConfig | None = None,
    precision: Precision = "float32",
) -> Run:
    """A run as it is after training, its weights drawn instead of trained."""
    folder.mkdir(parents=True)
    plan = RunConfig(
        recipe=made_by or recipe(), base=str(base()), seed=seed, precision=precision,
        tasks=DenseTasks(dataset=pictures, vision=vision or VisionConfig()),
    )  # fmt: skip
    host = plan.load_base().model
    torch.manual_seed(seed)
    model = coterie.graft(host, plan.recipe.mixtures, tasks=plan.task_names)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "coterie" in name and parameter.ndim > 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(folder / "adapter")
    (folder / "run.json").write_text(plan.dumps())
    (folder / "log.jsonl").write_text('{"step": 1, "time_s": 2.0, "samples": 8}\n')
    return Run.read(folder)
