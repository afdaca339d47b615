"""`Mixture`: which experts sit where, who chooses among them, and how their answers blend."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from coterie.experts.base import ExpertLayer, Experts
from coterie.experts.lora import Lora
from coterie.routing.decision import Decision, Gating, Routing
from coterie.routing.gates.base import Answer, Gate, GateLayer, Place
from coterie.routing.gates.token import TokenGate
from coterie.routing.routers.base import Router
from coterie.routing.routers.top_k import TopK
from coterie.routing.state import Settled, State


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """A mixture of experts at every place of the host that `at` names.

    Attributes:
        at: a role ("text.attn", "text.mlp", "vision.attn", "vision.mlp", "audio.mlp",
            "connector"), a regular expression that matches whole module names, or a tuple of
            module names.
        experts: the kind of expert; with `Null` beside it in a tuple, a unit may also choose
            nothing.
        gate: what the decision looks at. None: no decision, every expert has weight 1.
        router: logits to weights.
        shared: one more expert of the same kind, always on.
        blend: weight of `shared`: "add", 1; "complement", 1 minus the sum of the routed weights
            (Awaker2.5-VL, arXiv:2411.10669).
        power: exponent of the routed weights where they meet the experts' outputs: 1 as in
            Awaker's paper, 2 as in its code. The complement is taken of the plain weights.
    """

    at: str | tuple[str, ...] = "text.mlp"
    experts: Experts | tuple[Experts, ...] = field(default_factory=Lora)
    gate: Gate | None = field(default_factory=TokenGate)
    router: Router = field(default_factory=TopK)
    shared: Experts | None = None
    blend: Literal["add", "complement"] = "add"
    power: int = 1

    def __post_init__(self) -> None:
        if self.blend not in ("add", "complement"):
            raise ValueError(f"Mixture(blend={self.blend!r}): allowed are 'add' and 'complement'")
        if self.power not in (1, 2):
            raise ValueError(f"Mixture(power={self.power!r}): allowed are 1 and 2")
        if len(self.kinds) not in (1, 2) or (len(self.kinds) == 2 and self.kinds[1].count < 1):
            raise ValueError(
                "Mixture(experts=...): give one kind of expert, or a pair of a kind and Null()"
            )
        if self.gate is not None:
            self.router.active(self.num_experts)

    @property
    def kinds(self) -> tuple[Experts, ...]:
        return self.experts if isinstance(self.experts, tuple) else (self.experts,)

    @property
    def main(self) -> Experts:
        """The kind of expert that has weights."""
        return self.kinds[0]

    @property
    def num_experts(self) -> int:
        """Experts to choose from, those without weights included."""
        return sum(kind.count for kind in self.kinds)

    def decide(self, noise: Float[Tensor, "*units experts"] | None) -> Callable[[Tensor], Decision]:
        """The pure function from logits to decision, for one draw of noise."""

        def decision(logits: Tensor) -> Decision:
            if self.gate is None:
                weights = probs = torch.ones_like(logits)
            else:
                drawn = None if noise is None else noise.reshape(logits.shape)
                weights, probs = self.router(logits, drawn)
            gates = weights[..., : self.main.count]
            if self.power != 1:
                gates = gates**self.power
            if self.shared is not None:
                rest = 1 - weights.sum(-1, keepdim=True)
                always = rest if self.blend == "complement" else torch.ones_like(rest)
                gates = torch.cat([gates, always], -1)
            return Decision(weights, probs, gates, logits)

        return decision

    def build(
        self, host: nn.Module, width: int, tasks: int, *, leads: bool
    ) -> tuple[ExpertLayer, GateLayer | None]:
        """New weights for one module; a layer tied to another's decision has no gate of its own."""
        experts = self.main.build(host, self.shared)
        if experts is None:
            raise ValueError("Mixture(experts=Null()): at least one kind must have weights")
        wanted = self.gate is not None and leads
        gate = self.gate.build(width, self.num_experts, tasks) if self.gate and wanted else None
        return experts, gate

    def gating(
        self, gate: GateLayer | None, x: Tensor, state: State, place: Place, *, training: bool
    ) -> Gating:
        """How the experts at `place` come by their decision for the layer input `x`."""
        if self.gate is None:
            constant = torch.zeros(1, self.num_experts, device=x.device)
            return Gating(decide=self.decide(None), logits=constant, uniform=True)
        if self.gate.settles:
            kept = state.kept(place.group, place.name)
            if kept is None:
                kept = self._settle(gate, x, state, place, training=training)
            logits = self._of_rows(kept.logits, x, state, place)
            noise = None if kept.noise is None else self._of_rows(kept.noise, x, state, place)
            answer = Answer(logits=logits, per_sample=True)
        else:
            assert gate is not None
            answer = gate(x, state, place)
            shape = x.shape[:-1] if answer.logits is None else answer.logits.shape[:-1]
            noise = self._noise(shape, x, training=training)
        return Gating(
            decide=self.decide(noise),
            logits=answer.logits,
            rows=answer.rows,
            offset=answer.offset,
            per_sample=answer.per_sample,
            uniform=answer.uniform,
            active=self.router.active(self.num_experts),
        )

    def _settle(
        self, gate: GateLayer | None, x: Tensor, state: State, place: Place, *, training: bool
    ) -> Settled:
        """Makes the samples' decision and keeps it for tied layers and for later tokens."""
        if gate is None:
            raise ValueError(
                f"{place.name} follows the decision of group {place.group!r}, which has not been "
                "made yet in this forward pass: use InstanceGate(tie='layer')"
            )
        logits = gate(x, state, place).logits
        assert logits is not None
        settled = Settled(logits, self._noise(logits.shape[:-1], x, training=training))
        state.settled[place.group] = settled
        return settled

    def _noise(self, units: torch.Size, x: Tensor, *, training: bool) -> Tensor | None:
        shape = torch.Size((*units, self.num_experts))
        return self.router.noise_for(shape, x.device, training=training)

    def _of_rows(self, per_sample: Tensor, x: Tensor, state: State, place: Place) -> Tensor:
        per_sample = per_sample.to(x.device)  # a host may be spread over devices
        if per_sample.shape[0] == x.shape[0]:
            return per_sample
        return per_sample[state.sample_of(place.tower, x.shape[0]).to(x.device)]

    def forward(
        self,
        layers: tuple[ExpertLayer, GateLayer | None],
        host: nn.Module,
        x: Float[Tensor, "*units width"],
        state: State,
        place: Place,
        num_tasks: int,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """What takes the place of `host(x)`; the decision goes on the state's tape, if any."""
        experts, gate = layers
        gating = self.gating(gate, x, state, place, training=experts.training)
        output, decision = experts(host, x, gating, *args, **kwargs)
        if state.tape is not None and self.gate is not None:
            state.tape[place.name] = self._routing(decision, gating, x, state, place, num_tasks)
        return output

    def _routing(
        self,
        decision: Decision,
        gating: Gating,
        x: Tensor,
        state: State,
        place: Place,
        num_tasks: int,
    ) -> Routing:
        units = torch.Size((1,)) if gating.uniform else x.shape[:1]
        if not (gating.uniform or gating.per_sample):
            units = x.shape[:-1]
        task = valid = modality = None
        if state.task_ids is not None:
            if gating.uniform:
                task = state.task_ids[:1]
            else:
                per_row = state.task_of(place.tower, x.shape[0])
                task = per_row.view(-1, *[1] * (len(units) - 1)).expand(units).flatten()
        if not (gating.uniform or gating.per_sample):
            modality = state.modality_of(place.tower, units)
            if place.tower == "text" and state.valid is not None:
                valid = state.valid.flatten() if state.valid.shape == units else None
        experts = decision.weights.shape[-1]
        return Routing(
            weights=decision.weights.reshape(-1, experts),
            probs=decision.probs.reshape(-1, experts),
            logits=decision.logits.reshape(-1, experts),
            num_tasks=num_tasks,
            task=task,
            modality=None if modality is None else modality.flatten(),
            valid=valid,
        )
