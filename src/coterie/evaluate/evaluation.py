"""`Evaluation`: one call of `evaluate`, which predicts what is not up to date, and scores it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch

from coterie import distributed, serialization
from coterie.evaluate import cost, expert_usage, predictions
from coterie.evaluate.scores import Scores, SharedRows, TaskScore
from coterie.io import write_json
from coterie.modalities.base import find_modalities
from coterie.models.loading import LoadedModel
from coterie.progress import Progress
from coterie.routing.decision import Tape
from coterie.routing.usage import ExpertUsage, UsageStatistics
from coterie.tasks.predictions import EvaluationDataset, PredictionResult, PredictOptions
from coterie.tasks.task_set import TaskSet
from coterie.train.controls import make_sensor_control
from coterie.train.frozen_caches import cache_encoder_features, disable_feature_cache
from coterie.train.run import Run

Keys = Mapping[str, Mapping[str, Any]]
"""Task -> what its predictions depend on."""
Measured = Mapping[str, Any]
"""The "use", "use_by_modality", "seconds" and "samples" of a task's predictions."""
Scored = tuple[TaskScore, Measured]
FLOPS_SAMPLES = 8
"""The samples of each data set on which FLOPs are counted."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The arguments of a call of `evaluate`; the model is loaded when the first task needs it."""

    run: Run
    split: str = "test"
    batch_size: int = 16
    limit: int | None = None
    blind: bool = False
    without: tuple[str, ...] = ()
    untrained: bool = False
    skip_bad_rows: bool = False
    device: str | torch.device | None = None

    def __post_init__(self) -> None:
        for name, value in (("batch_size", self.batch_size), ("limit", self.limit)):
            if value is not None and value < 1:
                raise ValueError(f"{name}={value}: give at least 1")
        tasks = self.tasks  # a wrong name in `without` is told first
        if self.blind and not tasks.supports_blind:
            raise ValueError(
                f"blind=True leaves out images and sounds, and the tasks of {self.run.folder} have "
                "no other input: evaluate it without"
            )

    @cached_property
    def tasks(self) -> TaskSet:
        tasks = self.run.config.tasks
        return tasks.withhold(self.without) if self.without else tasks

    @property
    def modalities(self) -> tuple[str, ...]:
        """The names of all modalities, those of added files included."""
        return tuple(each.name for each in find_modalities())

    @property
    def control(self) -> str:
        """The control: "untrained", "blind", "without-depth", several joined, or "" for none."""
        kinds = {"untrained": self.untrained, "blind": self.blind}
        kinds |= {make_sensor_control(self.without): bool(self.without)}
        return "-".join(kind for kind, wanted in kinds.items() if wanted)

    @cached_property
    def loaded(self) -> LoadedModel:
        run, device = self.run, self.device
        loaded = run.load_base(device) if self.untrained else run.load(device=device)
        cache_encoder_features(loaded.model, loaded.processor)
        return loaded

    @cached_property
    def datasets(self) -> Sequence[EvaluationDataset]:
        return self.tasks.load_evaluation_datasets(
            self.split, limit=self.limit, blind=self.blind, skip_bad_rows=self.skip_bad_rows,
            sample_check=self.run.load_evaluation_check()
        )  # fmt: skip

    def make_keys(self) -> Keys:
        """Return all that each task's predictions depend on except the program."""
        config, digest = self.run.config, None
        if not self.untrained:
            digest = predictions.compute_adapter_digest(self.run.directory.adapter_folder)
        weights = predictions.compute_weights_digest(config.base)
        key = {"adapter": digest, "base": config.base, "precision": config.precision}
        key |= {"base_weights": weights} if weights else {}
        # Only what was given, so that earlier predictions stay valid.
        key |= {k: each for k, each in vars(config.model_options).items() if each is not None}
        # Without an adapter, newly initialised weights of the base model depend on the seed.
        seed = {"seed": config.seed} if self.untrained else {}
        return {
            task: key | seed | self.tasks.make_prediction_key(dataset, task)
            for dataset in self.datasets
            for task in dataset.tasks
        }

    def compute_scores(self) -> Scores:
        """Predict what is not up to date, score it, and write all files into the run's folder."""
        datasets = distributed.run_on_all(lambda: self.datasets)
        keys = distributed.run_on_rank_zero(self.make_keys)
        found: dict[str, Scored] = {}
        for dataset in datasets:
            stored = distributed.run_on_rank_zero(partial(self.score_stored, dataset, keys))
            found |= stored or self.predict_dataset(dataset, keys)
        return distributed.run_on_rank_zero(lambda: self.save_scores(found, keys))

    def save_scores(self, found: Mapping[str, Scored], keys: Keys) -> Scores:
        """Measure the cost, and write the scores and the table of expert usage."""
        directory = self.run.results
        facts = [measured for _, measured in found.values()]
        usage, by_modality = (
            ExpertUsage.merge(ExpertUsage.from_json(each[key], names) for each in facts)
            for key, names in (("use", self.tasks.names), ("use_by_modality", self.modalities))
        )
        measured = self.measure_cost(keys, facts, usage.compute_means())
        if not self.control:
            means = usage.compute_means(), by_modality.compute_means()
            table = expert_usage.make_usage_table(measured["layers"], *means)
            write_json(directory.expert_usage_file, table)
        skipped = [row for dataset in self.datasets for row in dataset.bad_rows]
        scores = Scores(
            split=self.split, cost=measured["cost"], control=self.control,
            tasks={task: found[task][0] for task in self.tasks.names},
            num_skipped=directory.write_bad_rows(skipped, self.split),
            trained_on=self.find_shared("train"), validated_on=self.find_shared("validation"),
        )  # fmt: skip
        scores.save(directory.scores_file(self.control))
        return scores

    def find_shared(self, split: str) -> dict[str, SharedRows]:
        """Find the scored rows that training or validation has, too."""
        used = {"train": True, "validation": self.run.config.validates and self.split != "train"}
        if self.control or split == self.split or not used[split]:
            return {}
        return SharedRows.find(self.tasks, self.datasets, split)

    def get_predictions_file(self, task: str) -> Path:
        return self.run.results.predictions_file(self.split, task, self.control)

    def get_key_file(self, task: str) -> Path:
        return self.run.results.predictions_cache_file(self.split, task, self.control)

    def score_stored(self, dataset: EvaluationDataset, keys: Keys) -> dict[str, Scored]:
        """Score the stored predictions if all tasks' are up to date and whole; else empty."""
        stored, fields = {}, self.tasks.prediction_fields
        for task in dataset.tasks:
            known = predictions.load_if_fresh(self.get_key_file(task), keys[task]) or {}
            file = self.get_predictions_file(task)
            rows = predictions.read_if_whole(file, fields, known.get("rows"))
            if not rows or "use_by_modality" not in known:  # of a version that did not measure it
                return {}
            stored[task] = rows, known
        return {
            task: (self.score_task(task, rows), known) for task, (rows, known) in stored.items()
        }

    def predict_dataset(self, dataset: EvaluationDataset, keys: Keys) -> dict[str, Scored]:
        """Run the model on a data set, and write the predictions with their keys."""
        usage, by_modality = ExpertUsage(self.tasks.names), ExpertUsage(self.modalities)
        only = dataset.tasks[0] if len(dataset.tasks) == 1 else None
        count = len(dataset.samples)
        options: PredictOptions = {"batch_size": self.batch_size}

        def add(tape: Tape) -> None:
            usage.add(tape, task=only)
            by_modality.add_by_modality(tape)

        if expert_usage.find_active_mixtures(self.loaded.model):
            options["on_routing"] = add
        phase = f"evaluate {dataset.name}"
        with Progress(count, phase, unit=dataset.unit) as progress:
            options["on_batch_end"] = lambda done: progress.update(done - progress.done)
            result = self.tasks.predict(self.loaded, dataset, **options)
        usages = [
            ExpertUsage.merge(distributed.all_gather_object(each)) for each in (usage, by_modality)
        ]
        make = partial(self.store_predictions, dataset, keys, result, *usages)
        return distributed.run_on_rank_zero(make)

    def store_predictions(
        self,
        dataset: EvaluationDataset,
        keys: Keys,
        result: PredictionResult,
        usage: ExpertUsage,
        by_modality: ExpertUsage,
    ) -> dict[str, Scored]:
        """Score and write new predictions, and then their keys."""
        seconds, count = result.seconds / len(dataset.tasks), len(dataset.samples)
        found = {}
        for task in dataset.tasks:
            # Otherwise it would validate a partly written file.
            self.get_key_file(task).unlink(missing_ok=True)
            facts = {"use": usage.to_json(task), "seconds": seconds, "samples": count}
            # One forward pass serves all tasks of a data set, and counts once.
            first = task == dataset.tasks[0]
            facts["use_by_modality"] = by_modality.to_json() if first else {}
            facts["rows"] = predictions.compute_rows_digest(result.rows[task])
            found[task] = self.score_task(task, result.rows[task]), facts
            predictions.store(self.get_key_file(task), keys[task], **facts)
        if not self.control:
            examples = self.run.results.examples_file(self.split)
            self.tasks.save_examples(self.loaded, dataset, examples)
            self.write_routing_trace(dataset)
        return found

    def write_routing_trace(self, dataset: EvaluationDataset) -> None:
        """Write what the gates decide for the tokens of the first sample, if they are by token."""
        if not expert_usage.find_active_mixtures(self.loaded.model):
            return
        trace = self.tasks.trace_routing(self.loaded, dataset)
        file = self.run.results.routing_trace_file(self.split, dataset.tasks[0])
        if trace is None:
            file.unlink(missing_ok=True)  # of gates that an earlier evaluation had
        else:
            write_json(file, serialization.dump(trace))

    def score_task(self, task: str, rows: Sequence[dict[str, Any]]) -> TaskScore:
        """Score predictions with the task's current metric, and write them."""
        metric, statistics = self.tasks.score_predictions(task, rows)
        predictions.write_predictions(self.get_predictions_file(task), rows, statistics)
        name = str(self.tasks.get_metric(task))
        return TaskScore.from_statistics(metric, statistics, task=task, name=name)

    def measure_cost(
        self, keys: Keys, facts: Sequence[Measured], usage: UsageStatistics
    ) -> dict[str, Any]:
        """Return {"cost": ..., "layers": layer -> its experts' names}.

        Cached for as long as the predictions are the same.
        """
        file = self.run.results.cost_cache_file(self.split, self.control)
        if (known := predictions.load_if_fresh(file, keys)) is not None:
            return known
        loaded, model = self.loaded, self.loaded.model
        with disable_feature_cache(loaded.processor):
            forward = self.tasks.make_forward_pass(loaded, self.datasets, num_samples=FLOPS_SAMPLES)
        trained = None if self.untrained else self.run.directory
        measured = cost.measure_model(model, forward, usage, trained)
        seconds = sum(each["seconds"] for each in facts)
        measured["generate_samples_per_s"] = sum(each["samples"] for each in facts) / seconds
        mixtures = expert_usage.find_active_mixtures(model)
        layers = {name: expert_usage.make_expert_names(each) for name, each in mixtures.items()}
        return predictions.store(file, keys, cost=measured, layers=layers)
