"""`evaluate`: a run's predictions for held-out samples, their scores, expert usage and cost."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tqdm.auto import tqdm

from coterie.evaluate import cost, expert_usage
from coterie.evaluate.config import EvaluationConfig
from coterie.evaluate.prediction_cache import (
    PredictionKey,
    compute_adapter_digest,
    get_key_file,
    load_if_fresh,
    make_prediction_key,
    store,
)
from coterie.evaluate.predictions import Predictions, get_predictions_file, get_predictions_folder
from coterie.evaluate.scores import Scores, TaskScore
from coterie.evaluate.systems import get_scores_file
from coterie.io import write_json
from coterie.models.loading import DTYPES, LoadedModel
from coterie.routing.usage import ExpertUsage, UsageStatistics
from coterie.tasks.predictions import EvaluationDataset
from coterie.train import bad_rows
from coterie.train.frozen_caches import cache_encoder_features, disable_feature_cache
from coterie.train.run import Run

FLOPS_SAMPLES = 8
"""The samples of each data set on which FLOPs are counted."""
COST_FILE = ".cost.json"


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
    """Score a run on held-out samples and write what it finds into the run's folder.

    It writes scores.json, routing.json and predictions/SPLIT/TASK.jsonl; with `blind` or
    `untrained`, scores.blind.json and predictions-blind/ (untrained likewise). A task whose
    predictions are there, of the same weights and samples, is not predicted again. Of dense tasks
    the predictions keep the statistics of each image; five images, the same for every run, are
    written with labels and predictions as PNG files to predictions/SPLIT/pictures/.

    Args:
        run: the run, or its folder.
        split: which rows of the tasks.
        batch_size: samples of a forward pass, at least 1.
        limit: samples a task, the same ones in every run; None for all.
        blind: leave out images and sounds, to measure what text alone gives away.
        untrained: the base model of the run, without what it has learned.
        skip_bad_rows: leave out what cannot be read, count it in the scores, and list it in
            bad_rows.SPLIT.jsonl; None for what the run was trained with.
        device: where the model runs; None for the CPU.

    Raises ValueError for bad rows, for a run that has not been trained, for a split that a task
    lacks, and for `blind` with tasks that have images alone.
    """
    run = run if isinstance(run, Run) else Run.read(run)
    config = EvaluationConfig(
        split=split,
        batch_size=batch_size,
        limit=limit,
        blind=blind,
        untrained=untrained,
        skip_bad_rows=run.config.skip_bad_rows if skip_bad_rows is None else skip_bad_rows,
        device=device,
    )
    return _Evaluation(run, config).compute_scores()


class TaskPredictions(NamedTuple):
    """A task's scored predictions, and what was measured while they were made."""

    score: TaskScore
    usage: ExpertUsage
    seconds: float
    num_samples: int


