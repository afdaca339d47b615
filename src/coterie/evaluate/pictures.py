"""`evaluate` for runs on a dense data set: all tasks of a picture in one pass."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from coterie.dense.rows import DenseRows, DenseSample, DenseSet
from coterie.dense.scoring import Scored, predicted, scored
from coterie.dense.vision import Seen
from coterie.evaluate import cost, example_pictures, routing
from coterie.evaluate.chosen import spread
from coterie.evaluate.predictions import file_of, folder_of
from coterie.evaluate.scored_pictures import ScoredPictures
from coterie.evaluate.scores import Scores, TaskScore
from coterie.evaluate.systems import scores_file
from coterie.pretrained import Pretrained
from coterie.routing.decision import Tape
from coterie.train import left_out
from coterie.train.run import Run
from coterie.train.whole import write_json

FLOPS_PICTURES = 8


class ChosenPictures(DenseRows):
    """Some of a data set's pictures, the same ones each time, spread over all of them."""

    def __init__(self, rows: DenseRows, limit: int | None) -> None:
        self.rows, self.places, self.bad = rows, spread(len(rows), limit), rows.bad

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> DenseSample:
        return self.rows[int(self.places[index])]


def scores_on(
    run: Run,
    pictures: DenseSet,
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
    rows = rows_of(run, pictures, split, limit, skip_bad_rows=skip_bad_rows)
    loaded = loaded_for(run, untrained=untrained, device=device)
    uses = {name: routing.Use() for name in run.tasks}
    mixtures = routing.sites(loaded.model)
    # None: no bar where nobody looks.
    with tqdm(total=len(rows), desc=split, unit="picture", disable=None) as bar:
        found = scored(
            loaded.model,
            rows,
            pictures.tasks,
            pixels=loaded.processor.pixels,
            batch_size=batch_size,
            told=partial(count, list(uses.values())) if mixtures else None,
            tick=lambda done: bar.update(done - bar.n),
        )
    control = "untrained" if untrained else ""
    tasks = {}
    for task in pictures.tasks:
        statistics, metric = found.statistics[task.name], task.metric()
        kept = ScoredPictures(sources=found.sources, statistics=statistics)
        kept.save(file_of(folder_of(run.folder, split, control), task.name))
        tasks[task.name] = TaskScore.of(metric, statistics)
    use = {name: each.dump() for name, each in uses.items()}
    if not untrained:
        pixels = loaded.processor.pixels
        shown = example_pictures.answers(loaded.model, rows.rows, pictures.tasks, pixels=pixels)
        example_pictures.keep(folder_of(run.folder, split, control), pictures.tasks, shown)
        labels = {layer: routing.labels(mixture) for layer, mixture in mixtures.items()}
        write_json(Path(run.folder) / "routing.json", routing.table(labels, use))
    costs = cost_of(run, loaded, rows, found, use, untrained=untrained)
    bad = left_out.note(Path(run.folder) / f"bad_rows.{split}.jsonl", rows.bad)
    scores = Scores(split=split, tasks=tasks, cost=costs, control=control, left_out=len(bad))
    scores.save(scores_file(run, control))
    return scores


def rows_of(
    run: Run,
    pictures: DenseSet,
    split: str,
    limit: int | None = None,
    *,
    skip_bad_rows: bool | None = None,
) -> ChosenPictures:
    """A split as a run sees it outside of training. Raises ValueError if there is none.

    Args:
        skip_bad_rows: None does as the run's training did.
    """
    skip = run.plan.skip_bad_rows if skip_bad_rows is None else skip_bad_rows
    rows = pictures.rows(split, skip_bad_rows=skip)
    return ChosenPictures(Seen(rows, pictures.tasks, run.plan.vision), limit)


def loaded_for(run: Run, *, untrained: bool, device: str | torch.device | None) -> Pretrained:
    """The run's model, or what it started from: its backbone, with heads drawn from its seed."""
    # Heavy: transformers' training arguments. `import coterie` must not wait for them.
    from coterie.train import assembly

    loaded = assembly.lesson(run.plan).load() if untrained else run.load(device=device)
    model: Any = loaded.model
    model.to(device or "cpu").requires_grad_(False)
    return loaded


def count(uses: Sequence[routing.Use], tape: Tape) -> None:
    """Adds what was decided in a pass of all tasks to each task's use."""
    for task, part in routing.by_task(tape).items():
        uses[task].add(part)


def cost_of(
    run: Run,
    loaded: Pretrained,
    rows: DenseRows,
    found: Scored,
    use: Mapping[str, Mapping[str, Any]],
    *,
    untrained: bool,
) -> dict[str, float | int | None]:
    """What the model costs; see `coterie.evaluate.cost`."""
    model, names = loaded.model, list(run.tasks)
    some = [rows[index].image for index in range(min(FLOPS_PICTURES, len(rows)))]
    some = [image for image in some if image.shape == some[0].shape]
    batch = loaded.processor.pixels(some)
    flops = cost.flops(lambda: predicted(model, batch, names, None))
    return {
        "trainable_parameters":
            0 if untrained else cost.trainable_parameters(Path(run.folder) / "adapter"),
        "active_parameters": cost.active_parameters(model, use),
        "total_parameters": cost.total_parameters(model),
        "flops_per_sample": flops / (len(some) * len(names)),
        "peak_memory_bytes": cost.peak_memory_bytes(model.device),
        **({} if untrained else cost.training(Path(run.folder))),
        "generate_samples_per_s": len(found.sources) * len(names) / found.seconds,
    }  # fmt: skip
