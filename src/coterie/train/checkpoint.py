"""Checkpoints: folders that are written atomically and contain no pickle."""

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from transformers import TrainerState
from transformers.trainer import TRAINER_STATE_NAME

from coterie import distributed
from coterie.io import PARTIAL, commit, explain_write_errors, save_tensors
from coterie.train import adapter_weights
from coterie.train.checksums import write_checksums
from coterie.train.running_sums import RunningSums
from coterie.train.sharding import gather_on_rank_zero, place_like
from coterie.train.stage_context import StageContext

CHECKPOINT_PREFIX = "checkpoint-"
BEST_FOLDER = "best"
STATE_FILE, TENSORS_FILE = "training_state.json", "training_state.safetensors"
RANDOM, BALANCING = "random.", "balancing."
"""Prefixes of the names of generators' states, and of the balancing's own parameters."""


def write_atomically(folder: Path, write: Callable[[Path], None]) -> None:
    """Fill a folder under a temporary name with `write`, add checksums, and then rename it.

    A process that is killed meanwhile leaves no folder of that name, or the old one.
    Raises OSError if it cannot be written, naming the last checkpoint.
    """
    unfinished = folder.with_name(folder.name + PARTIAL)
    shutil.rmtree(unfinished, ignore_errors=True)
    before = find_latest(folder.parent)
    left = f"The last checkpoint is {before}" if before else "What was saved before is kept"
    advice = f"{left}. Make room and go on with resume=True (--resume)"
    with explain_write_errors(folder, advice):
        try:
            unfinished.mkdir(parents=True)
            write(unfinished)
            write_checksums(unfinished)
            if folder.exists():  # a repeated step after a resume; its content is the same
                shutil.rmtree(folder)
            commit(unfinished, folder)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise


def get_step(folder: Path) -> int:
    """Return the step after which a checkpoint was written."""
    return int(folder.name.removeprefix(CHECKPOINT_PREFIX))


def list_checkpoints(stage: Path) -> list[Path]:
    """List a stage's complete checkpoints, the earliest first."""
    named = stage.glob(f"{CHECKPOINT_PREFIX}*")
    found = [each for each in named if each.name.removeprefix(CHECKPOINT_PREFIX).isdigit()]
    return sorted(found, key=get_step)


def find_latest(stage: Path) -> Path | None:
    """Return a stage's last complete checkpoint; None for none."""
    return next(reversed(list_checkpoints(stage)), None)


def remove_old(stage: Path) -> None:
    """Remove all checkpoints but the last two."""
    for path in list_checkpoints(stage)[:-2]:
        # Renamed first: a partly removed checkpoint must not be read as one.
        gone = path.rename(path.with_name(path.name + PARTIAL))
        shutil.rmtree(gone, ignore_errors=True)


def collect_random() -> dict[str, Tensor]:
    """Return the states of torch's generators of every process, by "random.DEVICE.RANK"."""
    mine = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        mine["cuda"] = torch.cuda.get_rng_state()
    return {
        f"{RANDOM}{name}.{rank}": state
        for rank, states in enumerate(distributed.all_gather_object(mine))
        for name, state in states.items()
    }


def save_state(folder: Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write tensors, JSON facts, and the state of this process's other random generators."""
    name, keys, *rest = np.random.get_state(legacy=True)
    facts = facts | {"python": random.getstate(), "numpy": [name, np.asarray(keys).tolist(), *rest]}
    save_tensors({k: v.contiguous() for k, v in tensors.items()}, folder / TENSORS_FILE)
    (folder / STATE_FILE).write_text(json.dumps(facts), encoding="utf-8")


def load_facts(folder: Path) -> dict[str, Any]:
    """Read the JSON facts of a checkpoint."""
    return json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))


