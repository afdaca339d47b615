"""`Mixture`: the experts, their modules, the routing of tokens and the combination of outputs."""

from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from coterie.annotations import abbreviate, check_choices
from coterie.experts.base import ExpertLayer, Experts
from coterie.experts.lora import Lora
from coterie.routing.decision import ByExpert, KernelRouter, RoutingDecision
from coterie.routing.gates.base import Gate, GateLayer
from coterie.routing.gates.token import TokenGate
from coterie.routing.routers.base import Router
from coterie.routing.routers.top_k import TopK

MAX_EXPERTS = 65_536
"""Far above any mixture; a gate has a row for each."""


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """A mixture of experts at every module of the base model that `at` names.

    Attributes:
        at: a role ("text.attn", "text.mlp", "vision.attn", "vision.mlp", "audio.mlp",
            "connector"), a regular expression that matches full module names, or a tuple of
            module names.
        experts: the kind of expert; in a pair with `Null`, a unit may also choose no expert.
        gate: computes the logits. None: no routing, every expert has weight 1.
        router: turns logits into weights.
        shared: always-on experts of the same kind: one, or any number of `Copies`, which may have
            another `divisor` than the routed ones.
        blend: weight of `shared`: "add", 1 each; "complement", 1 minus the sum of the routed
            weights (Awaker2.5-VL, arXiv:2411.10669), for one expert. "softmax": the gate computes
            logits of the shared experts, too, and a second softmax, over the experts that the
            router has chosen and the shared ones, gives the weights of the shared, and the sum of
            the routed weights, which are the router's up to it (Uni-MoE 2's code, DCMoE).
        weight_exponent: exponent of the routed weights as factors of the experts' outputs:
            1 as in Awaker's paper, 2 as in its code. The complement is that of the plain weights.
        tasks: the tasks that it serves, whose rows alone get its output; empty for all. Mixtures
            of different tasks may be at one module, each as if the others were not there, so that
            tasks can be added to a model without a change of others' outputs.
    """

    at: str | tuple[str, ...] = "text.mlp"
    experts: Experts | tuple[Experts, ...] = field(default_factory=Lora)
    gate: Gate | None = field(default_factory=TokenGate)
    router: Router = field(default_factory=TopK)
    shared: Experts | None = None
    blend: Literal["add", "complement", "softmax"] = "add"
    weight_exponent: Literal[1, 2] = 1
    tasks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_choices(self)
        self._check_kinds()
        if len(self.kinds) not in (1, 2) or (len(self.kinds) == 2 and self.kinds[1].count < 1):
            advice = "give one kind of expert, or a pair of a kind and Null()"
            raise ValueError(f"Mixture(experts=...): {advice}")
        if self.num_experts > MAX_EXPERTS:
            count = f"{self.num_experts:,} experts"
            raise ValueError(
                f"Mixture(experts=...) has {count}: at most {MAX_EXPERTS:,} are allowed"
            )
        if self.gate is not None:
            self.router.get_max_active(self.num_experts)
        self._check_blend()
        if isinstance(self.tasks, str):  # whose letters would be the names
            raise ValueError(f"Mixture(tasks={self.tasks!r}): give a tuple, as ({self.tasks!r},)")
        object.__setattr__(self, "tasks", tuple(self.tasks))
        if self.tasks and self.main.attaches_to != "linears":
            raise ValueError(
                f"Mixture(tasks={self.tasks}): {type(self.main).__name__} experts replace a block "
                "for all tasks; give experts at linear layers, such as Lora, or leave tasks out"
            )

    def _check_blend(self) -> None:
        count = 0 if self.shared is None else self.shared.count
        if self.blend == "softmax" and (self.gate is None or not count):
            raise ValueError(
                "Mixture(blend='softmax') weighs shared experts by logits: give shared and a gate"
            )
        if self.blend == "complement" and count > 1:
            raise ValueError(
                f"Mixture(blend='complement') has {count} shared experts: allowed is one; use "
                "'add' or 'softmax' for more"
            )

    def _check_kinds(self) -> None:
        named: tuple[tuple[str, type, tuple[object, ...]], ...] = (
            ("experts", Experts, self.kinds),
            ("gate", Gate, (self.gate,)),
            ("router", Router, (self.router,)),
            ("shared", Experts, (self.shared,)),
        )
        for name, kind, values in named:
            for value in values:
                is_left_out = value is None and name in ("gate", "shared")
                if not (is_left_out or isinstance(value, kind)):
                    given = f"Mixture({name}={abbreviate(value)})"
                    raise ValueError(f"{given}: give a kind of {kind.__name__}")

    @property
    def kinds(self) -> tuple[Experts, ...]:
        return self.experts if isinstance(self.experts, tuple) else (self.experts,)

    @property
    def main(self) -> Experts:
        """The kind of expert that has weights."""
        return self.kinds[0]

    @property
    def num_experts(self) -> int:
        """Number of experts to choose from, including those without weights."""
        return sum(kind.count for kind in self.kinds)

    @property
    def needs_task_ids(self) -> bool:
        """Whether each sample's task must be known."""
        return bool(self.tasks) or (self.gate is not None and self.gate.needs_task_ids)

    @property
    def num_logits(self) -> int:
        """Number of logits that the gate computes: of all experts it weighs."""
        if self.shared is None or self.blend != "softmax":
            return self.num_experts
        return self.num_experts + self.shared.count

    @property
    def kernel_router(self) -> KernelRouter | None:
        """`Router.kernel_router`, if `decide` does nothing else."""
        if len(self.kinds) > 1 or self.shared is not None or self.weight_exponent != 1:
            return None
        return self.router.kernel_router

    @property
    def constant_weights(self) -> tuple[float, ...] | None:
        """`RoutingDecision.combine_weights` without a gate; None with one."""
        if self.gate is not None:
            return None
        weights = (1.0,) * self.main.count
        if self.shared is None:
            return weights
        rest = 1.0 - self.num_experts if self.blend == "complement" else 1.0
        return (*weights, *(rest,) * self.shared.count)

    def decide(
        self,
        logits: ByExpert,
        noise: Float[Tensor, "..."] | None = None,
        *,
        of_gradient: bool = False,
    ) -> RoutingDecision:
        """Return the decision for logits and a sample of the router's noise, as a pure function.

        `of_gradient`: for the output whose gradient is taken, if the router estimates it.
        """
        # A slice of all would cost a copy in backward.
        has_more = self.num_logits > self.num_experts
        routed = logits[..., : self.num_experts] if has_more else logits
        weights, probs, factors = self._route(routed, noise, of_gradient=of_gradient)
        always = None
        if self.shared is not None:
            weights, always = self._blend(weights, routed, logits[..., self.num_experts :])
        gates = (weights if factors is None else weights * factors)[..., : self.main.count]
        if self.weight_exponent != 1:
            gates = gates**self.weight_exponent
        if always is not None:
            gates = torch.cat([gates, always], -1)
        return RoutingDecision(weights, probs, gates, routed)

    def _route(
        self, logits: ByExpert, noise: Float[Tensor, "..."] | None, *, of_gradient: bool
    ) -> tuple[ByExpert, ByExpert, ByExpert | float | None]:
        """Return the router's weights and probabilities, and further factors of the outputs."""
        if self.gate is None:
            weights = torch.ones_like(logits)
            return weights, weights, None
        shaped = None if noise is None else noise.reshape(logits.shape)
        weights, probs = self.router(logits, shaped)
        if shaped is None or not self.router.estimates_gradient:
            return weights, probs, None
        value, gradient = self.router.compute_output_factors(logits, shaped)
        return weights, probs, gradient if of_gradient else value

    def _blend(
        self, weights: ByExpert, routed: ByExpert, own: Float[Tensor, "..."]
    ) -> tuple[ByExpert, Float[Tensor, "*units shared"]]:
        """Return the weights of the routed and of the shared experts."""
        assert self.shared is not None
        if self.blend == "softmax":
            chosen = routed.masked_fill(weights == 0, float("-inf"))
            always = torch.cat([chosen, own], -1).softmax(-1)[..., self.num_experts :]
            return weights * (1 - always.sum(-1, keepdim=True)), always
        rest = 1 - weights.sum(-1, keepdim=True)
        if self.blend == "complement":
            return weights, rest
        return weights, torch.ones_like(rest).expand(*rest.shape[:-1], self.shared.count)

    def build(
        self, base_layer: nn.Module, width: int, tasks: int, *, has_gate: bool
    ) -> tuple[ExpertLayer, GateLayer | None]:
        """Return new weights for one module; a layer tied to another's decision gets no gate."""
        experts = self.main.build(base_layer, self.shared)
        if experts is None:
            raise ValueError("Mixture(experts=Null()): at least one kind must have weights")
        if self.gate is None or not has_gate:
            return experts, None
        return experts, self.gate.build(width, self.num_logits, tasks)
