"""Benchmark of a step of coterie's Trainer against the same step as a plain loop.

Trainer's step reads rows from a file: chat template, tokens, padding, batch order, forward pass,
losses by task, backward pass, clipping, AdamW, schedule, log records. The loop's has a prepared
batch: forward pass, loss, backward pass, AdamW. Both train the same grafted model on the same
samples. No step saves a checkpoint.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import nn
from transformers import PreTrainedTokenizerFast, TrainerCallback

from benchmarks.benchmark import ROUNDS, Benchmark, Row, Scale, Target, worst
from benchmarks.model import LINEARS, Case
from benchmarks.timing import Times
from coterie import Lora, Mixture, Recipe, Softmax, Stage, graft
from coterie.data.chat_template import make_template
from coterie.tasks import TextTask
from coterie.tasks.text.batches import compute_token_losses
from coterie.tasks.text.task_set import TextTasks
from coterie.train import RunConfig
from coterie.train.batch_sampler import StageBatchSampler
from coterie.train.datasets import MultiTaskDataset
from coterie.train.metric_log import MetricLog
from coterie.train.stage_context import StageContext
from coterie.train.trainable import select_trainable
from coterie.train.trainer import MixtureTrainer

TRAINER, LOOP, PLAIN = "coterie", "loop", "loop, the model's own loss"
CASES: dict[Scale, Case] = {
    "tiny": Case(dtype="fp32", layers=1, width=192, hidden=64, ranks=(2, 2)),
    "quick": Case(dtype="fp32", layers=4),
    "full": Case(dtype="fp32", layers=30),
    "gpu": Case(dtype="bf16", layers=10),
}
NAMES = ("first", "second")
SIZE = 8
WARM = 2
"""Steps that are not timed: the first ones allocate memory."""


class Trainer(Benchmark):
    """Eight samples of some hundred tokens, two tasks, eight experts at each linear layer."""

    name = "trainer"

    def rows(self, scale: Scale, device: torch.device) -> Iterator[Row]:
        case = CASES[scale]
        if device.type == "cpu":
            torch.set_num_threads(1)
        with TemporaryDirectory() as folder:
            times = measured(case, device, Path(folder), rounds=2 * ROUNDS[scale])
        for form in times.seconds:
            yield Row(
                case=f"{case.dtype} {case.layers} layers, {SIZE} samples",
                dtype=case.dtype,
                form=form,
                step_ms=times.median_ms(form),
                step={base: times.ratio(form, base) for base in (LOOP, PLAIN)},
                saved_mib=0.0,
            )

    def targets(self, rows: Iterable[Row]) -> list[Target]:
        mine = [row for row in rows if row.form == TRAINER]
        what = "step of training over forward, backward and optimizer written out"
        return [Target(what=what, limit=1.05, measured=worst(mine, LOOP))]


def measured(case: Case, device: torch.device, folder: Path, *, rounds: int) -> Times:
    """Return the seconds of steps, interleaved: Trainer's, then those of the two loops."""
    recipe = Recipe(
        mixtures=(
            Mixture(
                at=rf".*\.({'|'.join(LINEARS)})", experts=Lora(ranks=case.ranks), router=Softmax()
            ),
        ),
        stages=(Stage(steps=rounds + WARM),),
    )
    config = RunConfig(
        recipe=recipe,
        base="",
        tasks=TextTasks(tasks=tuple(written(folder))),
        batch_size=SIZE,
        save_every=10**6,
    )
    trainer = built(config, case, device, folder)
    turns = Turns(trainer, device, loops(config, case, device, trainer))
    trainer.add_callback(turns)
    trainer._write_checkpoint = lambda: None  # the one at the end belongs to no step
    trainer.train()
    return Times({name: seconds[WARM:] for name, seconds in turns.seconds.items()})