class _Evaluation:
    """One call of `evaluate`; the model is loaded when the first task needs it."""

    def __init__(self, run: Run, config: EvaluationConfig) -> None:
        self.run, self.config, self.tasks = run, config, run.config.tasks
        if config.blind and not self.tasks.supports_blind:
            raise ValueError(
                f"blind=True leaves out images and sounds, and the tasks of {run.folder} have no "
                "other input: evaluate it without"
            )
        self.folder = get_predictions_folder(run.folder, config.split, config.control)
        self.adapter = Path(run.folder) / "adapter"
        self.digest = None if config.untrained else compute_adapter_digest(self.adapter)

    @cached_property
    def loaded(self) -> LoadedModel:
        if self.config.untrained:
            run = self.run.config
            loaded = self.tasks.load_model(
                run.base, dtype=DTYPES[run.precision], device=self.config.device, seed=run.seed
            )
        else:
            loaded = self.run.load(device=self.config.device)
        cache_encoder_features(loaded.model, loaded.processor)
        return loaded

    def compute_scores(self) -> Scores:
        config = self.config
        datasets = self.tasks.load_evaluation_datasets(
            config.split, limit=config.limit, blind=config.blind, skip_bad_rows=config.skip_bad_rows
        )
        keys = {
            task: make_prediction_key(
                self.run.config, self.tasks.make_prediction_key(dataset, task), adapter=self.digest
            )
            for dataset in datasets
            for task in dataset.tasks
        }
        found: dict[str, TaskPredictions] = {}
        for dataset in datasets:
            found |= self.predict_dataset(dataset, keys)
        usage = ExpertUsage.merge(each.usage for each in found.values()).compute_means()
        measured = self.measure_cost(datasets, keys, found, usage)
        folder = Path(self.run.folder)
        if not config.control:
            table = expert_usage.make_usage_table(measured["layers"], usage)
            write_json(folder / "routing.json", table)
        bad = bad_rows.write_bad_rows(
            folder / f"bad_rows.{config.split}.jsonl",
            [row for dataset in datasets for row in dataset.bad_rows],
        )
        scores = Scores(
            split=config.split,
            tasks={task: found[task].score for task in self.tasks.names},
            cost=measured["cost"],
            control=config.control,
            num_skipped=len(bad),
        )
        scores.save(get_scores_file(self.run, config.control))
        return scores

    def predict_dataset(
        self, dataset: EvaluationDataset, keys: Mapping[str, PredictionKey]
    ) -> dict[str, TaskPredictions]:
        """Return the predictions of a data set's tasks: those on disk, if all are up to date."""
        facts = {
            task: load_if_fresh(get_key_file(self.folder, task), keys[task])
            for task in dataset.tasks
        }
        if not all(
            fact and get_predictions_file(self.folder, task).is_file()
            for task, fact in facts.items()
        ):
            return self.make_predictions(dataset, keys)
        return {
            task: self.score_task(
                task,
                Predictions.read(get_predictions_file(self.folder, task),
                                 self.tasks.prediction_fields),
                fact,
            )
            for task, fact in facts.items()
            if fact is not None
        }  # fmt: skip

    def make_predictions(
        self, dataset: EvaluationDataset, keys: Mapping[str, PredictionKey]
    ) -> dict[str, TaskPredictions]:
        """Run the model on a data set, and write the predictions with what they depend on."""
        for task in dataset.tasks:
            # Or it would vouch for a file that is half written.
            get_key_file(self.folder, task).unlink(missing_ok=True)
        usage = ExpertUsage(self.tasks.names)
        only = dataset.tasks[0] if len(dataset.tasks) == 1 else None
        routed = bool(expert_usage.find_active_mixtures(self.loaded.model))
        samples = dataset.samples
        # None: no bar where the output is no terminal.
        with tqdm(total=len(samples), desc=dataset.name, unit=dataset.unit, disable=None) as bar:
            result = self.tasks.predict(
                self.loaded,
                dataset,
                batch_size=self.config.batch_size,
                on_routing=(lambda tape: usage.add(tape, task=only)) if routed else None,
                on_batch_end=lambda done: bar.update(done - bar.n),
            )
        seconds = result.seconds / len(dataset.tasks)
        found = {}
        for task in dataset.tasks:
            used = usage.select(task).to_json()
            facts = {"use": used, "seconds": seconds, "samples": len(samples)}
            found[task] = self.score_task(task, Predictions(tuple(result.rows[task])), facts)
            store(get_key_file(self.folder, task), keys[task], **facts)
        if not self.config.control:
            self.tasks.save_examples(self.loaded, dataset, self.folder)
        return found

    def score_task(
        self, task: str, predictions: Predictions, facts: Mapping[str, Any]
    ) -> TaskPredictions:
        """Score predictions with the task's metric as it is now, and write them."""
        scored = self.tasks.score_predictions(task, predictions.rows)
        rows = predictions.with_statistics(scored.statistics)
        rows.save(get_predictions_file(self.folder, task))
        return TaskPredictions(
            score=TaskScore.from_statistics(
                scored.metric, scored.statistics, name=str(self.tasks.get_metric(task))
            ),
            usage=ExpertUsage.from_json(facts["use"], self.tasks.names),
            seconds=facts["seconds"],
            num_samples=facts["samples"],
        )

    def measure_cost(
        self,
        datasets: Sequence[EvaluationDataset],
        keys: Mapping[str, PredictionKey],
        found: Mapping[str, TaskPredictions],
        usage: UsageStatistics,
    ) -> dict[str, Any]:
        """Return {"cost": ..., "layers": layer -> its experts' names}.

        Measured once for the same predictions.
        """
        file, key = self.folder / COST_FILE, dict(keys)
        known = load_if_fresh(file, key)
        if known is not None:
            return known
        model, folder = self.loaded.model, Path(self.run.folder)
        untrained = self.config.untrained
        with disable_feature_cache(self.loaded.processor):
            forward = self.tasks.make_forward_pass(self.loaded, datasets, num_samples=FLOPS_SAMPLES)
        seconds = sum(each.seconds for each in found.values())
        measured = {
            "trainable_parameters":
                0 if untrained else cost.count_trainable_parameters(self.adapter),
            "active_parameters": cost.count_active_parameters(model, usage),
            "total_parameters": cost.count_total_parameters(model),
            "flops_per_sample": cost.count_flops(forward.run) / forward.num_predictions,
            "peak_memory_bytes": cost.get_peak_memory_bytes(next(model.parameters()).device),
            **({} if untrained else cost.read_training_time(folder)),
            "generate_samples_per_s": sum(each.num_samples for each in found.values()) / seconds,
        }  # fmt: skip
        layers = {
            layer: expert_usage.make_expert_names(mixture)
            for layer, mixture in expert_usage.find_active_mixtures(model).items()
        }
        return store(file, key, cost=measured, layers=layers)
