"""`Recipe` and `Stage`: the configuration of an experiment as frozen, serialisable values."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from coterie import serialization
from coterie.annotations import format_suggestions
from coterie.balancing.base import Balancing
from coterie.balancing.fixed import Fixed
from coterie.file_names import check_file_name, check_names_differ
from coterie.io import read_text, write
from coterie.losses.base import RoutingLoss
from coterie.mixture import Mixture
from coterie.name_patterns import compile_pattern

RECIPE_FILE = "recipe.json"
TRAINABLE_PARTS = ("adapter", "experts", "gates", "shared", "connector", "host")
POSITIVE_FIELDS = ("learning_rate", "epsilon", "epochs", "steps", "batch_size")
WORD = re.compile(r"\w+")
SCHEDULES, INITS = ("cosine", "linear", "constant"), ("continue", "copy")


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage of training: the trained parameters, its length and rates; all else is frozen.

    Attributes:
        name: unique in its recipe.
        trains: names of parts, or regular expressions that match full parameter names of the
            base model. The parts: "experts" (routed ones, and LoRA without a gate), "gates",
            "shared" (shared experts), "adapter" (these three), "connector" (the base model's
            weights between its towers), "host" (all weights of the base model).
        learning_rate: the peak, above 0.
        learning_rates: peaks of parts with their own: parts or expressions as in `trains` (but
            "shared", which is in the experts' tensors); the last match applies.
        epochs: passes over the data, above 0, fractions allowed; 1 if neither this nor `steps`
            is given.
        steps: optimizer steps instead of epochs, at least 1.
        warmup: share of the steps in which the learning rate rises from 0, in [0, 1).
        schedule: of the learning rate after the warmup: "cosine" or "linear" down to 0, or
            "constant".
        weight_decay: at least 0; for parameters of two axes or more, so not biases and norms.
        undecayed: regular expressions that match full parameter names of the base model, without
            weight decay though of two axes or more. One that matches nothing is allowed.
        decays_balancing: whether the balancing's own parameters decay, too, such as the sigma of
            `Uncertainty`, which is pulled to 0 then; they do in Mod-Squad's code.
        epsilon: AdamW's, above 0: far smaller gradients give small updates. 1e-4 in Mod-Squad's
            code.
        batch_size: samples per step over all devices, as in the paper; None leaves it to the
            run.
        routed: False replaces each mixture by one LoRA of weight 1, like the mixture's first
            expert, without gate and router (Awaker2.5-VL's first stage).
        init: initial weights. "continue": the previous stage's, or new ones in the first stage.
            "copy": each expert, also a shared one, is a copy of the LoRA that the previous stage
            trained with `routed=False` (Awaker2.5-VL's second stage).
    """

    name: str = "train"
    trains: tuple[str, ...] = ("adapter",)
    learning_rate: float = 1e-4
    learning_rates: Mapping[str, float] = field(default_factory=dict, hash=False)
    epochs: float | None = None
    steps: int | None = None
    warmup: float = 0.0
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    weight_decay: float = 0.0
    undecayed: tuple[str, ...] = ()
    decays_balancing: bool = False
    epsilon: float = 1e-8
    batch_size: int | None = None
    routed: bool = True
    init: Literal["continue", "copy"] = "continue"

    def __post_init__(self) -> None:
        check_file_name(self.name, "Stage(...): name", kind="stage")
        self._check_values()
        self._check_parts()
        if self.epochs is not None and self.steps is not None:
            raise self._make_error(f"has epochs={self.epochs} and steps={self.steps}: give one")
        if self.epochs is None and self.steps is None:
            object.__setattr__(self, "epochs", 1.0)
        if "shared" in self.learning_rates:
            raise self._make_error(
                "has learning_rates['shared']: always-on experts lie in the same tensors as the "
                "routed ones; give a rate for 'experts'"
            )
        if self.init == "copy" and not self.routed:
            raise self._make_error(
                "has init='copy' and routed=False: copies are made for a mixture; leave one of "
                "them out"
            )

    def _check_values(self) -> None:
        is_tuple = isinstance(self.trains, tuple) and bool(self.trains)
        for name, is_allowed, advice in (
            ("trains", is_tuple, f"give a tuple of parts out of {TRAINABLE_PARTS}"),
            ("schedule", self.schedule in SCHEDULES, f"allowed are {SCHEDULES}"),
            ("init", self.init in INITS, f"allowed are {INITS}"),
            ("warmup", 0 <= self.warmup < 1, "a share in [0, 1)"),
            ("weight_decay", 0 <= self.weight_decay < math.inf, "give >= 0"),
        ):
            if not is_allowed:
                raise self._make_error(f"has {name}={getattr(self, name)!r}: {advice}")
        above_0 = {name: getattr(self, name) for name in POSITIVE_FIELDS}
        above_0 |= {f"learning_rates[{k!r}]": rate for k, rate in self.learning_rates.items()}
        for name, value in above_0.items():
            if value is not None and not 0 < value < math.inf:
                raise self._make_error(f"has {name}={value}: it must be above 0")

    def _check_parts(self) -> None:
        for pattern in (*self.trains, *self.learning_rates, *self.undecayed):
            compile_pattern(pattern, f"Stage {self.name!r} has pattern")
        for part in (*self.trains, *self.learning_rates):
            # Full parameter names contain a dot, so a bare word is a part or a typo.
            if WORD.fullmatch(part) and part not in TRAINABLE_PARTS:
                near = format_suggestions(part, TRAINABLE_PARTS)
                raise self._make_error(
                    f"trains {part!r}{near}: allowed are {TRAINABLE_PARTS} and regular expressions "
                    "over parameter names, such as 'lm_head\\..*'"
                )

    def _make_error(self, problem: str) -> ValueError:
        return ValueError(f"Stage {self.name!r} {problem}")


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
        self._check_stages()

    def __repr__(self) -> str:
        """Format the name and the numbers of parts: `dumps` has all of it."""
        parts = f"{len(self.mixtures)} mixtures, {len(self.stages)} stages"
        return f"Recipe(name={self.name!r}, role={self.role!r}, {parts})"

    def _check_stages(self) -> None:
        names = [stage.name for stage in self.stages]
        check_names_differ(names, f"stages of recipe {self.name!r}", kind="stage")
        for before, stage in zip((None, *self.stages), self.stages, strict=False):
            what = f"stage {stage.name!r} of recipe {self.name!r}"
            follows = before is not None and not before.routed
            if (stage.init == "copy") != (follows and stage.routed):
                raise ValueError(
                    f"{what}: init='copy' goes with, and only with, a mixture after a stage of "
                    "routed=False"
                )
            if before is not None and before.routed and not stage.routed:
                lost = f"{before.name!r}, whose experts would be lost"
                raise ValueError(f"{what} has routed=False after {lost}: put it first")

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
