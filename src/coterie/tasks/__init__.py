"""Tasks, and the tasks.yaml that lists them."""

from coterie.task_file import read_tasks
from coterie.tasks.text.task import TextTask

__all__ = ["TextTask", "read_tasks"]
