"""The rows of a run: to train on, and to validate on."""

from collections.abc import Sequence

from coterie.data.sample_check import SampleCheck
from coterie.tasks.predictions import TaskDataset
from coterie.train.batch_sampler import MultiTaskDataset
from coterie.train.config import RunConfig


def load_rows(
    config: RunConfig, sample_check: SampleCheck | None
) -> tuple[MultiTaskDataset, Sequence[TaskDataset]]:
    """Load the rows to train on, and those to validate on if the run validates.

    Raises one ValueError with the bad rows of all splits, also of those that training does not
    read, so that they can be mended at once.
    """
    tasks, skip = config.tasks, config.skip_bad_rows
    try:
        train = MultiTaskDataset(config, sample_check)
        if not config.validates:
            return train, []
        return train, tasks.load_datasets(
            "validation", skip_bad_rows=skip, sample_check=sample_check
        )
    except ValueError as error:
        problems = [str(error)]
    scored = sample_check and sample_check.without_max_length()
    checks = {"validation": sample_check, "test": scored}
    for split, check in checks.items():
        problem = tasks.describe_bad_rows(split, skip_bad_rows=skip, sample_check=check)
        if problem and problem not in problems:
            problems.append(problem)
    raise ValueError("\n".join(problems))
