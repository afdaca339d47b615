"""The samples behind predictions, found again in the user's data for their pictures."""

from collections.abc import Iterator, Mapping
from typing import Any

from coterie import spec
from coterie.data.rows import Dataset
from coterie.report.folder import RunFiles


def find_samples(run: RunFiles, task: str, split: str, wanted: Mapping[int, str]) -> dict[str, Any]:
    """Source -> the `coterie.data.Sample` there, for those that are found.

    Args:
        run: its recipe.json says where the data is.
        task: the task's name.
        split: the split that was evaluated.
        wanted: place in the predictions -> source. Predictions keep the data's order, so the
            place is looked at first; only where rows have moved since, all are read.

    Raises ValueError if the data is not there any more.
    """
    plan = spec.load(run.config, name=f"{run.path.name}/recipe.json")
    found = next((each for each in plan.tasks if each.name == task), None)
    if found is None:
        raise ValueError(f"recipe.json has no task {task!r}")
    rows = found.samples(split, skip_bad_rows=True, check_media=False)
    near = {}
    for place, source in wanted.items():
        if place < len(rows) and (sample := rows[place]).source == source:
            near[source] = sample
    missing = set(wanted.values()) - set(near)
    return near | dict(scan_rows(rows, missing))


def scan_rows(rows: Dataset, missing: set[str]) -> Iterator[tuple[str, Any]]:
    """Reads on until nothing is missing."""
    left = set(missing)
    for place in range(len(rows) if left else 0):
        sample = rows[place]
        if sample.source in left:
            left.remove(sample.source)
            yield sample.source, sample
        if not left:
            return
