"""`Adopts`: an earlier run whose tasks stay as they are while a plan's further tasks learn."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class FrozenTasks:
    """What a plan begins from; `coterie.add_tasks` makes it.

    Attributes:
        run: the earlier run's folder; read when training starts, and not once it is done.
        keeps: the earlier run's tasks, the first of the plan's.
        like: the one among them whose gates the new ones start as; None for the mean of all.
    """

    run: str
    frozen_tasks: tuple[str, ...]
    initialize_from: str | None = None

    def check(self, names: Sequence[str]) -> None:
        """Raises ValueError if a plan of tasks with these names does not fit."""
        count = len(self.frozen_tasks)
        if tuple(names[:count]) != self.frozen_tasks or len(names) == count:
            raise ValueError(
                f"tasks={list(names)}: give a data set whose tasks are those of {self.run}, in "
                f"their order, and then the new ones: names=({', '.join(map(repr, self.frozen_tasks))}, "
                "...)"
            )
        if self.initialize_from is not None and self.initialize_from not in self.frozen_tasks:
            raise ValueError(
                f"like={self.initialize_from!r}: give one of {', '.join(self.frozen_tasks)}"
            )

    def list_new_tasks(self, names: Sequence[str]) -> tuple[str, ...]:
        """Those of a plan's tasks that learn."""
        return tuple(names[len(self.frozen_tasks) :])
