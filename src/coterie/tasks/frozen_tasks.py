"""`FrozenTasks`: an earlier run whose tasks stay as they are while further tasks are trained."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class FrozenTasks:
    """The run that `coterie.add_tasks` starts from.

    Attributes:
        run: the earlier run's folder; read when training starts, and not after it is done.
        names: the earlier run's tasks, the first of the task set's.
        initialize_from: the one among them whose gates the new tasks' gates start as; None for
            the mean of all.
    """

    run: str
    names: tuple[str, ...]
    initialize_from: str | None = None

    def check(self, names: Sequence[str]) -> None:
        """Raise ValueError unless `names` are the frozen tasks followed by new ones."""
        count = len(self.names)
        if tuple(names[:count]) != self.names or len(names) == count:
            raise ValueError(
                f"tasks={list(names)}: give a data set whose tasks are those of {self.run}, in "
                f"their order, and then the new ones: names=({', '.join(map(repr, self.names))}, "
                "...)"
            )
        if self.initialize_from not in (None, *self.names):
            raise ValueError(
                f"initialize_from={self.initialize_from!r}: give one of {', '.join(self.names)}"
            )
