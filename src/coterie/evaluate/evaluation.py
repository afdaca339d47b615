"""`Evaluation`: the steps of `coterie.evaluate`, the same for every kind of task."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from tqdm.auto import tqdm

from coterie.evaluate import cost, expert_usage
from coterie.evaluate.config import EvaluationConfig
from coterie.evaluate.prediction_cache import (
    PredictionKey,
    compute_adapter_digest,
    load_if_fresh,
    make_prediction_key,
    store,
)
from coterie.evaluate.predictions import Predictions
from coterie.evaluate.scores import Scores, TaskScore
from coterie.io import write_json
from coterie.models.loading import LoadedModel
from coterie.routing.usage import ExpertUsage, UsageStatistics
from coterie.tasks.predictions import EvaluationDataset
from coterie.train.frozen_caches import cache_encoder_features, disable_feature_cache
from coterie.train.run import Run

FLOPS_SAMPLES = 8
"""The samples of each data set on which FLOPs are counted."""


class TaskPredictions(NamedTuple):
    """A task's scored predictions, with the usage and time measured during prediction."""

    score: TaskScore
    usage: ExpertUsage
    seconds: float
    num_samples: int


class Evaluation:
    """One call of `coterie.evaluate`; the model is loaded when the first task needs it."""

    def __init__(self, run: Run, config: EvaluationConfig) -> None:
        self.run, self.config, self.tasks = run, config, run.config.tasks
        if config.blind and not self.tasks.supports_blind:
            raise ValueError(
                f"blind=True leaves out images and sounds, and the tasks of {run.folder} have no "
                "other input: evaluate it without"
            )
        self.directory = run.directory
        self.adapter = run.directory.adapter_folder
        self.digest = None if config.untrained else compute_adapter_digest(self.adapter)

    @cached_property
    def loaded(self) -> LoadedModel:
        if self.config.untrained:
            loaded = self.run.config.load_base(self.config.device)
        else:
            loaded = self.run.load(device=self.config.device)
        cache_encoder_features(loaded.model, loaded.processor)
        return loaded

    def compute_scores(self) -> Scores:
        """Predict what is not up to date, score it, and write all files into the run's folder."""
        config = self.config
        datasets = self.tasks.load_evaluation_datasets(
            config.split, limit=config.limit, blind=config.blind, skip_bad_rows=config.skip_bad_rows
        )
        keys = self.make_keys(datasets)
        found: dict[str, TaskPredictions] = {}
        for dataset in datasets:
            found |= self.predict_dataset(dataset, keys)
        usage = ExpertUsage.merge(each.usage for each in found.values()).compute_means()
        measured = self.measure_cost(datasets, keys, found, usage)
        if not config.control:
            table = expert_usage.make_usage_table(measured["layers"], usage)
            write_json(self.directory.expert_usage_file, table)
        num_skipped = self.directory.write_bad_rows(
            [row for dataset in datasets for row in dataset.bad_rows], config.split
        )
        scores = Scores(
            split=config.split,
            tasks={task: found[task].score for task in self.tasks.names},
            cost=measured["cost"],
            control=config.control,
            num_skipped=num_skipped,
        )
        scores.save(self.directory.scores_file(config.control))
        return scores

    def get_predictions_file(self, task: str) -> Path:
        """Return the file of a task's predictions."""
        return self.directory.predictions_file(self.config.split, task, self.config.control)

    def get_key_file(self, task: str) -> Path:
        """Return the file of a task's prediction cache."""
        return self.directory.predictions_cache_file(self.config.split, task, self.config.control)

    def make_keys(self, datasets: Sequence[EvaluationDataset]) -> dict[str, PredictionKey]:
        """Return each task's prediction key."""
        return {
            task: make_prediction_key(
                self.run.config, self.tasks.make_prediction_key(dataset, task), adapter=self.digest
            )
            for dataset in datasets
            for task in dataset.tasks
        }

    def predict_dataset(
        self, dataset: EvaluationDataset, keys: Mapping[str, PredictionKey]
    ) -> dict[str, TaskPredictions]:
        """Return the predictions of a data set's tasks: the stored ones, if all are up to date."""
        facts = {task: load_if_fresh(self.get_key_file(task), keys[task]) for task in dataset.tasks}
        if not all(
            fact and self.get_predictions_file(task).is_file() for task, fact in facts.items()
        ):
            return self.make_predictions(dataset, keys)
        fields = self.tasks.prediction_fields
        return {
            task: self.score_task(
                task, Predictions.read(self.get_predictions_file(task), fields), fact
            )
            for task, fact in facts.items()
            if fact is not None
        }

    def make_predictions(
        self, dataset: EvaluationDataset, keys: Mapping[str, PredictionKey]
    ) -> dict[str, TaskPredictions]:
        """Run the model on a data set, and write the predictions with their keys."""
        for task in dataset.tasks:
            # Otherwise it would validate a partly written file.
            self.get_key_file(task).unlink(missing_ok=True)
        usage = ExpertUsage(self.tasks.names)
        only = dataset.tasks[0] if len(dataset.tasks) == 1 else None
        routed = bool(expert_usage.find_active_mixtures(self.loaded.model))
        samples = dataset.samples
        # None: no bar if standard error is not a terminal.
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
            store(self.get_key_file(task), keys[task], **facts)
        if not self.config.control:
            index_file = self.directory.examples_file(self.config.split)
            self.tasks.save_examples(self.loaded, dataset, index_file)
        return found

    def score_task(
        self, task: str, predictions: Predictions, facts: Mapping[str, Any]
    ) -> TaskPredictions:
        """Score predictions with the task's current metric, and write them."""
        scored = self.tasks.score_predictions(task, predictions.rows)
        rows = predictions.with_statistics(scored.statistics)
        rows.save(self.get_predictions_file(task))
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

        Cached for as long as the predictions are the same.
        """
        file = self.directory.cost_cache_file(self.config.split, self.config.control)
        key = dict(keys)
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
