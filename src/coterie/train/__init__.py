"""Training of a recipe on tasks, in stages, into a run's folder; resumable bit for bit."""

from coterie.train.add_tasks import add_tasks
from coterie.train.check import check
from coterie.train.config import RunConfig
from coterie.train.run import Run
from coterie.train.sequence import train_sequence
from coterie.train.train import train, train_from_config

__all__ = [
    "Run", "RunConfig", "add_tasks", "check", "train", "train_from_config", "train_sequence"
]  # fmt: skip
