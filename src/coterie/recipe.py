"""`Recipe`: the configuration of an experiment as a frozen, serialisable value."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from coterie import serialization
from coterie.balancing.base import Balancing
from coterie.balancing.fixed import Fixed
from coterie.file_names import check_file_name
from coterie.io import read_text, write
from coterie.losses.base import RoutingLoss
from coterie.mixture import Mixture
from coterie.stage import Stage
from coterie.stage_order import check_stage_order

RECIPE_FILE = "recipe.json"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """An experiment without its base model and data; `read(save(...))` returns an equal recipe.

    Attributes:
        name: the system's.
        role: "method", or "baseline" for systems that methods are compared with.
        mixtures: grafted into the base model by `coterie.graft`; empty to train it as it is.
        losses: routing losses, added to the tasks' loss.
        balancing: combines the tasks' losses into one.
        stages: in the order they are trained, at least one.
        paper: authors, year, arXiv id.
        notes: advice for its users.
        departures: differences from the paper, a sentence each.
        one_task: whether it is trained once for each task, on that task's rows alone.
    """

    name: str = "recipe"
    role: Literal["method", "baseline"] = "method"
    mixtures: tuple[Mixture, ...] = field(default_factory=lambda: (Mixture(),))
    losses: tuple[RoutingLoss, ...] = ()
    balancing: Balancing = field(default_factory=Fixed)
    stages: tuple[Stage, ...] = field(default_factory=lambda: (Stage(),))
    paper: str = ""
    notes: str = ""
    departures: tuple[str, ...] = ()
    one_task: bool = False

    def __post_init__(self) -> None:
        check_file_name(self.name, "Recipe(...): name", kind="system")
        kinds = {"mixtures": Mixture, "losses": RoutingLoss, "stages": Stage, "departures": str}
        for name, kind in kinds.items():
            items = getattr(self, name)
            rows = items if isinstance(items, tuple) else [items]
            wrong = [row for row in rows if rows is not items or not isinstance(row, kind)]
            if wrong:
                allowed = f"a tuple of {kind.__name__}"
                raise ValueError(f"Recipe({name}=...) is {allowed}, but has {wrong[0]!r}")
        if not isinstance(self.balancing, Balancing):
            advice = "give a kind of coterie.balancing, such as Fixed()"
            raise ValueError(f"Recipe(balancing={self.balancing!r}): {advice}")
        if not self.stages:
            raise ValueError(f"recipe {self.name!r} needs at least one stage")
        if self.losses and all(mixture.gate is None for mixture in self.mixtures):
            raise ValueError(
                f"recipe {self.name!r} has losses on the routing, and no mixture of it has a gate: "
                "leave the losses out or give a mixture a gate"
            )
        if self.role not in ("method", "baseline"):
            allowed = "'method', and 'baseline' for what methods are compared with"
            raise ValueError(f"Recipe(role={self.role!r}): allowed are {allowed}")
        check_stage_order(self.name, self.stages)

    def __repr__(self) -> str:
        """Format the name and the numbers of parts: `dumps` has all of it."""
        parts = f"{len(self.mixtures)} mixtures, {len(self.stages)} stages"
        return f"Recipe(name={self.name!r}, role={self.role!r}, {parts})"

    def check_tasks(self, names: Sequence[str]) -> None:
        """Raise ValueError for several tasks, if each is to be trained alone."""
        if self.one_task and len(names) > 1:
            raise ValueError(
                f"recipe {self.name!r} is trained once for each task, on that task's rows alone, "
                f"and {len(names)} tasks were given ({', '.join(names)}): name one, as in "
                f"tasks.yaml:{names[0]}, and train each into a folder of its own. One adapter for "
                "all of them is recipe 'shared_lora'"
            )

    def dumps(self) -> str:
        """Return the recipe as JSON text."""
        return serialization.dumps(self, name=self.name)

    @classmethod
    def loads(cls, text: str, *, name: str = "recipe") -> "Recipe":
        """Build the recipe from what `dumps` returned; `name` is its name in error messages."""
        return serialization.loads(text, Recipe, name=name)

    def save(self, path: str | Path) -> Path:
        """Write the recipe to a file, or to recipe.json in a folder; return the file."""
        path = _get_recipe_file(path)
        return write(path, self.dumps())

    @classmethod
    def read(cls, path: str | Path) -> "Recipe":
        """Read the recipe in a file, or in recipe.json of a folder."""
        path = _get_recipe_file(path)
        if not path.is_file():
            raise ValueError(f"{path} is no file: give a recipe's JSON file, or a run's folder")
        return cls.loads(read_text(path), name=str(path))


def _get_recipe_file(path: str | Path) -> Path:
    path = Path(path).expanduser()
    return path / RECIPE_FILE if path.is_dir() else path
