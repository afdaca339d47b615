"""Training: a recipe on tasks, in stages, into a folder that can be resumed bit for bit."""

from coterie.train.adopt import adopt
from coterie.train.plan import Plan
from coterie.train.run import Run
from coterie.train.session import follow, train

__all__ = ["Plan", "Run", "adopt", "follow", "train"]
