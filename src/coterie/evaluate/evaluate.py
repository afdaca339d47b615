"""`evaluate`: a run's answers to held-out samples, their scores, expert use and cost."""

from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from coterie import pretrained
from coterie.data.collate import Collator
from coterie.data.rows import BadRow
from coterie.evaluate import cost, features, routing
from coterie.evaluate.chosen import Chosen
from coterie.evaluate.made_of import MadeOf, adapter_digest, keep, kept, made_of
from coterie.evaluate.pictures import scores_on
from coterie.evaluate.predict import inputs, predict
from coterie.evaluate.predictions import Predictions, file_of, folder_of
from coterie.evaluate.scores import Scores, TaskScore
from coterie.evaluate.systems import scores_file
from coterie.pretrained import Pretrained
from coterie.tasks.task import Task
from coterie.train import left_out
from coterie.train.run import Run
from coterie.train.whole import write_json

FLOPS_SAMPLES = 8


def evaluate(
    run: Run | str | Path,
    *,
    split: str = "test",
    batch_size: int = 16,
    limit: int | None = None,
    blind: bool = False,
    untrained: bool = False,
    skip_bad_rows: bool | None = None,
    device: str | torch.device | None = None,
) -> Scores:
    """Scores a run on held-out samples and writes what it finds into the run's folder.

    scores.json, routing.json and predictions/<split>/<task>.jsonl; with `blind` or `untrained`,
    scores.blind.json and predictions-blind/ (untrained likewise). A task whose predictions are
    there, of the same weights and samples, is not predicted again. Of a run on a dense data set,
    predictions are not kept, only what each picture adds to the scores, and each call makes them
    anew; five pictures, the same for every run, are kept with labels and predictions as PNGs in
    predictions/<split>/pictures/.

    Args:
        run: the run, or its folder.
        split: which rows of the tasks.
        batch_size: samples generated at a time, at least 1.
        limit: samples a task, the same ones in every run; None for all.
        blind: leave out pictures and sounds, to see what the words alone give away.
        untrained: the model that the run started from, without what it has learned.
        skip_bad_rows: leave out what cannot be read, count it in the scores, and name it in
            bad_rows.<split>.jsonl; None for what the run was trained with.
        device: where the model runs; None for the CPU.

    Raises ValueError for bad rows, for a run that has not been trained, for a split that a task
    lacks, and for `blind` with a run on a dense data set.
    """
    for name, value in (("batch_size", batch_size), ("limit", limit)):
        if value is not None and value < 1:
            raise ValueError(f"{name}={value}: give at least 1")
    run = run if isinstance(run, Run) else Run.read(run)
    skip = run.plan.skip_bad_rows if skip_bad_rows is None else skip_bad_rows
    if run.plan.pictures is not None:
        if blind:
            raise ValueError(f"blind=True: {run.folder} is a run on pictures, and has nothing else")
        return scores_on(
            run, run.plan.pictures, split, batch_size=batch_size, limit=limit,
            untrained=untrained, skip_bad_rows=skip, device=device,
        )  # fmt: skip
    return _Evaluation(
        run, split, batch_size=batch_size, limit=limit, blind=blind, untrained=untrained,
        skip_bad_rows=skip, device=device,
    ).scores()  # fmt: skip


