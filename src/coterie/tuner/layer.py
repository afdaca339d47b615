"""`CoterieLayer`, which wraps a module of the base model and runs the active adapters' mixtures."""

import inspect
from typing import Any

import torch
from jaxtyping import Float
from peft.tuners.tuners_utils import BaseTunerLayer, check_adapters_to_merge
from torch import Tensor, nn

from coterie.experts.base import ExpertLayer
from coterie.mixture import Mixture
from coterie.mixture_layer import MixtureLayer
from coterie.routing.context import RoutingContext
from coterie.routing.gates.base import GateLayer
from coterie.tuner.constant_mixture import require_constant
from coterie.tuner.parts import AdapterPart, run_by_task
from coterie.tuner.runtime import RUNTIME


class FixedOutput(nn.Module):
    """A base layer with a precomputed output."""

    def __init__(self, output: Tensor):
        super().__init__()
        self.output = output

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return self.output


class CoterieLayer(nn.Module, BaseTunerLayer):
    """Wrapper of one module of the base model; adapter names directly follow `coterie_...`.

    Of an adapter with several mixtures here, `coterie_experts`, `coterie_gate` and `coterie_site`
    have the first, `coterie_experts_1` and so on the second: see `get_parts`.
    """

    adapter_layer_names = ("coterie_experts", "coterie_gate")
    other_param_names = ("coterie_site",)

    def __init__(self, base_layer: nn.Module):
        super().__init__()
        self.base_layer = base_layer
        if isinstance(base_layer, nn.Linear):  # as PEFT's layers have them
            self.in_features, self.out_features = base_layer.in_features, base_layer.out_features
        # Some families call their attention with keyword arguments only.
        self.input_name = next(iter(inspect.signature(base_layer.forward).parameters))
        self.coterie_experts = nn.ModuleDict()
        self.coterie_gate = nn.ModuleDict()
        self.coterie_site: dict[str, MixtureLayer] = {}
        self._disable_adapters = False
        self.has_run = False  # whether its mixture was ever called
        self.merged_adapters: list[str] = []

    def update_layer(self, adapter: str, site: MixtureLayer, width: int, *, has_gate: bool) -> None:
        """Add one adapter's new weights, beside those of its mixtures that are here already."""
        base_layer, older = self.get_base_layer(), self.get_parts(adapter)
        tasks = site.num_served_tasks
        experts, gate = site.mixture.build(base_layer, width, tasks, has_gate=has_gate)
        experts.view_older([(each.site.mixture.main, each.experts) for each in older])
        sites, all_experts, gates = self._get_or_make_dicts(len(older))
        sites[adapter], all_experts[adapter] = site, experts
        if gate is not None:
            gates[adapter] = gate
        parameter = next(base_layer.parameters())
        self._move_adapter_to_device_of_base_layer(adapter, parameter.device)
        self.set_adapter(self.active_adapters)

    def _get_or_make_dicts(
        self, number: int
    ) -> tuple[dict[str, MixtureLayer], nn.ModuleDict, nn.ModuleDict]:
        """Return sites, experts and gates of the adapters' mixtures of a number, from 0."""
        end = f"_{number}" if number else ""
        if number == len(self.other_param_names):
            setattr(self, f"coterie_experts{end}", nn.ModuleDict())
            setattr(self, f"coterie_gate{end}", nn.ModuleDict())
            setattr(self, f"coterie_site{end}", {})
            names = (f"coterie_experts{end}", f"coterie_gate{end}")
            self.adapter_layer_names = (*self.adapter_layer_names, *names)
            self.other_param_names = (*self.other_param_names, f"coterie_site{end}")
        kinds = ("site", "experts", "gate")
        sites, experts, gates = (getattr(self, f"coterie_{kind}{end}") for kind in kinds)
        return sites, experts, gates

    def get_parts(self, adapter: str) -> list[AdapterPart]:
        """Return an adapter's mixtures at this module, in the order of its configuration."""
        parts = []
        for number in range(len(self.other_param_names)):
            sites, experts, gates = self._get_or_make_dicts(number)
            if adapter in sites:
                own: Any = experts[adapter]
                gate: Any = gates[adapter] if adapter in gates else None
                parts.append(AdapterPart(site=sites[adapter], experts=own, gate=gate))
        return parts

    def find_part(self, adapter: str, task: int | None) -> AdapterPart | None:
        """Return the mixture that serves a task, None that of an adapter without; or None."""
        return next((each for each in self.get_parts(adapter) if each.serves(task)), None)

    def list_active_mixtures(self) -> tuple[Mixture, ...]:
        """List the mixtures of the adapters that run now."""
        names = () if self.disable_adapters or self.merged else self.active_adapters
        return tuple(part.site.mixture for name in names for part in self.get_parts(name))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self._run(*(args or (kwargs.pop(self.input_name),)), **kwargs)

    def _run(self, x: Tensor, *args: Any, **kwargs: Any) -> Any:
        active = [name for name in self.active_adapters if name in self.coterie_site]
        if self.disable_adapters and self.merged:  # as PEFT's layers
            self.unmerge()
        is_off = self.disable_adapters or self.merged
        context = RUNTIME.context or RoutingContext(batch_size=x.shape[0], device=x.device)
        is_mixed = context.adapter_names is not None and not is_off
        if not is_mixed and (is_off or not active):
            return self.base_layer(x, *args, **kwargs)
        if self._is_packed(x, context) and not (args or kwargs):
            return self._run(x[0])[None]
        if is_mixed:
            return self._run_mixed(x, context, *args, **kwargs)
        if not torch.compiler.is_compiling():
            self.has_run = True
        output = self._run_mixture(active[0], self.base_layer, x, context, *args, **kwargs)
        for name in active[1:]:
            if not self.coterie_site[name].mixture.main.is_additive:
                raise ValueError(
                    f"adapters {active} are active together, but the experts of {name!r} replace "
                    "their host and cannot be added to another adapter: activate one of them"
                )
            output = self._run_mixture(name, FixedOutput(output), x, context, *args, **kwargs)
        return output

    def _is_packed(self, x: Tensor, context: RoutingContext) -> bool:
        """Return whether the rows are tokens of a tower that packs all images into a sequence.

        Right also for one image in the batch: all its tokens are rows of one sample.
        """
        tower = next(iter(self.coterie_site.values())).layer_site.tower
        has_shares = tower in context.rows_per_sample
        return has_shares and x.ndim == 3 and x.shape[0] == 1 and context.batch_size > 1

    def _run_mixture(
        self,
        adapter: str,
        base_layer: nn.Module,
        x: Tensor,
        context: RoutingContext,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        site, experts = self.coterie_site[adapter], self.coterie_experts[adapter]
        if site.tasks is not None:
            parts = self.get_parts(adapter)
            return run_by_task(parts, base_layer, x, context, *args, **kwargs)
        gate = self.coterie_gate[adapter] if adapter in self.coterie_gate else None
        assert isinstance(experts, ExpertLayer) and isinstance(gate, GateLayer | None)
        return site.run(experts, gate, base_layer, x, context, *args, **kwargs)

    def _run_mixed(self, x: Tensor, context: RoutingContext, *args: Any, **kwargs: Any) -> Any:
        """Run each sample through its own adapter ("__base__" for none), as PEFT does."""
        assert context.adapter_names is not None
        if args or kwargs:
            raise ValueError(
                "a batch that mixes adapters cannot pass through experts that replace an "
                "attention: run each adapter's samples in a batch of their own"
            )
        tower = next(iter(self.coterie_site.values())).layer_site.tower
        owner = context.get_sample_of_rows(tower, x.shape[:-1])
        names, outputs, rows = context.adapter_names, [], []
        for adapter in dict.fromkeys(names):
            samples = [i for i, name in enumerate(names) if name == adapter]
            chosen = torch.tensor(samples, device=x.device)
            mine = torch.isin(owner, chosen).nonzero().squeeze(1)
            rows.append(mine)
            if adapter in self.coterie_site:
                part = context.select_samples(chosen)
                outputs.append(self._run_mixture(adapter, self.base_layer, x[mine], part))
            else:
                outputs.append(self.base_layer(x[mine]))
        return torch.cat(outputs)[torch.cat(rows).argsort()]

    @torch.no_grad()
    def compute_combine_weights(self, adapter: str, task: int | None) -> tuple[float, ...]:
        """Compute the factor of each expert's output, where the task alone decides.

        `task` is None for an adapter without tasks, and else one that a mixture here serves.
        """
        part = self.find_part(adapter, task)
        assert part is not None
        site, gate = part.site, part.gate
        factors = site.mixture.main.get_low_rank_factors(part.experts)
        # A gate that depends on the task alone reads only the shape of x.
        x = factors.down.new_zeros(1, 1, factors.down.shape[1])
        context = RoutingContext(batch_size=1, device=x.device)
        if task is not None:
            context.single_task = task
            context.task_ids = torch.tensor([task], device=x.device)
        deferred = site.route(gate, x, context, training=False)
        decision = deferred.make_decision(deferred.resolve(x))
        return tuple(decision.combine_weights.flatten().cpu().double().tolist())

    @torch.no_grad()
    def get_delta_weight(self, adapter: str) -> Float[Tensor, "out width"]:
        """Compute what a constant mixture adds to the base layer's weight, in float64 on the CPU.

        Raises ValueError for other mixtures, and for a weight that is not floating-point.
        """
        site, experts = self.coterie_site[adapter], self.coterie_experts[adapter]
        mixture, tasks = site.mixture, site.num_tasks
        require_constant(mixture, f"adapter {adapter!r} cannot be merged: its mixture")
        if mixture.needs_task_ids and tasks > 1:
            raise ValueError(
                f"adapter {adapter!r} has weights of its own for each of its {tasks} tasks, so it "
                "cannot be merged in place: merge one of them with "
                "coterie.extract(model, task=..., format='merged')"
            )
        weight = getattr(self.get_base_layer(), "weight", None)
        if weight is None or not weight.is_floating_point():
            raise ValueError(
                f"the base layer's weight is {getattr(weight, 'dtype', None)}, and a merge into "
                "few bits is not exact: load the base model without quantisation"
            )
        combine_weights = self.compute_combine_weights(adapter, 0 if tasks else None)
        return mixture.main.get_low_rank_factors(experts).compute_delta(combine_weights)

    def _change_weight(self, delta: Float[Tensor, "out width"]) -> Float[Tensor, "out width"]:
        """Return the base layer's weight with a change added in float64."""
        weight: Any = self.get_base_layer().weight
        return (weight.detach().cpu().double() + delta).to(weight)

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """Add the adapters, the active ones by default, to the base layer's weight.

        Raises ValueError as `get_delta_weight`, or if `safe_merge` and the sum is not finite.
        """
        for name in check_adapters_to_merge(self, adapter_names):
            if name in self.coterie_site:
                weight: Any = self.get_base_layer().weight
                total = self._change_weight(self.get_delta_weight(name))
                if safe_merge and not torch.isfinite(total).all():
                    raise ValueError(  # the words of PEFT's own layers
                        "NaNs detected in the merged weights. The adapter "
                        f"{name} seems to be broken: a merged weight is not finite"
                    )
                weight.data = total
                self.merged_adapters.append(name)

    def unmerge(self) -> None:
        """Subtract the merged adapters from the base layer's weight again."""
        weight: Any = self.get_base_layer().weight if self.merged_adapters else None
        while self.merged_adapters:
            delta = self.get_delta_weight(self.merged_adapters.pop())
            weight.data = self._change_weight(-delta)


def get_base_parameter_name(name: str) -> str:
    """Return the name that a base parameter had before the graft."""
    return name.removeprefix("base_model.model.").replace(".base_layer", "")
