"""`diagnose`: gradients of several tasks in one model, held against each other."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from peft import PeftModel
from torch import Tensor, nn
from tqdm.auto import tqdm

from coterie import pretrained
from coterie.data.collate import Collator
from coterie.data.sample import Sample
from coterie.diagnose.agreement import Agreement, agreement
from coterie.diagnose.conflict import Conflict, Matrix
from coterie.diagnose.gradients import Found, Space, measure, space
from coterie.diagnose.probe import factors, fits_beside, probed, restored, towers
from coterie.pretrained import Pretrained
from coterie.recipe import FILE
from coterie.tasks.task import Task
from coterie.train.kept import keep_features
from coterie.train.losses import token_losses
from coterie.train.run import Run

STEP = 0.02
AT = ("text.attn", "text.mlp")


def diagnose(
    base_or_run: Pretrained | Run | str | Path,
    tasks: Sequence[Task] | None = None,
    *,
    batches: int = 4,
    batch_size: int = 8,
    seed: int = 0,
    at: Sequence[str] = AT,
    split: str = "train",
    device: str | torch.device | None = None,
) -> Conflict:
    """Which tasks pull against each other: before training, or in what a run has trained.

    Before training, gradients are taken in the place of a shared LoRA that has just been put in
    (see `coterie.diagnose.probe`). Of a run they are taken of all that its adapter trains, experts
    and gates: tasks that go to different experts have cosines near 0, because they no longer
    meet. The shared LoRA's place is then measured too, beside the adapter, as `Conflict.shared`;
    that and the diagnosis before training are of the same parameters, and so can be compared.
    The model is left as it was, bit for bit.

    Time: tasks * batches forward and backward passes, and tasks * tasks forward passes.

    Args:
        base_or_run: a run or its folder; or a model to train: loaded, a folder, a hub id or
            "embedded".
        tasks: at least two; None for a run's own.
        batches: of each task, at least 2; all of different samples.
        batch_size: samples a batch; fewer where a task is short of rows.
        seed: of the samples that are drawn, and of the probe.
        at: roles or patterns, where the shared LoRA is put.
        split: which rows.
        device: where the model runs; None for the CPU, or where it is if it is loaded.

    Raises ValueError for fewer than two tasks or batches, for a task short of rows, and for a run
    on pictures.
    """
    started = time.monotonic()
    loaded, tasks, names = _given(base_or_run, tasks, device)
    if len(tasks) < 2:
        raise ValueError(f"diagnose compares tasks, and was given {len(tasks)}: give two or more")
    if batches < 2 or batch_size < 1:
        raise ValueError(
            f"batches={batches}, batch_size={batch_size}: give at least 2 batches, to know the "
            "noise, of at least 1 sample"
        )
    rows = [_drawn(task, split, batches, batch_size, seed) for task in tasks]
    work = _Work(loaded, Collator(loaded.processor, names), rows)
    found, spaces = work.measured(tuple(at), seed=seed, batches=batches)
    kinds = ("probe",) if not _is_grafted(loaded.model) else ("adapter", "probe")
    settings = {
        "batches": batches, "batch_size": batch_size, "seed": seed, "step": STEP, "at": list(at),
        "split": split,
    }  # fmt: skip
    parts = []
    for kind, each, products in zip(kinds, spaces, found.products, strict=False):
        first = not parts
        parts.append(
            _conflict(
                tasks, kind, each, agreement(products),
                transfer=_transfer(found) if first else (),
                losses=tuple(found.losses),
                settings=settings,
            )
        )  # fmt: skip
    shared = parts[1] if len(parts) > 1 else None
    return replace(parts[0], shared=shared, seconds=time.monotonic() - started)


def _given(
    what: Pretrained | Run | str | Path, tasks: Sequence[Task] | None, device: Any
) -> tuple[Pretrained, Sequence[Task], list[str]]:
    """The loaded model, the tasks, and the names that task ids count."""
    if isinstance(what, str | Path) and (Path(what) / FILE).is_file():
        what = Run.read(what)
    if isinstance(what, Run):
        if what.plan.pictures is not None:
            raise ValueError(
                f"{what.folder} is a run on pictures: diagnose compares tasks that are answered in "
                "words"
            )
        own = what.plan.tasks
        return what.load(device=device), own if tasks is None else tasks, [t.name for t in own]
    if tasks is None:
        raise ValueError("tasks: give the tasks whose conflict is to be measured")
    names = [task.name for task in tasks]
    if isinstance(what, Pretrained):
        return what, tasks, names
    # Processors seldom multiply bfloat16, which most models are saved in.
    dtype = torch.float32 if torch.device(device or "cpu").type == "cpu" else None
    return pretrained.load(what, dtype=dtype, device=device), tasks, names


def _is_grafted(model: nn.Module) -> bool:
    return isinstance(model, PeftModel)


def _drawn(task: Task, split: str, batches: int, batch_size: int, seed: int) -> list[list[Sample]]:
    """A task's batches: different samples, the same ones for the same seed."""
    rows = task.samples(split, check_media=False)
    size = min(batch_size, len(rows) // batches)
    if size < 1:
        raise ValueError(
            f"task {task.name!r} has {len(rows)} rows in its {split!r} split: {batches} batches "
            "of different samples need more; give fewer batches"
        )
    order = np.random.default_rng(seed).permutation(len(rows))[: batches * size]
    return [[rows[int(i)] for i in part] for part in order.reshape(batches, size)]


class _Work:
    """The passes over all tasks' batches."""

    def __init__(
        self, loaded: Pretrained, collator: Collator, rows: list[list[list[Sample]]]
    ) -> None:
        self.loaded, self.collator, self.rows = loaded, collator, rows

    def measured(
        self, at: tuple[str, ...], *, seed: int, batches: int
    ) -> tuple[Found, list[Space]]:
        """Products in the space of what was trained, if anything was, and in the probe's."""
        host = self.loaded.model
        grafted = isinstance(host, PeftModel)
        adapter = host.active_adapters[0] if grafted else None
        with restored(host):
            beside = not isinstance(host, PeftModel) or fits_beside(host)
            stands = probed(host, at, seed=seed) if beside else nullcontext((host, {}))
            with stands as (model, probe):
                named = [probe] if probe else []
                if adapter is not None:
                    named.insert(0, factors(model, adapter))
                spaces = [space(each, towers(each, model).__getitem__) for each in named]
                total = len(self.rows) * (batches + 1)
                with (
                    _features_kept(model, self.loaded.processor),
                    tqdm(total=total, desc="gradients", unit="batch", disable=None) as bar,
                ):
                    found = measure(
                        lambda task, batch: self.loss(model, task, batch),
                        spaces,
                        tasks=len(self.rows),
                        batches=batches,
                        step=STEP,
                        tick=bar.update,
                    )
        return found, spaces

    def loss(self, model: nn.Module, task: int, batch: int) -> Float[Tensor, ""]:
        """Mean loss of an answer token of one batch, as in training."""
        inputs = self.collator(self.rows[task][batch])
        device = next(model.parameters()).device
        moved = {key: each.to(device) for key, each in inputs.items()}
        return token_losses(model, _head(self.loaded.model), moved).losses.mean()


@contextmanager
def _features_kept(model: nn.Module, processor: Any) -> Iterator[None]:
    """Inside, an omni model's encoders run once a picture; then the processor is as before."""
    assert isinstance(model, PeftModel)
    before = dict(vars(processor))
    keep_features(model, processor)
    try:
        yield
    finally:
        vars(processor).clear()
        vars(processor).update(before)


def _head(model: Any) -> nn.Module | None:
    """The module that makes logits of hidden states; None if that is not known."""
    host = model.get_base_model() if isinstance(model, PeftModel) else model
    return host.get_output_embeddings()  # pyright: ignore[reportCallIssue]


def _conflict(
    tasks: Sequence[Task],
    kind: str,
    of: Space,
    found: Agreement,
    *,
    transfer: Matrix,
    losses: tuple[float, ...],
    settings: Mapping[str, Any],
) -> Conflict:
    count = len(tasks)
    pairs = [float(found.overall[i, j]) for i in range(count) for j in range(i + 1, count)]
    known = [value for value in pairs if value == value]
    return Conflict(
        tasks=tuple(task.name for task in tasks),
        groups=tuple(of.groups),
        space=kind,
        cosine=tuple(_matrix(each) for each in found.cosine),
        overall=_matrix(found.overall),
        low=_matrix(found.low),
        high=_matrix(found.high),
        within=tuple(found.within.tolist()),
        transfer=transfer,
        losses=losses,
        negative_share=sum(value < 0 for value in known) / len(known) if known else float("nan"),
        settings=settings,
    )


def _matrix(values: Float[Tensor, "tasks tasks"]) -> Matrix:
    return tuple(map(tuple, values.tolist()))


def _transfer(found: Found) -> Matrix:
    """Relative changes of loss; see `Conflict.transfer`."""
    return tuple(
        tuple(after / before - 1 for after, before in zip(row, found.before, strict=True))
        for row in found.after
    )
