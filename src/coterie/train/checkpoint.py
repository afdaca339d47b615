"""Checkpoints: folders that are written atomically and contain no pickle."""

import errno
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

CHECKPOINT_PREFIX = "checkpoint-"
PARTIAL_PREFIX = ".partial"
STATE_FILE, TENSORS_FILE = "training_state.json", "training_state.safetensors"


def write_atomically(folder: Path, write: Callable[[Path], None]) -> Path:
    """Fill a folder under a temporary name with `write`, and then rename it.

    A process that is killed meanwhile leaves no folder of that name, or the old one.
    Raises OSError if the disk is full, naming the last checkpoint.
    """
    partial = folder.with_name(folder.name + PARTIAL_PREFIX)
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        write(partial)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise make_disk_full_error(error, folder) from error
    except Exception as error:
        shutil.rmtree(partial, ignore_errors=True)
        # safetensors wraps the system's error.
        if "os error 28" in str(error).lower() or "no space left" in str(error).lower():
            raise make_disk_full_error(
                OSError(errno.ENOSPC, "No space left on device"), folder
            ) from error
        raise
    if folder.exists():  # a repeated step after a resume; its content is the same
        shutil.rmtree(folder)
    partial.rename(folder)
    return folder


def make_disk_full_error(error: OSError, folder: Path) -> OSError:
    """Return the error of a failed write; for a full disk, with the last checkpoint and advice."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return error
    before = find_latest(folder.parent)
    left = f"the last checkpoint is {before}" if before else "there is no checkpoint yet"
    return OSError(
        errno.ENOSPC,
        f"the disk is full: {folder} could not be written; {left}. Make room and go on with "
        "resume=True (--resume)",
    )


def get_step(folder: Path) -> int:
    """Return the step after which a checkpoint was written."""
    return int(folder.name.removeprefix(CHECKPOINT_PREFIX))


def list_checkpoints(stage: Path) -> list[Path]:
    """List a stage's complete checkpoints, the earliest first."""
    found = [
        path
        for path in stage.glob(f"{CHECKPOINT_PREFIX}*")
        if path.name.removeprefix(CHECKPOINT_PREFIX).isdigit()
    ]
    return sorted(found, key=get_step)


def find_latest(stage: Path) -> Path | None:
    """Return a stage's last complete checkpoint; None for none."""
    return next(reversed(list_checkpoints(stage)), None)


def remove_old(stage: Path, *, keep: int, also: int | None = None) -> None:
    """Remove all checkpoints but the last `keep` and that of step `also`."""
    for path in list_checkpoints(stage)[:-keep]:
        if get_step(path) != also:
            # Renamed first: a partly removed checkpoint must not be read as one.
            gone = path.rename(path.with_name(path.name + PARTIAL_PREFIX))
            shutil.rmtree(gone, ignore_errors=True)


def save_state(folder: Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write tensors, JSON facts, and the state of all random number generators."""
    name, keys, *rest = np.random.get_state(legacy=True)
    randomness = {"random.cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        randomness["random.cuda"] = torch.cuda.get_rng_state()
    facts = facts | {"python": random.getstate(), "numpy": [name, np.asarray(keys).tolist(), *rest]}
    save_file({k: v.contiguous() for k, v in (tensors | randomness).items()}, folder / TENSORS_FILE)
    (folder / STATE_FILE).write_text(json.dumps(facts), encoding="utf-8")


def load_state(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the tensors and facts that `save_state` wrote."""
    tensors = {k: v for k, v in load_file(folder / TENSORS_FILE).items() if not _is_random_state(k)}
    return tensors, json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))


def load_random(folder: Path) -> None:
    """Restore the state of all random number generators."""
    tensors = load_file(folder / TENSORS_FILE)
    facts = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
    version, internal, gauss = facts["python"]
    random.setstate((version, tuple(internal), gauss))
    name, keys, *rest = facts["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), *rest))
    torch.set_rng_state(tensors["random.cpu"])
    if "random.cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["random.cuda"])


def _is_random_state(name: str) -> bool:
    return name.startswith("random.")


def get_optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the optimizer's state by parameter number; its settings are in the configuration."""
    state = optimizer.state_dict()["state"]
    return {
        f"optimizer.{number}.{name}": torch.as_tensor(value).detach().cpu()
        for number, values in state.items()
        for name, value in values.items()
    }


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Load what `get_optimizer_tensors` returned into an optimizer with the same parameters."""
    parameters = [each for group in optimizer.param_groups for each in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        kind, _, rest = key.partition(".")
        if kind == "optimizer":
            number, _, name = rest.partition(".")
            state.setdefault(int(number), {})[name] = match_layout(parameters[int(number)], value)
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def match_layout(parameter: Tensor, value: Tensor) -> Tensor:
    """Return `value` in the memory layout of `parameter`, if their shapes agree.

    Fused optimizers traverse memory without regard to strides: a moment that was loaded in another
    layout than its parameter's would update other weights than its own.
    """
    if value.shape != parameter.shape:  # the optimizer's step count
        return value
    return torch.empty_like(parameter, dtype=value.dtype, device=value.device).copy_(value)


def get_module_tensors(prefix: str, module: nn.Module) -> dict[str, Tensor]:
    """Return a module's state on the CPU, its names under a prefix."""
    return {f"{prefix}.{k}": v.detach().cpu() for k, v in module.state_dict().items()}


def load_module(prefix: str, module: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Load what `get_module_tensors` returned."""
    start = f"{prefix}."
    module.load_state_dict(
        {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
    )
