"""Training: a recipe on tasks, in stages, into a folder that can be resumed bit for bit."""

from coterie.train.adopt import add_tasks
from coterie.train.plan import RunConfig
from coterie.train.run import Run
from coterie.train.session import train_from_config, train

__all__ = ["RunConfig", "Run", "add_tasks", "train_from_config", "train"]
