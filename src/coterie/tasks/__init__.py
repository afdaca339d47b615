"""Tasks, and the tasks.yaml that lists them."""

from coterie.public_names import export_classes
from coterie.task_file import read_tasks
from coterie.tasks.text.task import TextTask

__all__ = ["TextTask", "read_tasks"]

__getattr__, __dir__ = export_classes(__name__)
