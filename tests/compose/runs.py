"""Runs on the tiny omni model for tests of `compose`, each trained once a process."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import torch
from torch import Tensor

import coterie
from coterie.models.omni import OmniForConditionalGeneration
from coterie.recipe import Recipe
from coterie.recipes import damc, shared_lora
from coterie.tasks import TextTasks
from coterie.train import Run
from tests.tinies.omni import encoders, omni_model, omni_processor
from tests.train.progressive import OPTIONS, base, tasks, trained

TASKS = {"pictures": "colour", "speech": "pitch", "words": "animal"}
RANKS = {"pictures": 2, "speech": 3, "words": 4}
SEEDS = {"pictures": 0, "speech": 1, "words": 2}


@cache
def naive(name: str) -> Run:
    """A run of one LoRA, of another rank for each modality."""
    return train(name, shared_lora(rank=RANKS[name], alpha=3.0))


@cache
def decoupled(name: str) -> Run:
    """A run of the recipe damc, which trains all connectors, too."""
    return train(name, damc(rank=2, alpha=4.0, dropout=0.0, trains=("adapter", "connector")))


@cache
def equal(name: str) -> Run:
    """A run of one LoRA of rank 2."""
    return train(name, shared_lora(rank=2, alpha=4.0))


@cache
def apart(name: str) -> Run:
    """A run of one LoRA, on a base model that has the encoders of its own modality alone."""
    modality = {"pictures": "image", "speech": "audio"}[name]
    return coterie.train(
        shared_lora(rank=RANKS[name], alpha=3.0), base=make_part(modality), tasks=select(name),
        seed=SEEDS[name], steps=3, out=new_folder(), **OPTIONS,
    )  # fmt: skip


@cache
def make_part(modality: str) -> Path:
    """Save the tiny omni model without the encoders of other modalities."""
    folder = Path(mkdtemp())
    processor = omni_processor([each for each in encoders() if each.modality == modality])
    part = omni_model(processor)
    whole = OmniForConditionalGeneration.from_pretrained(base()).state_dict()
    part.load_state_dict({name: whole[name] for name in part.state_dict()})
    part.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def train(name: str, recipe: Recipe, **options: Any) -> Run:
    """Three steps on the task of a modality."""
    given: dict[str, Any] = {"tasks": select(name), "seed": SEEDS[name], "steps": 3}
    return trained(new_folder(), recipe, **(given | options))


def select(*names: str) -> TextTasks:
    """The tasks of these modalities."""
    return tasks().select([TASKS[name] for name in names])


def new_folder() -> Path:
    """A folder that does not exist, beside no other."""
    return Path(mkdtemp()) / "run"


@cache
def load(folder: Path) -> Any:
    """A run's model and processor."""
    return Run.read(folder).load(device="cpu")


@torch.no_grad()
def compute_logits(run: Run, name: str) -> Tensor:
    """A run's logits for the four rows of a modality, without any task ids."""
    loaded, task = load(run.folder), select(name)
    (rows,) = task.load_datasets("train")
    batch = task.make_collator(loaded.processor)([rows[i] for i in range(4)])
    for unused in ("labels", "task_ids"):
        batch.pop(unused, None)
    return loaded.model(**batch).logits