class Turns(TrainerCallback):
    """Times Trainer's steps from end to end, and between them each loop's."""

    def __init__(
        self, trainer: MixtureTrainer, device: torch.device, loops: dict[str, Callable[[], None]]
    ) -> None:
        self.loops, self.device = loops, device
        self.seconds: dict[str, list[float]] = {name: [] for name in (TRAINER, *loops)}

    def now(self) -> float:
        """Return this process's CPU time, so that other jobs do not count; for GPUs, the time."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()
            return time.perf_counter()
        return time.process_time()

    def on_train_begin(self, *args: Any, **rest: Any) -> None:
        self.last = self.now()

    def on_step_end(self, *args: Any, **rest: Any) -> None:
        # What Trainer does after this call, such as logging, counts for its next step.
        self.seconds[TRAINER].append(self.now() - self.last)
        for name, loop in self.loops.items():
            start = self.now()
            loop()
            self.seconds[name].append(self.now() - start)
        self.last = self.now()


def loops(
    plan: RunConfig, case: Case, device: torch.device, trainer: MixtureTrainer
) -> dict[str, Callable[[], None]]:
    """Return steps of plain loops, each with its own model."""
    samples, collate = trainer.stage_context.dataset, trainer.stage_context.collator
    order = StageBatchSampler(plan, plan.recipe.stages[0], samples, 0)
    batches = [collate([samples[place] for place in places]) for places in order]
    ready = [{key: value.to(device) for key, value in batch.items()} for batch in batches]

    def loop(loss: Callable[[nn.Module, dict[str, Any]], torch.Tensor]) -> Callable[[], None]:
        model = graft(case.model(device), plan.recipe.mixtures, tasks=NAMES).train()
        parameters = [each for each in model.parameters() if each.requires_grad]
        optimizer = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.0, fused=True)
        turn = iter(ready)

        def step() -> None:
            loss(model, next(turn)).backward()
            optimizer.step()
            optimizer.zero_grad()

        return step

    def answers(model: nn.Module, batch: dict[str, Any]) -> torch.Tensor:
        return compute_token_losses(model, model.get_base_model().lm_head, batch).losses.mean()  # pyright: ignore[reportCallIssue]

    return {LOOP: loop(answers), PLAIN: loop(lambda model, batch: model(**batch).loss)}


def built(plan: RunConfig, case: Case, device: torch.device, folder: Path) -> MixtureTrainer:
    """Return the trainer of the one stage, as a run builds it, except for the model."""
    stage = plan.recipe.stages[0]
    model = graft(case.model(device), plan.recipe.mixtures, tasks=NAMES)
    context = StageContext(
        config=plan,
        stage=stage,
        number=0,
        folder=folder,
        device=device,
        model=model,
        trainable=select_trainable(model, stage),
        base_parameters=(),
        balancing=plan.recipe.balancing.build(len(NAMES)),
        aggregator=None,
        dataset=MultiTaskDataset(plan),
        collator=plan.make_collator(words()),
        metric_log=MetricLog(folder, step=0, time_s=0.0),
        validation=None,
        shares=None,
        finished_steps=0,
    )
    return MixtureTrainer(context)


def words() -> PreTrainedTokenizerFast:
    """Return a byte-level tokenizer with the plain chat template."""
    letters = ["<pad>", "</s>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    bytes_only = Tokenizer(models.BPE({letter: i for i, letter in enumerate(letters)}, []))
    bytes_only.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_only.decoder = decoders.ByteLevel()
    found = PreTrainedTokenizerFast(
        tokenizer_object=bytes_only, pad_token="<pad>", eos_token="</s>"
    )
    found.chat_template = make_template()
    return found


def written(folder: Path) -> tuple[TextTask, ...]:
    """Write two tasks of 64 rows to files."""
    for name in NAMES:
        rows = [{"question": f"{name}: " + f"what is {i}? " * 6, "answer": f"it is {i}"}
                for i in range(64)]  # fmt: skip
        (folder / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return tuple(
        TextTask(name=name, rows={"train": f"{name}.jsonl"}, folder=str(folder)) for name in NAMES
    )
