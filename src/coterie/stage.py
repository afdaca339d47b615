"""`Stage`: one stage of a recipe's training."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from coterie.annotations import format_suggestions
from coterie.file_names import check_file_name
from coterie.mixture import Mixture
from coterie.name_patterns import compile_pattern

TRAINABLE_PARTS = ("adapter", "experts", "gates", "shared", "connector", "host")
POSITIVE_FIELDS = ("learning_rate", "epsilon", "epochs", "steps", "batch_size")
WORD = re.compile(r"\w+")
SCHEDULES = ("cosine", "linear", "constant")
INITS = ("continue", "copy", "branch", "assemble")


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
            trained with `routed=False` (Awaker2.5-VL's second stage). "branch": those of the last
            stage before it that is no branch, so that consecutive branches do not know of each
            other (Uni-MoE's second stage). "assemble": expert e starts as the MLPs of the e-th
            branch before it, in turn if there are more experts, and weights of the base model that
            branches trained are taken from them (Uni-MoE's third stage).
        mixtures: added to the base model in this stage in place of the recipe's; None for those.
            The stage's adapter is saved in RUN/stages/NAME. Between stages of different mixtures
            only the base model's trained weights, such as connectors, are handed on.
        tasks: names of the tasks that it is trained on; none for all.
        task_shares: task -> its share of the samples, above 0, all together below 1; the other
            tasks divide the rest as the run's mix says. Replay of old tasks beside a new one.
        by_modality: whether it is split into a branch for each modality of the tasks' rows, or
            combination of modalities, called NAME-MODALITY; with init="branch".
        start_from: a run, or a stage's folder in one, whose trained weights of the base model,
            such as connectors, the stage starts from in place of those of a stage before.
        adapter_from: a run of the same mixtures and tasks, or a stage's folder in one, whose
            experts and gates the stage goes on training, too, in place of those of a stage before
            (sequential fine-tuning); with init="continue".
        experts_from: runs, stages' folders or folders of whole models that the experts start from
            in place of branches; with init="assemble".
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
    init: Literal["continue", "copy", "branch", "assemble"] = "continue"
    mixtures: tuple[Mixture, ...] | None = None
    tasks: tuple[str, ...] = ()
    task_shares: Mapping[str, float] = field(default_factory=dict, hash=False)
    by_modality: bool = False
    start_from: str = ""
    adapter_from: str = ""
    experts_from: tuple[str, ...] = ()

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
        if self.init in ("copy", "assemble") and not self.routed:
            raise self._make_error(
                f"has init={self.init!r} and routed=False: copies are made for a mixture; leave "
                "one of them out"
            )
        self._check_branches()
        self._check_shares()

    def _check_values(self) -> None:
        for name in ("tasks", "experts_from"):
            if isinstance(given := getattr(self, name), str):  # whose letters would be the names
                raise self._make_error(f"has {name}={given!r}: give a tuple, as ({given!r},)")
            object.__setattr__(self, name, tuple(given))
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

    def _check_branches(self) -> None:
        if self.by_modality and (self.init != "branch" or self.tasks):
            raise self._make_error(
                f"has by_modality=True, init={self.init!r} and tasks={self.tasks!r}: it is "
                "init='branch', and the tasks of each branch follow from their rows"
            )
        if self.experts_from and self.init != "assemble":
            raise self._make_error(
                f"has experts_from={self.experts_from!r} and init={self.init!r}: experts start "
                "from other models with init='assemble' alone"
            )

        if self.adapter_from and (self.init != "continue" or self.start_from):
            raise self._make_error(
                f"has adapter_from={self.adapter_from!r}, init={self.init!r} and start_from="
                f"{self.start_from!r}: it continues another run's adapter with init='continue', "
                "whose weights of the base model come with it; leave start_from out"
            )

    def _check_shares(self) -> None:
        shares = self.task_shares
        if any(not 0 < each < 1 for each in shares.values()) or not sum(shares.values()) < 1:
            raise self._make_error(
                f"has task_shares={dict(shares)!r}: give shares above 0 that are below 1 together; "
                "the other tasks have the rest"
            )
        if self.tasks and (strange := [name for name in shares if name not in self.tasks]):
            raise self._make_error(
                f"has a share of task {strange[0]!r} and is trained on {', '.join(self.tasks)}: "
                "name it in tasks, too"
            )

    def _make_error(self, problem: str) -> ValueError:
        return ValueError(f"Stage {self.name!r} {problem}")