class _Evaluation:
    """One call of `evaluate`; the model is loaded when the first task needs it."""

    def __init__(
        self,
        run: Run,
        split: str,
        *,
        batch_size: int,
        limit: int | None,
        blind: bool,
        untrained: bool,
        skip_bad_rows: bool,
        device: str | torch.device | None,
    ) -> None:
        self.run, self.plan, self.split = run, run.plan, split
        self.batch_size, self.limit, self.blind = batch_size, limit, blind
        self.untrained, self.device = untrained, device
        self.skip_bad_rows = skip_bad_rows
        self.bad: list[BadRow] = []
        kinds = {"untrained": untrained, "blind": blind}
        self.control = "-".join(kind for kind, wanted in kinds.items() if wanted)
        self.folder = folder_of(run.folder, split, self.control)
        self.adapter = Path(run.folder) / "adapter"
        self.digest = None if untrained else adapter_digest(self.adapter)

    @cached_property
    def pretrained(self) -> Pretrained:
        if self.untrained:
            dtype = getattr(torch, self.plan.precision)
            loaded = pretrained.load(self.plan.base, dtype=dtype, device=self.device)
        else:
            loaded = self.run.load(device=self.device)
        features.keep(loaded)
        return loaded

    @cached_property
    def collator(self) -> Collator:
        return Collator(self.pretrained.processor, [task.name for task in self.plan.tasks])

    def scores(self) -> Scores:
        chosen = [self.samples(task) for task in self.plan.tasks]
        wanted = {
            task.name: made_of(
                self.plan, samples, adapter=self.digest, max_new_tokens=task.max_new_tokens
            )
            for task, samples in zip(self.plan.tasks, chosen, strict=True)
        }
        tasks, facts = {}, {}
        for task, samples in zip(self.plan.tasks, chosen, strict=True):
            facts[task.name], answered = self.answered(task, samples, wanted[task.name])
            metric = answered.fitted(task.metric)
            tasks[task.name] = TaskScore.of(
                metric, answered.statistics(metric), name=str(task.metric)
            )
        found = self.cost(chosen, wanted, facts)
        if not self.control:
            layers = found.pop("layers")
            use = {name: fact["use"] for name, fact in facts.items()}
            write_json(Path(self.run.folder) / "routing.json", routing.table(layers, use))
        bad = left_out.note(
            Path(self.run.folder) / f"bad_rows.{self.split}.jsonl",
            self.bad,
        )
        scores = Scores(
            split=self.split, tasks=tasks, cost=found["cost"], control=self.control,
            left_out=len(bad),
        )  # fmt: skip
        scores.save(scores_file(self.run, self.control))
        return scores

    def samples(self, task: Task) -> Chosen:
        rows = task.samples(self.split, skip_bad_rows=self.skip_bad_rows)
        if not len(rows):
            raise ValueError(f"task {task.name!r} has no rows in its {self.split!r} split")
        self.bad.extend(rows.bad)
        return Chosen(rows, limit=self.limit, blind=self.blind)

    def answered(
        self, task: Task, samples: Chosen, wanted: MadeOf
    ) -> tuple[dict[str, Any], Predictions]:
        """A task's predictions, and the expert use and seconds that were noted with them."""
        file, note = file_of(self.folder, task.name), self.folder / f"{task.name}.made.json"
        facts = kept(note, wanted)
        if facts is not None and file.is_file():
            predictions = Predictions.read(file).scored(task.metric)
            predictions.save(file)
            return facts, predictions
        note.unlink(missing_ok=True)  # or it would vouch for a file that is half way changed
        use = None if self.untrained else routing.Use()
        # None: no bar where nobody looks.
        with tqdm(total=len(samples), desc=task.name, unit="answer", disable=None) as bar:
            answers, seconds = predict(
                self.pretrained,
                self.collator,
                samples,
                batch_size=self.batch_size,
                max_new_tokens=task.max_new_tokens,
                use=use,
                tick=lambda answered: bar.update(answered - bar.n),
            )
        predictions = Predictions.of(samples, answers, task.metric)
        predictions.save(file)
        used = {} if use is None else use.dump()
        facts = keep(note, wanted, use=used, seconds=seconds, samples=len(samples))
        return facts, predictions

    def cost(
        self, chosen: list[Chosen], wanted: dict[str, MadeOf], facts: dict[str, dict[str, Any]]
    ) -> dict[str, Any]:
        """{"cost": ..., "layers": the experts' labels}, measured once for the same predictions."""
        note = self.folder / ".cost.json"
        found = kept(note, wanted)
        if found is not None:
            return found
        model = self.pretrained.model
        firsts = [[samples[i] for i in range(min(FLOPS_SAMPLES, len(samples)))]
                  for samples in chosen]  # fmt: skip
        with features.left_out(self.pretrained.processor):
            batches = [inputs(self.collator(samples), model) for samples in firsts]
        seconds = sum(fact["seconds"] for fact in facts.values())
        measured = {
            "trainable_parameters":
                0 if self.untrained else cost.trainable_parameters(self.adapter),
            "active_parameters": cost.active_parameters(
                model, {name: fact["use"] for name, fact in facts.items()}
            ),
            "total_parameters": cost.total_parameters(model),
            "flops_per_sample": cost.flops_per_sample(model, batches),
            "peak_memory_bytes": cost.peak_memory_bytes(next(model.parameters()).device),
            **({} if self.untrained else cost.training(Path(self.run.folder))),
            "generate_samples_per_s": sum(fact["samples"] for fact in facts.values()) / seconds,
        }  # fmt: skip
        layers = {layer: routing.labels(mixture) for layer, mixture in routing.sites(model).items()}
        return keep(note, wanted, cost=measured, layers=layers)
