"""The check that a run which grew answers the old tasks' rows as before, bit for bit."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from coterie.tasks.task_set import Device
from coterie.train.run import Run

ROWS = 2
"""Rows of each old task whose logits are compared."""
SPLIT = "train"
"""Every task has rows of it."""


def check_old_answers(old: Run, new: Run, *, device: Device = None) -> int:
    """Return on how many rows of the old run's tasks both runs' logits are equal, bit for bit.

    Each task's rows are a batch, prompts with their answers. Both models are loaded, one after the
    other. Raises RuntimeError naming a task whose logits differ.
    """
    before = compute_logits(old, old.task_names, device)
    after = compute_logits(new, old.task_names, device)
    for name, one, two in zip(old.task_names, before, after, strict=True):
        if not torch.equal(one, two):
            raise RuntimeError(
                f"task {name!r}: the logits of {new.folder} are not those of {old.folder} on the "
                f"first {len(one)} rows of {SPLIT!r}: do not use the new run"
            )
    return sum(map(len, before))


@torch.no_grad()
def compute_logits(run: Run, tasks: Sequence[str], device: Device) -> list[Tensor]:
    """Compute the logits of the first rows of each task, [batch, seq, vocabulary], on the CPU."""
    selected, loaded = run.config.tasks.select(tasks), run.load(device=device)
    datasets = selected.load_evaluation_datasets(
        SPLIT, limit=ROWS, blind=False, skip_bad_rows=run.config.skip_bad_rows
    )
    forward = selected.make_forward_pass(loaded, datasets, num_samples=ROWS)
    outputs: Any = forward.run()
    return [output.logits.cpu() for output in outputs]
