"""Tasks, and the tasks.yaml that lists them."""

from coterie.tasks.listed import read_tasks
from coterie.tasks.task import Task

__all__ = ["Task", "read_tasks"]
