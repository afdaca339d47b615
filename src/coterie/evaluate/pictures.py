"""`evaluate` for runs on a dense data set: all tasks of a picture in one pass."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from coterie.data.subset import spread_indices
from coterie.evaluate import cost, examples, expert_usage
from coterie.evaluate.predictions import get_predictions_file, get_predictions_folder
from coterie.evaluate.scored_pictures import DensePredictions
from coterie.evaluate.scores import Scores, TaskScore
from coterie.evaluate.systems import get_scores_file
from coterie.io import write_json
from coterie.models.loading import LoadedModel
from coterie.routing.decision import Tape
from coterie.tasks.dense.dataset import DenseDataset, DenseSample, DenseSamples
from coterie.tasks.dense.inference import InferenceResult, predict_batch, run_inference
from coterie.tasks.dense.vision_config import ResizedDataset
from coterie.train import bad_rows
from coterie.train.run import Run

FLOPS_IMAGES = 8


class DenseSubset(DenseSamples):
    """Some of a data set's pictures, the same ones each time, spread over all of them."""

    def __init__(self, rows: DenseSamples, limit: int | None) -> None:
        self.dataset, self.indices, self.bad_rows = (
            rows,
            spread_indices(len(rows), limit),
            rows.bad_rows,
        )

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> DenseSample:
        return self.dataset[int(self.indices[index])]


def scores_on(
    run: Run,
    dataset: DenseDataset,
    split: str,
    *,
    batch_size: int,
    limit: int | None,
    untrained: bool,
    skip_bad_rows: bool,
    device: str | torch.device | None,
) -> Scores:
    """Scores a run on pictures and writes what it finds into its folder; see `coterie.evaluate`.

    An answer, of which the cost's FLOPs and speed are, is a picture for one task: so multi-task
    runs can be compared with single-task runs.

    Raises ValueError for a run that has not been trained, and for a split that there is not.
    """
    rows = rows_of(run, dataset, split, limit, skip_bad_rows=skip_bad_rows)
    loaded = loaded_for(run, untrained=untrained, device=device)
    uses = {name: expert_usage.ExpertUsage() for name in run.task_names}
    mixtures = expert_usage.find_active_mixtures(loaded.model)
    # None: no bar where nobody looks.
    with tqdm(total=len(rows), desc=split, unit="picture", disable=None) as bar:
        found = run_inference(
            loaded.model,
            rows,
            dataset.tasks,
            pixels=loaded.processor.pixels,
            batch_size=batch_size,
            on_routing=partial(count, list(uses.values())) if mixtures else None,
            on_batch_end=lambda done: bar.update(done - bar.n),
        )
    control = "untrained" if untrained else ""
    tasks = {}
    for task in dataset.tasks:
        statistics, metric = found.statistics[task.name], task.make_metric()
        kept = DensePredictions(sources=found.sources, statistics=statistics)
        kept.save(
            get_predictions_file(get_predictions_folder(run.folder, split, control), task.name)
        )
        tasks[task.name] = TaskScore.from_statistics(metric, statistics)
    use = {name: each.dump() for name, each in uses.items()}
    if not untrained:
        pixels = loaded.processor.pixels
        shown = examples.predict_examples(loaded.model, rows.dataset, dataset.tasks, pixels=pixels)
        examples.save_examples(run.directory.examples_file(split, control), dataset.tasks, shown)
        labels = {
            layer: expert_usage.make_expert_names(mixture) for layer, mixture in mixtures.items()
        }
        write_json(run.directory.expert_usage_file, expert_usage.make_usage_table(labels, use))
    costs = cost_of(run, loaded, rows, found, use, untrained=untrained)
    bad = bad_rows.write_bad_rows(run.directory.bad_rows_file(split), rows.bad_rows)
    scores = Scores(split=split, tasks=tasks, cost=costs, control=control, num_skipped=len(bad))
    scores.save(get_scores_file(run, control))
    return scores


def rows_of(
    run: Run,
    dataset: DenseDataset,
    split: str,
    limit: int | None = None,
    *,
    skip_bad_rows: bool | None = None,
) -> DenseSubset:
    """A split as a run sees it outside of training. Raises ValueError if there is none.

    Args:
        skip_bad_rows: None does as the run's training did.
    """
    skip = run.config.skip_bad_rows if skip_bad_rows is None else skip_bad_rows
    rows = dataset.load_split(split, skip_bad_rows=skip)
    return DenseSubset(ResizedDataset(rows, dataset.tasks, run.config.vision), limit)


def loaded_for(run: Run, *, untrained: bool, device: str | torch.device | None) -> LoadedModel:
    """The run's model, or what it started from: its backbone, with heads drawn from its seed."""
    # Heavy: transformers' training arguments. `import coterie` must not wait for them.
    from coterie.train import stage_setup

    loaded = (
        stage_setup.make_task_set(run.config).load_model() if untrained else run.load(device=device)
    )
    model: Any = loaded.model
    model.to(device or "cpu").requires_grad_(False)
    return loaded


def count(uses: Sequence[expert_usage.ExpertUsage], tape: Tape) -> None:
    """Adds what was decided in a pass of all tasks to each task's use."""
    for task, part in expert_usage.split_by_task(tape).items():
        uses[task].add(part)


def cost_of(
    run: Run,
    loaded: LoadedModel,
    rows: DenseSamples,
    found: InferenceResult,
    use: Mapping[str, Mapping[str, Any]],
    *,
    untrained: bool,
) -> dict[str, float | int | None]:
    """What the model costs; see `coterie.evaluate.cost`."""
    model, names = loaded.model, list(run.task_names)
    some = [rows[index].image for index in range(min(FLOPS_IMAGES, len(rows)))]
    some = [image for image in some if image.shape == some[0].shape]
    batch = loaded.processor.pixels(some)
    flops = cost.count_flops(lambda: predict_batch(model, batch, names, None))
    return {
        "trainable_parameters":
            0 if untrained else cost.count_trainable_parameters(run.directory.adapter_folder),
        "active_parameters": cost.count_active_parameters(model, use),
        "total_parameters": cost.count_total_parameters(model),
        "flops_per_sample": flops / (len(some) * len(names)),
        "peak_memory_bytes": cost.get_peak_memory_bytes(model.device),
        **({} if untrained else cost.read_training_time(Path(run.folder))),
        "generate_samples_per_s": len(found.sources) * len(names) / found.seconds,
    }  # fmt: skip
