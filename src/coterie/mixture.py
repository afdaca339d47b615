"""`Mixture`: which experts sit where, who chooses among them, and how their answers blend."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from coterie.experts.base import ExpertLayer, Experts
from coterie.experts.lora import Lora
from coterie.routing.context import CachedDecision, RoutingContext
from coterie.routing.decision import DeferredRouting, Routing, RoutingDecision
from coterie.routing.gates.base import Gate, GateLayer, GateOutput, LayerSite
from coterie.routing.gates.token import TokenGate
from coterie.routing.routers.base import Router
from coterie.routing.routers.top_k import TopK


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
    weight_exponent: int = 1

    def __post_init__(self) -> None:
        if self.blend not in ("add", "complement"):
            raise ValueError(f"Mixture(blend={self.blend!r}): allowed are 'add' and 'complement'")
        if self.weight_exponent not in (1, 2):
            raise ValueError(f"Mixture(power={self.weight_exponent!r}): allowed are 1 and 2")
        if len(self.kinds) not in (1, 2) or (len(self.kinds) == 2 and self.kinds[1].count < 1):
            raise ValueError(
                "Mixture(experts=...): give one kind of expert, or a pair of a kind and Null()"
            )
        if self.gate is not None:
            self.router.get_max_active(self.num_experts)

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

    def make_decision_function(
        self, noise: Float[Tensor, "*units experts"] | None
    ) -> Callable[[Tensor], RoutingDecision]:
        """The pure function from logits to decision, for one draw of noise."""

        def decision(logits: Tensor) -> RoutingDecision:
            if self.gate is None:
                weights = probs = torch.ones_like(logits)
            else:
                drawn = None if noise is None else noise.reshape(logits.shape)
                weights, probs = self.router(logits, drawn)
            gates = weights[..., : self.main.count]
            if self.weight_exponent != 1:
                gates = gates**self.weight_exponent
            if self.shared is not None:
                rest = 1 - weights.sum(-1, keepdim=True)
                always = rest if self.blend == "complement" else torch.ones_like(rest)
                gates = torch.cat([gates, always], -1)
            return RoutingDecision(weights, probs, gates, logits)

        return decision

    def build(
        self, base_layer: nn.Module, width: int, tasks: int, *, has_gate: bool
    ) -> tuple[ExpertLayer, GateLayer | None]:
        """New weights for one module; a layer tied to another's decision has no gate of its own."""
        experts = self.main.build(base_layer, self.shared)
        if experts is None:
            raise ValueError("Mixture(experts=Null()): at least one kind must have weights")
        wanted = self.gate is not None and has_gate
        gate = self.gate.build(width, self.num_experts, tasks) if self.gate and wanted else None
        return experts, gate

    def route(
        self,
        gate: GateLayer | None,
        x: Tensor,
        context: RoutingContext,
        site: LayerSite,
        *,
        training: bool,
    ) -> DeferredRouting:
        """How the experts at `place` come by their decision for the layer input `x`."""
        if self.gate is None:
            constant = torch.zeros(1, self.num_experts, device=x.device)
            return DeferredRouting(
                make_decision=self.make_decision_function(None), logits=constant, is_uniform=True
            )
        if self.gate.decides_per_sample:
            kept = context.get_cached_decision(site.tie_group, site.name)
            if kept is None:
                kept = self._decide_per_sample(gate, x, context, site, training=training)
            logits = self._expand_to_rows(kept.logits, x, context, site)
            noise = (
                None if kept.noise is None else self._expand_to_rows(kept.noise, x, context, site)
            )
            answer = GateOutput(logits=logits, per_sample=True)
        else:
            assert gate is not None
            answer = gate(x, context, site)
            shape = x.shape[:-1] if answer.logits is None else answer.logits.shape[:-1]
            noise = self._sample_noise(shape, x, training=training)
        return DeferredRouting(
            make_decision=self.make_decision_function(noise),
            logits=answer.logits,
            gate_weight=answer.gate_weight,
            gate_bias=answer.gate_bias,
            per_sample=answer.per_sample,
            is_uniform=answer.is_uniform,
            max_active=self.router.get_max_active(self.num_experts),
        )

    def _decide_per_sample(
        self,
        gate: GateLayer | None,
        x: Tensor,
        context: RoutingContext,
        site: LayerSite,
        *,
        training: bool,
    ) -> CachedDecision:
        """Makes the samples' decision and keeps it for tied layers and for later tokens."""
        if gate is None:
            raise ValueError(
                f"{site.name} follows the decision of group {site.tie_group!r}, which has not been "
                "made yet in this forward pass: use InstanceGate(tie='layer')"
            )
        logits = gate(x, context, site).logits
        assert logits is not None
        settled = CachedDecision(
            logits, self._sample_noise(logits.shape[:-1], x, training=training)
        )
        context.cached_decisions[site.tie_group] = settled
        return settled

    def _sample_noise(self, units: torch.Size, x: Tensor, *, training: bool) -> Tensor | None:
        shape = torch.Size((*units, self.num_experts))
        return self.router.sample_noise(shape, x.device, training=training)

    def _expand_to_rows(
        self, per_sample: Tensor, x: Tensor, context: RoutingContext, site: LayerSite
    ) -> Tensor:
        per_sample = per_sample.to(x.device)  # a host may be spread over devices
        if per_sample.shape[0] == x.shape[0]:
            return per_sample
        return per_sample[context.get_sample_of_rows(site.tower, x.shape[0]).to(x.device)]

    def forward(
        self,
        layers: tuple[ExpertLayer, GateLayer | None],
        base_layer: nn.Module,
        x: Float[Tensor, "*units width"],
        context: RoutingContext,
        site: LayerSite,
        num_tasks: int,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """What takes the place of `host(x)`; the decision goes on the state's tape, if any."""
        experts, gate = layers
        gating = self.route(gate, x, context, site, training=experts.training)
        output, decision = experts(base_layer, x, gating, *args, **kwargs)
        if context.tape is not None and self.gate is not None:
            context.tape[site.name] = self._make_routing(
                decision, gating, x, context, site, num_tasks
            )
        return output

    def _make_routing(
        self,
        decision: RoutingDecision,
        deferred: DeferredRouting,
        x: Tensor,
        context: RoutingContext,
        site: LayerSite,
        num_tasks: int,
    ) -> Routing:
        units = torch.Size((1,)) if deferred.is_uniform else x.shape[:1]
        if not (deferred.is_uniform or deferred.per_sample):
            units = x.shape[:-1]
        task = valid = modality = None
        if context.task_ids is not None:
            if deferred.is_uniform:
                task = context.task_ids[:1]
            else:
                per_row = context.get_task_of_rows(site.tower, x.shape[0])
                task = per_row.view(-1, *[1] * (len(units) - 1)).expand(units).flatten()
        if not (deferred.is_uniform or deferred.per_sample):
            modality = context.get_modality_of_tokens(site.tower, units)
            if site.tower == "text" and context.valid is not None:
                valid = context.valid.flatten() if context.valid.shape == units else None
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
