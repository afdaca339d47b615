"""`evaluate`: compute a run's predictions, scores, expert usage and cost on held-out samples."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch

from coterie import distributed
from coterie.devices import choose_device
from coterie.evaluate.evaluation import Evaluation
from coterie.evaluate.scores import Scores
from coterie.train.run import Run, copy_run_files
from coterie.train.run_lock import lock_run
from coterie.train.sharding import hide_request


def evaluate(  # noqa: PLR0913  the choices of one call, each by its name
    run: Run | str | Path,
    *,
    split: str = "test",
    batch_size: int = 16,
    limit: int | None = None,
    blind: bool = False,
    without: str | Sequence[str] = (),
    untrained: bool = False,
    skip_bad_rows: bool | None = None,
    device: str | torch.device | None = None,
) -> Scores:
    """Score a run on held-out samples and write the results into the run's folder.

    Writes scores.json, routing.json and predictions/SPLIT/TASK.jsonl; with `blind`, `without` or
    `untrained`, scores.blind.json and predictions-blind/, and the like. Tasks that have predictions
    of the same weights and samples are not predicted again. Predictions of dense tasks store the
    statistics of each image; five images, the same for every run, are written with labels and
    predictions as PNG files to predictions/SPLIT/examples/. Of several processes, all must call it;
    each predicts a part of the batches of one, and the first writes the files.

    Args:
        batch_size: samples of a forward pass, at least 1.
        limit: samples per task, the same ones in every run; None for all.
        blind: remove images and audio, to measure what the text alone reveals.
        without: a name or names of sensors of a dense data set that the model does not get, to
            measure what they add.
        untrained: evaluate the run's base model, without the trained weights.
        skip_bad_rows: skip rows that cannot be read, count them in the scores, and list them in
            bad_rows.SPLIT.jsonl; None for what the run was trained with.
        device: see `coterie.devices.choose_device`; None for an accelerator where there is one.

    Raises ValueError for bad rows, for a run that has not been trained, for a split that a task
    lacks, for a device that is not there, for `blind` with tasks that have images alone, and for
    sensors in `without` that the tasks lack, or that are all.
    """
    run = run if isinstance(run, Run) else Run.read(run)
    run.check_rows(split)
    skip = run.config.skip_bad_rows if skip_bad_rows is None else skip_bad_rows
    chosen = choose_device(device)
    distributed.init_distributed(chosen)
    evaluation = Evaluation(
        run=run, split=split, batch_size=batch_size, limit=limit, blind=blind,
        without=(without,) if isinstance(without, str) else tuple(without),
        untrained=untrained, skip_bad_rows=skip, device=chosen,
    )  # fmt: skip
    work = "-".join(filter(None, ("evaluation", evaluation.control)))
    place = "a folder by --to (Run.read(..., to=))"
    with (
        lock_run(run.results, work, place=place),
        distributed.explain_lost_process(),
        hide_request(),
    ):
        distributed.run_on_rank_zero(partial(copy_run_files, run))
        return evaluation.compute_scores()
