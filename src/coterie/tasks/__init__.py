"""Tasks, and the tasks.yaml that lists them."""

from coterie.tasks.listed import read_tasks
from coterie.tasks.task import TextTask

__all__ = ["TextTask", "read_tasks"]
