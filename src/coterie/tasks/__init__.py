"""Tasks: what a run trains, evaluates and compares, as one `TaskSet` of any kind."""

from coterie.public_names import export_classes
from coterie.tasks.as_task_set import as_task_set
from coterie.tasks.dense.task_set import DenseTasks
from coterie.tasks.task_set import TaskSet
from coterie.tasks.text.task import TextTask
from coterie.tasks.text.task_set import TextTasks

__all__ = ["DenseTasks", "TaskSet", "TextTask", "TextTasks", "as_task_set"]

__getattr__, __dir__ = export_classes(__name__)
