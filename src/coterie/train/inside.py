"""What a line of log.jsonl tells of the experts: their use, and how much tasks say about it."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from transformers import TrainerState

from coterie.losses.base import local_task_sums
from coterie.losses.mutual_information import information
from coterie.routing.decision import Tape
from coterie.train import together
from coterie.train.journal import added, expert_use, mean_use
from coterie.train.setting import Setting


class Inside:
    """Sums over the parts of the step before a line, kept on the device; other steps add nothing.

    Where no stage's mixture decides, or units have no task, nothing is told.
    """

    def __init__(self, setting: Setting, log_every: int) -> None:
        """
        Args:
            setting: says whether mixtures decide, and how often expert use is told.
            log_every: steps between two lines.
        """
        self.tasks, self.routed = setting.tasks, setting.routed
        self.log_every, self.use_every = log_every, setting.use_every
        self.clear()

    def clear(self) -> None:
        """Begins anew."""
        self.use: dict[str, Tensor] = {}
        self.mass: dict[str, Tensor] = {}

    def due(self, state: TrainerState) -> bool:
        """Whether a line follows the step that is being computed."""
        # There is a line of the first step, too.
        return self.routed and (state.global_step == 0 or self._ends(state, self.log_every))

    def _ends(self, state: TrainerState, every: int) -> bool:
        step = state.global_step + 1
        return step == state.max_steps or step % every == 0

    def add(self, tape: Tape, state: TrainerState) -> None:
        """One part of a step, if a line follows."""
        if not self.due(state):
            return
        if self.use_every and self._ends(state, self.use_every * self.log_every):
            for name, values in expert_use(tape).items():
                self.use[name] = self.use.get(name, 0) + values
        for name, mass in masses(tape).items():
            self.mass[name] = self.mass.get(name, 0) + mass

    def tensors(self) -> dict[str, Tensor]:
        """As a checkpoint holds it."""
        kinds = {"use": self.use, "mass": self.mass}
        return {f"{kind}.{name}": each.cpu() for kind, sums in kinds.items()
                for name, each in sums.items()}  # fmt: skip

    def restore(self, tensors: Mapping[str, Tensor], device: torch.device) -> None:
        """What `tensors` gave, among others."""
        self.clear()
        for kind, sums in (("use.", self.use), ("mass.", self.mass)):
            sums |= {
                name.removeprefix(kind): each.to(device)
                for name, each in tensors.items()
                if name.startswith(kind)
            }

    def told(self) -> dict[str, Any]:
        """The line's entries: "use", as `mean_use` has it, and "information", layer -> nats."""
        # All processes come here, also one that saw nothing: else the others would wait for it.
        use, mass = (_of_all(sums) for sums in (self.use, self.mass))
        found = layer_information(mass)
        use = mean_use(use, self.tasks)
        return {key: each for key, each in (("information", found), ("use", use)) if each}


@torch.no_grad()
def masses(tape: Tape) -> dict[str, Tensor]:
    """Layer -> what `MutualInformation` is of, for layers that know their units' tasks.

    A layer of one expert, or of one task, has nothing to tell.
    """
    return {
        name: local_task_sums(routing.probs, routing, routing.task)
        for name, routing in tape.items()
        if routing.task is not None and routing.num_tasks > 1 and routing.probs.shape[1] > 1
    }


@torch.no_grad()
def layer_information(mass: dict[str, Tensor]) -> dict[str, float]:
    """I(T; E) of each layer, in nats, to six places, from each task's mass for each expert.

    Layers that saw fewer than two tasks are left out: there is nothing to tell them apart by.
    """
    return {
        name: round(max(0.0, information(each).item()), 6)
        for name, each in mass.items()
        if (each.sum(1) > 0).sum() > 1
    }


def _of_all(sums: dict[str, Tensor]) -> dict[str, Tensor]:
    """The sums over all processes; not all need have seen the same layers."""
    return added(together.gathered({name: each.cpu() for name, each in sums.items()}))
