"""The mixtures of an earlier run's tasks, which stay as they are beside those of new tasks."""

from pathlib import Path

import torch
from peft import PeftModel
from safetensors import safe_open

from coterie.tasks.frozen_tasks import FrozenTasks
from coterie.train import adapter_weights
from coterie.train.run_directory import RunDirectory
from coterie.train.trainable import ADAPTER_NAME
from coterie.tuner.config import WEIGHTS
from coterie.tuner.layer import CoterieLayer


def has_mixtures_by_task(model: PeftModel) -> bool:
    """Return whether mixtures serve some of the tasks alone, as those of a run that grew."""
    config = model.peft_config[ADAPTER_NAME]
    return any(each.tasks for each in config.parse_mixtures())  # pyright: ignore[reportAttributeAccessIssue]


def load_frozen_mixtures(model: PeftModel, frozen: FrozenTasks) -> tuple[str, ...]:
    """Load the earlier run's weights into the model, whose first mixtures are those of that run.

    Returns the names of base parameters that the run trained, and that stay as it left them.
    """
    folder = RunDirectory(Path(frozen.run)).adapter_folder
    adapter_weights.load_mixtures(model, folder)
    return tuple(adapter_weights.load_base(model, folder))


def freeze_mixtures(model: PeftModel, frozen: FrozenTasks) -> None:
    """Freeze the mixtures that serve the frozen tasks, which are the first of the adapter."""
    for layer in model.modules():
        if not isinstance(layer, CoterieLayer):
            continue
        for part in layer.get_parts(ADAPTER_NAME):
            if part.site.tasks is not None and min(part.site.tasks) < len(frozen.names):
                for weights in (part.experts, part.gate):
                    if weights is not None:
                        weights.requires_grad_(False)


def check_frozen_tensors(frozen: FrozenTasks, adapter: Path) -> int:
    """Return how many tensors of the earlier run's adapter another one holds, bit for bit.

    Raises RuntimeError naming one that differs or is missing.
    """
    old = RunDirectory(Path(frozen.run)).adapter_folder / WEIGHTS
    with safe_open(old, "pt") as before, safe_open(adapter / WEIGHTS, "pt") as after:
        names, now = list(before.keys()), set(after.keys())
        for name in names:
            if name not in now or not torch.equal(before.get_tensor(name), after.get_tensor(name)):
                raise RuntimeError(
                    f"{name} of {old} is not in {adapter / WEIGHTS} bit for bit, and the old tasks "
                    "compute with it: do not use the new adapter"
                )
    return len(names)
