"""`MixtureLayer`: one mixture at one module, from the module's input to its output."""

from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from coterie.experts.base import ExpertLayer
from coterie.mixture import Mixture
from coterie.routing.context import CachedDecision, RoutingContext
from coterie.routing.decision import DeferredRouting, Routing, RoutingDecision
from coterie.routing.features import LayerFeatures
from coterie.routing.gates.base import GateLayer, GateOutput, LayerSite
from coterie.routing.task_selection import select_tasks


@dataclass(frozen=True, kw_only=True)
class MixtureLayer:
    """One adapter's mixture at one module; `num_tasks`, those of the adapter, is for `Routing`.

    `tasks` are the ids of those that it serves; None for all.

    It has no parameters of its own: those of the gate and of the experts are submodules of the
    layer that wraps the module, under the names that PEFT needs. The gate is None if there is no
    routing, or the layer uses the decision of another.
    """

    mixture: Mixture
    layer_site: LayerSite
    num_tasks: int = 0
    tasks: tuple[int, ...] | None = None

    @property
    def num_served_tasks(self) -> int:
        """Number of the tasks that a gate may have a matrix for."""
        return self.num_tasks if self.tasks is None else len(self.tasks)

    def run(
        self,
        experts: ExpertLayer,
        gate: GateLayer | None,
        base_layer: nn.Module,
        x: Float[Tensor, "*units width"],
        context: RoutingContext,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """Return the output in place of `base_layer(x)`; record the routing on a tape, if any."""
        if context.is_packed(self.layer_site.tower) and x.ndim == 3:
            if args or kwargs:
                raise ValueError(
                    f"the experts at {self.layer_site.name} replace an attention, and rows that "
                    "hold several samples have none of their own: leave packing out"
                )
            tokens = self.run(experts, gate, base_layer, x.flatten(0, 1), context)
            return tokens.unflatten(0, x.shape[:2])
        deferred = self.route(gate, x, context, training=experts.training)
        # With a row a token, the kernels for one decision a sample would copy experts by token.
        as_tokens = context.is_packed(self.layer_site.tower)
        taken = replace(deferred, per_sample=False) if as_tokens else deferred
        output, decision = self._run_experts(experts, base_layer, x, taken, *args, **kwargs)
        if context.tape is not None and self.mixture.gate is not None:
            routing = self._make_routing(decision, deferred, x, context)
            if context.tape.keeps_features:
                routing = replace(routing, features=self._make_features(experts, x, context))
            context.tape[self.layer_site.name] = routing
        return output

    def _make_features(
        self, experts: ExpertLayer, x: Float[Tensor, "*units width"], context: RoutingContext
    ) -> LayerFeatures:
        """Return the input by token, and the routed experts if they are low-rank changes."""
        tower, units, mixture = self.layer_site.tower, x.shape[:-1], self.mixture
        modality = context.get_modality_of_tokens(tower, units, context.modalities)
        sample, valid, down, up, ranks = None, None, None, None, ()
        if x.ndim == 3:
            sample = context.get_sample_of_rows(tower, units)[:, None].expand(units).flatten()
        if tower == "text" and context.valid is not None:
            valid = context.valid.flatten() if context.valid.numel() == units.numel() else None
        if mixture.main.is_low_rank:
            factors = mixture.main.get_low_rank_factors(experts)
            ranks = factors.ranks[: mixture.num_experts]
            down, up = factors.down[: sum(ranks)], factors.up[: sum(ranks)]
        return LayerFeatures(
            x=x.flatten(0, -2), sample=sample, valid=valid, down=down, up=up, ranks=ranks,
            modality=None if modality is None else modality.flatten(),
        )  # fmt: skip

    def _run_experts(
        self,
        experts: ExpertLayer,
        base_layer: nn.Module,
        x: Tensor,
        deferred: DeferredRouting,
        *args: Any,
        **kwargs: Any,
    ) -> tuple[Any, RoutingDecision]:
        """Call the experts; twice where the gradient is that of other weights than the output's."""
        if not (experts.training and self.mixture.router.estimates_gradient):
            return experts(base_layer, x, deferred, *args, **kwargs)
        with torch.no_grad():
            value, _ = experts(base_layer, x, deferred, *args, **kwargs)
        # Typed for the logits alone; `Mixture.decide` takes more.
        decide: Any = deferred.make_decision
        make_decision = partial(decide, of_gradient=True)
        surrogate = replace(deferred, make_decision=make_decision, tied_results=None)
        output, decision = experts(base_layer, x, surrogate, *args, **kwargs)
        return output + (value - output).detach(), decision

    def route(
        self,
        gate: GateLayer | None,
        x: Float[Tensor, "*units width"],
        context: RoutingContext,
        *,
        training: bool,
    ) -> DeferredRouting:
        """Return the inputs from which the experts compute the decision for the layer input `x`."""
        mixture, site, tied_results = self.mixture, self.layer_site, None
        if mixture.gate is None:
            return self._route_nothing(x.device)
        if self.tasks is not None:
            context = select_tasks(context, self.tasks)
        if mixture.gate.decides_per_sample:
            cached = context.get_cached_decision(site.tie_group, site.name)
            if cached is None:
                cached = self._decide_per_sample(gate, x, context, training=training)
            noise = None if cached.noise is None else self._expand_to_rows(cached.noise, x, context)
            logits = self._expand_to_rows(cached.logits, x, context)
            gate_output = GateOutput(logits=logits, per_sample=True)
            # Only then have the group's layers one decision, and in one form.
            if logits is cached.logits and not torch.compiler.is_compiling():
                tied_results = context.get_tied_results(site.tie_group, logits)
        else:
            assert gate is not None
            gate_output = gate(x, context, site)
            shape = x.shape[:-1] if gate_output.logits is None else gate_output.logits.shape[:-1]
            noise = self._sample_noise(shape, x, training=training)
        return DeferredRouting(
            make_decision=partial(mixture.decide, noise=noise),
            max_active=mixture.router.get_max_active(mixture.num_experts),
            kernel_router=mixture.kernel_router if noise is None else None,
            tied_results=tied_results,
            **gate_output._asdict(),
        )

    def _route_nothing(self, device: torch.device) -> DeferredRouting:
        """Return what needs no gate: a constant decision, made once and kept on the device."""
        mixture = self.mixture
        if torch.compiler.is_compiling():
            logits, results = torch.zeros(1, mixture.num_experts, device=device), None
        else:
            weights = mixture.constant_weights
            assert weights is not None
            logits, results = decide_once(mixture.num_experts, weights, device)
        return DeferredRouting(
            make_decision=mixture.decide,
            logits=logits,
            is_uniform=True,
            constant=mixture.constant_weights,
            tied_results=results,
        )

    def _decide_per_sample(
        self, gate: GateLayer | None, x: Tensor, context: RoutingContext, *, training: bool
    ) -> CachedDecision:
        """Compute the samples' decision and cache it for tied layers and for later tokens."""
        site = self.layer_site
        if gate is None:
            raise ValueError(
                f"{site.name} follows the decision of group {site.tie_group!r}, which "
                "has not been made yet in this forward pass: use InstanceGate(tie='layer')"
            )
        logits = gate(x, context, site).logits
        assert logits is not None
        noise = self._sample_noise(logits.shape[:-1], x, training=training)
        decision = CachedDecision(logits, noise)
        context.cached_decisions[site.tie_group] = decision
        return decision

    def _sample_noise(self, units: torch.Size, x: Tensor, *, training: bool) -> Tensor | None:
        shape = torch.Size((*units, self.mixture.num_experts))
        return self.mixture.router.sample_noise(shape, x.device, training=training)

    def _expand_to_rows(self, per_sample: Tensor, x: Tensor, context: RoutingContext) -> Tensor:
        per_sample = per_sample.to(x.device)  # a model may be spread over devices
        if per_sample.shape[0] == x.shape[0]:
            return per_sample
        samples = context.get_sample_of_rows(self.layer_site.tower, x.shape[:-1])
        return per_sample[samples.to(x.device)]

    def _make_routing(
        self,
        decision: RoutingDecision,
        deferred: DeferredRouting,
        x: Tensor,
        context: RoutingContext,
    ) -> Routing:
        tower, per_token = self.layer_site.tower, not (deferred.is_uniform or deferred.per_sample)
        if deferred.per_sample and context.is_packed(tower):
            return self._make_packed_routing(decision, context)
        units = torch.Size((1,)) if deferred.is_uniform else x.shape[: -1 if per_token else 1]
        task = valid = modality = answer = None
        if context.task_ids is not None:
            task = context.task_ids[:1]
            if not deferred.is_uniform:
                per_row = context.get_task_of_rows(tower, x.shape[:-1])
                task = per_row.view(-1, *[1] * (len(units) - 1)).expand(units).flatten()
        if per_token:
            modality = context.get_modality_of_tokens(tower, units, context.modalities)
            if tower == "text" and context.valid is not None:
                valid = context.valid.flatten() if context.valid.numel() == units.numel() else None
            answer = self._find_answer(units, context)
        if (served := self._find_served(task)) is not None:
            valid = served if valid is None else valid & served
        experts = decision.weights.shape[-1]
        return Routing(
            weights=decision.weights.reshape(-1, experts),
            probs=decision.probs.reshape(-1, experts),
            logits=decision.logits.reshape(-1, experts),
            num_tasks=self.num_tasks,
            task=task,
            modality=None if modality is None else modality.flatten(),
            modalities=context.modalities,
            valid=valid,
            answer=answer,
        )

    def _find_served(self, task: Tensor | None) -> Tensor | None:
        """Return whether each unit is of a served task; None if all are, or it is not known."""
        if self.tasks is None or task is None:
            return None
        return torch.stack([task == each for each in self.tasks]).any(0)

    def _find_answer(self, units: torch.Size, context: RoutingContext) -> Tensor | None:
        prompt = context.prompt_mask
        if self.layer_site.tower != "text" or prompt is None or prompt.numel() != units.numel():
            return None
        return ~prompt.flatten()

    def _make_packed_routing(self, decision: RoutingDecision, context: RoutingContext) -> Routing:
        """Record one decision a sample, that of its first token, as without packing."""
        assert context.sample_spans is not None
        lengths, experts = context.sample_spans.sum(1), decision.weights.shape[-1]
        first = lengths.cumsum(0) - lengths
        return Routing(
            weights=decision.weights.reshape(-1, experts)[first],
            probs=decision.probs.reshape(-1, experts)[first],
            logits=decision.logits.reshape(-1, experts)[first],
            num_tasks=self.num_tasks,
            task=context.task_ids,
            valid=self._find_served(context.task_ids),
            modalities=context.modalities,
        )


@lru_cache(maxsize=64)
def decide_once(
    experts: int, combine_weights: tuple[float, ...], device: torch.device
) -> tuple[Tensor, dict[Hashable, Any]]:
    """Return logits, and the decision of `Mixture.decide` for them without a gate."""
    # A tensor first made under inference_mode could never be saved for a later backward.
    with torch.inference_mode(False):
        logits, ones = (torch.full((1, experts), value, device=device) for value in (0.0, 1.0))
        combine = torch.tensor([combine_weights], device=device)
        return logits, {"decision": RoutingDecision(ones, ones, combine, logits)}
