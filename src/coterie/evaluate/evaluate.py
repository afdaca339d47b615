"""`evaluate`: a run's answers to held-out samples, their scores, expert use and cost."""

from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from coterie.data.dataset import BadRow
from coterie.data.subset import Subset
from coterie.evaluate import cost, expert_usage
from coterie.evaluate.pictures import scores_on
from coterie.evaluate.prediction_cache import (
    PredictionKey,
    compute_adapter_digest,
    load_if_fresh,
    make_prediction_key,
    store,
)
from coterie.evaluate.predictions import Predictions, get_predictions_file, get_predictions_folder
from coterie.evaluate.scores import Scores, TaskScore
from coterie.evaluate.systems import get_scores_file
from coterie.io import write_json
from coterie.models import loading
from coterie.models.loading import LoadedModel
from coterie.tasks.text.collator import TextCollator
from coterie.tasks.text.generation import predict, prepare_inputs
from coterie.tasks.text.task import TextTask
from coterie.train import bad_rows
from coterie.train.frozen_caches import cache_encoder_features, disable_feature_cache
from coterie.train.run import Run

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
    skip = run.config.skip_bad_rows if skip_bad_rows is None else skip_bad_rows
    if run.config.pictures is not None:
        if blind:
            raise ValueError(f"blind=True: {run.folder} is a run on pictures, and has nothing else")
        return scores_on(
            run, run.config.pictures, split, batch_size=batch_size, limit=limit,
            untrained=untrained, skip_bad_rows=skip, device=device,
        )  # fmt: skip
    return _Evaluation(
        run, split, batch_size=batch_size, limit=limit, blind=blind, untrained=untrained,
        skip_bad_rows=skip, device=device,
    ).compute_scores()  # fmt: skip


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
        self.run, self.config, self.split = run, run.config, split
        self.batch_size, self.limit, self.blind = batch_size, limit, blind
        self.untrained, self.device = untrained, device
        self.skip_bad_rows = skip_bad_rows
        self.bad_rows: list[BadRow] = []
        kinds = {"untrained": untrained, "blind": blind}
        self.control = "-".join(kind for kind, wanted in kinds.items() if wanted)
        self.folder = get_predictions_folder(run.folder, split, self.control)
        self.adapter = run.directory.adapter_folder
        self.digest = None if untrained else compute_adapter_digest(self.adapter)

    @cached_property
    def loaded(self) -> LoadedModel:
        if self.untrained:
            dtype = getattr(torch, self.config.precision)
            loaded = loading.load(self.config.base, dtype=dtype, device=self.device)
        else:
            loaded = self.run.load(device=self.device)
        cache_encoder_features(loaded.model, loaded.processor)
        return loaded

    @cached_property
    def collator(self) -> TextCollator:
        return TextCollator(self.loaded.processor, [task.name for task in self.config.tasks])

    def compute_scores(self) -> Scores:
        chosen = [self.select_samples(task) for task in self.config.tasks]
        wanted = {
            task.name: make_prediction_key(
                self.config, samples, adapter=self.digest, max_new_tokens=task.max_new_tokens
            )
            for task, samples in zip(self.config.tasks, chosen, strict=True)
        }
        tasks, facts = {}, {}
        for task, samples in zip(self.config.tasks, chosen, strict=True):
            facts[task.name], answered = self.predict_task(task, samples, wanted[task.name])
            metric = answered.fit_metric(task.metric)
            tasks[task.name] = TaskScore.from_statistics(
                metric, answered.compute_statistics(metric), name=str(task.metric)
            )
        found = self.measure_cost(chosen, wanted, facts)
        if not self.control:
            layers = found.pop("layers")
            use = {name: fact["use"] for name, fact in facts.items()}
            write_json(
                self.run.directory.expert_usage_file, expert_usage.make_usage_table(layers, use)
            )
        bad = bad_rows.write_bad_rows(
            self.run.directory.bad_rows_file(self.split),
            self.bad_rows,
        )
        scores = Scores(
            split=self.split, tasks=tasks, cost=found["cost"], control=self.control,
            num_skipped=len(bad),
        )  # fmt: skip
        scores.save(get_scores_file(self.run, self.control))
        return scores

    def select_samples(self, task: TextTask) -> Subset:
        rows = task.read_samples(self.split, skip_bad_rows=self.skip_bad_rows)
        if not len(rows):
            raise ValueError(f"task {task.name!r} has no rows in its {self.split!r} split")
        self.bad_rows.extend(rows.bad_rows)
        return Subset(rows, limit=self.limit, blind=self.blind)

    def predict_task(
        self, task: TextTask, samples: Subset, wanted: PredictionKey
    ) -> tuple[dict[str, Any], Predictions]:
        """A task's predictions, and the expert use and seconds that were noted with them."""
        file, note = (
            get_predictions_file(self.folder, task.name),
            self.run.directory.predictions_cache_file(self.split, task.name, self.control),
        )
        facts = load_if_fresh(note, wanted)
        if facts is not None and file.is_file():
            predictions = Predictions.read(file).with_metric(task.metric)
            predictions.save(file)
            return facts, predictions
        note.unlink(missing_ok=True)  # or it would vouch for a file that is half way changed
        use = None if self.untrained else expert_usage.ExpertUsage()
        # None: no bar where nobody looks.
        with tqdm(total=len(samples), desc=task.name, unit="answer", disable=None) as bar:
            answers, seconds = predict(
                self.loaded,
                self.collator,
                samples,
                batch_size=self.batch_size,
                max_new_tokens=task.max_new_tokens,
                usage=use,
                on_batch_end=lambda answered: bar.update(answered - bar.n),
            )
        predictions = Predictions.from_answers(samples, answers, task.metric)
        predictions.save(file)
        used = {} if use is None else use.dump()
        facts = store(note, wanted, use=used, seconds=seconds, samples=len(samples))
        return facts, predictions

    def measure_cost(
        self,
        chosen: list[Subset],
        wanted: dict[str, PredictionKey],
        facts: dict[str, dict[str, Any]],
    ) -> dict[str, Any]:
        """{"cost": ..., "layers": the experts' labels}, measured once for the same predictions."""
        note = self.run.directory.cost_cache_file(self.split, self.control)
        found = load_if_fresh(note, wanted)
        if found is not None:
            return found
        model = self.loaded.model
        firsts = [[samples[i] for i in range(min(FLOPS_SAMPLES, len(samples)))]
                  for samples in chosen]  # fmt: skip
        with disable_feature_cache(self.loaded.processor):
            batches = [prepare_inputs(self.collator(samples), model) for samples in firsts]
        seconds = sum(fact["seconds"] for fact in facts.values())
        measured = {
            "trainable_parameters":
                0 if self.untrained else cost.count_trainable_parameters(self.adapter),
            "active_parameters": cost.count_active_parameters(
                model, {name: fact["use"] for name, fact in facts.items()}
            ),
            "total_parameters": cost.count_total_parameters(model),
            "flops_per_sample": cost.measure_flops_per_sample(model, batches),
            "peak_memory_bytes": cost.get_peak_memory_bytes(next(model.parameters()).device),
            **({} if self.untrained else cost.read_training_time(Path(self.run.folder))),
            "generate_samples_per_s": sum(fact["samples"] for fact in facts.values()) / seconds,
        }  # fmt: skip
        layers = {
            layer: expert_usage.make_expert_names(mixture)
            for layer, mixture in expert_usage.find_active_mixtures(model).items()
        }
        return store(note, wanted, cost=measured, layers=layers)
