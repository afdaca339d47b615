"""Tasks: what a run trains, evaluates and compares, as one `TaskSet` of any kind."""

from collections.abc import Sequence

from coterie.public_names import export_classes
from coterie.tasks.dense.dataset import DenseDataset
from coterie.tasks.dense.task_set import DenseTasks
from coterie.tasks.task_set import TaskSet
from coterie.tasks.text.task import TextTask
from coterie.tasks.text.task_set import TextTasks

__all__ = ["DenseTasks", "TaskSet", "TextTask", "TextTasks", "as_task_set"]

__getattr__, __dir__ = export_classes(__name__)


def as_task_set(tasks: TaskSet | TextTask | Sequence[TextTask] | DenseDataset) -> TaskSet:
    """Return a task set as it is, text tasks as `TextTasks`, a dense data set as `DenseTasks`.

    Raises ValueError for anything else.
    """
    match tasks:
        case TaskSet():
            return tasks
        case TextTask():
            return TextTasks(tasks=(tasks,))
        case DenseDataset():
            return DenseTasks(dataset=tasks)
        case list() | tuple():
            return TextTasks(tasks=tuple(tasks))
    raise ValueError(
        f"tasks={tasks!r}: give what coterie.read_tasks returns, text tasks, or a dense data set"
    )
