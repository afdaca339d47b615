"""The tasks of composed runs, united by name."""

from collections.abc import Sequence

from coterie.tasks.task_set import TaskSet
from coterie.tasks.text.task import TextTask
from coterie.tasks.text.task_set import TextTasks
from coterie.train.run import Run


def find_rows(run: Run, tasks: TaskSet | None) -> Run:
    """Return the run with the rows of `tasks`, if its own are gone and all its tasks are there."""
    if tasks is None or not run.config.tasks.find_missing_rows("train"):
        return run
    if not set(run.task_names) <= set(tasks.names):
        return run
    return Run.read(run.folder, base=run.config.base, tasks=tasks)


def join_tasks(runs: Sequence[Run]) -> TextTasks:
    """Return the tasks of all runs, in their order; one that several were trained on stands once.

    Raises ValueError for different tasks of one name.
    """
    found: dict[str, tuple[TextTask, Run]] = {}
    for run in runs:
        tasks = run.config.tasks
        assert isinstance(tasks, TextTasks)
        for task in tasks.tasks:
            known, other = found.setdefault(task.name, (task, run))
            if known != task:
                raise ValueError(
                    f"task {task.name!r} of {run.folder} is another than that of {other.folder}, "
                    "which has other rows or settings: give tasks= (--tasks), a file of the "
                    "composed run's tasks with a name for each; gates by modality need no names"
                )
    return TextTasks(tasks=tuple(task for task, _ in found.values()))