def load_state(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    return load_file(folder / TENSORS_FILE), load_facts(folder)


def load_random(folder: Path) -> int:
    """Restore the random number generators; return the step of the last log record."""
    tensors, facts = load_state(folder)
    version, internal, gauss = facts["python"]
    random.setstate((version, tuple(internal), gauss))
    name, keys, *rest = facts["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), *rest))
    rank = distributed.get_rank()
    # With more processes than before, the new ones take the first one's.
    mine = {
        name: tensors.get(f"{RANDOM}{name}.{rank}", tensors.get(f"{RANDOM}{name}.0"))
        for name in ("cpu", "cuda")
    }
    assert mine["cpu"] is not None
    torch.set_rng_state(mine["cpu"])
    if mine["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(mine["cuda"])
    return facts["logged"]


def get_optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """Return the optimizer's state by parameter number; its settings are in the configuration.

    On rank 0; others get empty tensors, and must call it, too.
    """
    return {
        f"optimizer.{number}.{name}": gather_on_rank_zero(torch.as_tensor(value))
        for number, values in optimizer.state_dict()["state"].items()
        for name, value in values.items()
    }


def load_optimizer(optimizer: Optimizer, tensors: dict[str, Tensor]) -> None:
    """Load what `get_optimizer_tensors` returned into an optimizer with the same parameters."""
    parameters = [each for group in optimizer.param_groups for each in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, number, name = key.split(".")
            like = parameters[int(number)]
            if value.shape == like.shape:  # all but the optimizer's step count
                # Fused optimizers traverse memory without regard to strides: a moment in another
                # layout than its parameter's would update other weights than its own.
                value = torch.empty_like(like, dtype=value.dtype).copy_(place_like(value, like))
            state.setdefault(int(number), {})[name] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def load_balancing(module: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Load the balancing's own parameters from the tensors of a checkpoint."""
    found = {k.removeprefix(BALANCING): v for k, v in tensors.items() if k.startswith(BALANCING)}
    module.load_state_dict(found)


def save_trainer(
    state: TrainerState, optimizer: Optimizer, sums: RunningSums, last_logged_step: int
) -> None:
    """Write a checkpoint on rank 0, and remove all but the last two; every process must call it.

    It is the same whether parameters are sharded or not. `sums` are those since the last log.
    """
    context, step = sums.context, state.global_step
    weights = adapter_weights.collect(context.model, context.base_parameters)
    balancing = context.balancing.state_dict(prefix=BALANCING)
    tensors = get_optimizer_tensors(optimizer) | sums.get_tensors() | collect_random()
    if not distributed.is_rank_zero():
        return
    tensors |= {name: each.detach().cpu() for name, each in balancing.items()}
    facts: dict[str, Any] = {"step": context.finished_steps + step, "logged": last_logged_step}
    facts["time_s"] = context.metric_log.get_time_s()
    facts["log_sha256"] = context.metric_log.compute_digest()
    if context.validation is not None:
        facts["validation"] = context.validation.state_dict()
    if context.shares is not None:
        facts["task_shares"] = context.shares.state_dict()
    free: dict[str, Any] = {"save_steps": None}  # Trainer would warn of another, and go on with it

    def write(folder: Path) -> None:
        adapter_weights.save_tensors(weights, folder)
        save_state(folder, tensors, facts)
        replace(state, **free).save_to_json(str(folder / TRAINER_STATE_NAME))

    write_atomically(context.folder / f"{CHECKPOINT_PREFIX}{step}", write)
    remove_old(context.folder)


def save_best(context: StageContext) -> None:
    """Save the best weights of a stage so far, on rank 0; every process must call it."""
    weights = adapter_weights.collect(context.model, context.base_parameters)
    if distributed.is_rank_zero():
        save = partial(adapter_weights.save_tensors, weights)
        write_atomically(context.folder / BEST_FOLDER, save)


def load_trainer(
    folder: Path, state: TrainerState, optimizer: Optimizer, scheduler: LambdaLR, sums: RunningSums
) -> None:
    """Restore all of a checkpoint but weights and random states."""
    tensors, facts = load_state(folder)
    state.save_steps = sums.context.config.save_every
    load_optimizer(optimizer, tensors)
    load_balancing(sums.context.balancing, tensors)
    sums.restore(tensors)
    # The schedule depends on its step alone; with a count of 1, torch would miss a step before.
    scheduler.last_epoch, scheduler._step_count = state.global_step - 1, state.global_step + 1
    scheduler.step()
    if sums.context.validation is not None:
        sums.context.validation.load_state_dict(facts["validation"])
    if sums.context.shares is not None:
        sums.context.shares.load_state_dict(facts["task_shares"])
