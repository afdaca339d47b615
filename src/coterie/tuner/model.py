"""The PEFT tuner, which adds mixtures to a base model and its forward hooks."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING, PEFT_TYPE_TO_TUNER_MAPPING
from peft.tuners.tuners_utils import BaseTuner
from peft.utils import AuxiliaryTrainingWrapper, PeftType, register_peft_method
from peft.utils.constants import DUMMY_TARGET_MODULES
from peft.utils.quantization_utils import get_quantization_kwargs, resolve_quantization_backend
from torch import nn

from coterie.mixture_layer import MixtureLayer
from coterie.routing.gates.base import LayerSite
from coterie.tuner.config import PEFT_TYPE_NAME, PREFIX, SAVED_TYPE_NAME, CoterieConfig
from coterie.tuner.forward_hooks import RoutingHook, find_hook, remove_hooks
from coterie.tuner.four_bit import keep_four_bit_layout
from coterie.tuner.generation import route_generate
from coterie.tuner.injection import InjectionPlan, get_gate_input_width, plan_injection
from coterie.tuner.layer import CoterieLayer
from coterie.tuner.runtime import RUNTIME


class CoterieModel(BaseTuner):
    """The tuner of coterie's adapters for any transformers model; PEFT creates it."""

    prefix = PREFIX
    tuner_layer_cls = CoterieLayer
    injection_plan: InjectionPlan

    def _prepare_adapter_config(self, peft_config: Any, model_config: dict[str, Any]) -> Any:
        return peft_config

    def _prepare_model(self, peft_config: Any, model: nn.Module) -> None:
        """Find all modules before any is changed, so that an error leaves the model unchanged."""
        plan = plan_injection(peft_config.parse_mixtures(), peft_config.tasks, model)
        self.injection_plan = plan
        # PEFT's constant for an adapter without modules, for a model trained without experts.
        peft_config.target_modules = list(plan.positions) or DUMMY_TARGET_MODULES

    def _check_target_module_exists(self, peft_config: Any, key: str) -> bool:  # pyright: ignore[reportIncompatibleMethodOverride]
        # A static method in PEFT, which calls it on the instance; the plan is the instance's.
        return key in self.injection_plan.positions

    def _create_and_replace(
        self,
        peft_config: Any,
        adapter_name: str,
        target: nn.Module,
        target_name: str,
        parent: nn.Module,
        *args: Any,
        current_key: str,
        **kwargs: Any,
    ) -> None:
        plan = self.injection_plan
        layer = target if isinstance(target, CoterieLayer) else CoterieLayer(target)
        base_layer = layer.get_base_layer()
        for number, position in enumerate(plan.positions[current_key]):
            site = self._make_site(peft_config, adapter_name, current_key, position, number)
            width = get_gate_input_width(site.mixture, base_layer, self.model)
            group = site.layer_site.tie_group
            layer.update_layer(adapter_name, site, width, has_gate=group not in plan.led_groups)
            plan.led_groups.add(group)
        if layer is target:
            return
        # Resolving a backend imports every installed quantisation library.
        if getattr(self.model, "hf_quantizer", None) is not None:
            kwargs = get_quantization_kwargs(self)
            layer.quantization_backend = resolve_quantization_backend(base_layer, **kwargs)
        if adapter_name not in self.active_adapters:
            layer.requires_grad_(False)
        self._replace_module(parent, target_name, layer, target)

    def _make_site(
        self, config: CoterieConfig, adapter: str, name: str, position: int, number: int
    ) -> MixtureLayer:
        """Return the mixture of a position, which is the `number`-th at the module `name`."""
        mixture, tower = self.injection_plan.mixtures[position], self.injection_plan.get_tower(name)
        group = "" if mixture.gate is None else mixture.gate.get_tie_group(name)
        site = LayerSite(
            # On tapes and in tables the first keeps the module's own name.
            name=f"{name} ({', '.join(mixture.tasks)})" if number else name,
            tower=tower,
            tie_group=f"{adapter}/{position}/{group}",
        )
        tasks = tuple(config.tasks.index(each) for each in mixture.tasks) or None
        return MixtureLayer(
            mixture=mixture, layer_site=site, num_tasks=len(config.tasks), tasks=tasks
        )

    def inject_adapter(
        self, model: nn.Module, adapter_name: str, *args: Any, **kwargs: Any
    ) -> None:
        """Add an adapter's mixtures, and what the routing hook needs to know of them.

        PEFT calls `_post_injection_hook` for the first adapter alone.
        """
        model = _get_uncompiled(model)
        keep_four_bit_layout(model)
        super().inject_adapter(model, adapter_name, *args, **kwargs)
        config: Any = self.peft_config[adapter_name]
        hook = find_hook(model) or RoutingHook(model)
        route_generate(model)
        hook.num_tasks = max(hook.num_tasks, len(config.tasks))
        gates = [each.gate for each in config.parse_mixtures() if each.gate is not None]
        hook.caches_decisions |= any(gate.decides_per_sample for gate in gates)
        spans = {gate.prompt_span for gate in gates} | {hook.prompt_span}
        if len(spans := spans - {None}) > 1:
            raise ValueError(
                f"InstanceGate(span=...) is {' and '.join(sorted(map(repr, spans)))} in one "
                "model, whose gates average the same tokens: give all one span"
            )
        hook.prompt_span = next(iter(spans), None)

    @contextmanager
    def _enable_peft_forward_hooks(self, *args: Any, **kwargs: Any) -> Iterator[None]:
        names, outer = kwargs.get("adapter_names"), RUNTIME.context
        if names is None:
            try:
                yield
            finally:
                RUNTIME.context = outer  # torch runs no hook after a KeyboardInterrupt
            return
        self._check_adapter_names(names)
        repeated = [name for name in names for _ in range(kwargs.get("num_beams") or 1)]

        def add_names(module: nn.Module, args: Any, kwargs: Any) -> Any:
            return args, kwargs | {"adapter_names": repeated}

        handles = [
            module.register_forward_pre_hook(add_names, with_kwargs=True)
            for module in self.modules()
            if isinstance(module, AuxiliaryTrainingWrapper)
        ]
        RUNTIME.adapter_names = tuple(names)
        try:
            yield
        finally:
            RUNTIME.adapter_names, RUNTIME.context = None, outer
            for handle in handles:
                handle.remove()

    def _check_adapter_names(self, names: list[str]) -> None:
        """Raise ValueError, in the words of PEFT's own methods, if no mixed batch can be run."""
        if self.training:
            raise ValueError(
                "Cannot pass `adapter_names` when the model is in training mode."
                " Call model.eval() first"
            )
        layers = [each for each in self.modules() if isinstance(each, CoterieLayer)]
        if any(layer.merged for layer in layers):
            raise ValueError(
                "Cannot pass `adapter_names` when there are merged adapters, please call "
                "`unmerge_adapter` first."
            )
        if unknown := sorted(set(names) - set(self.peft_config) - {"__base__"}):
            raise ValueError(
                f"Trying to infer with non-existing adapter(s): {', '.join(unknown)}; this model "
                f"has {', '.join(sorted(self.peft_config))}, and __base__ for none"
            )

    def _replace_module(
        self, parent: nn.Module, child_name: str, new_module: nn.Module, child: nn.Module
    ) -> None:
        # PEFT's also copies `weight`, which blocks do not have; `update_layer` sets devices.
        setattr(parent, child_name, new_module)

    def merge_adapter(
        self, adapter_names: list[str] | None = None, safe_merge: bool = False
    ) -> None:
        """Add the adapters, the active ones by default, to the base model's weights."""
        self._check_mergeable(adapter_names)
        super().merge_adapter(adapter_names, safe_merge)

    def add_weighted_adapter(self, *args: Any, **kwargs: Any) -> None:
        """Raise ValueError: no mixture is the sum of two, whose gates choose their experts."""
        raise ValueError(
            "add_weighted_adapter adds up the weights of adapters, and each mixture has experts "
            "that a gate of its own chooses: no mixture equals the sum of two. Run adapters "
            "together by model.base_model.set_adapter([...]), which adds their outputs, or give "
            "each sample one with adapter_names=[...]"
        )

    def _check_mergeable(self, adapter_names: list[str] | None) -> None:
        """Raise ValueError before the first of several modules is changed."""
        for module in self.modules():
            if isinstance(module, CoterieLayer):
                for name in adapter_names or module.active_adapters:
                    if name in module.coterie_site:
                        module.get_delta_weight(name)

    def _unload_and_optionally_merge(
        self,
        merge: bool = True,
        progressbar: bool = False,
        safe_merge: bool = False,
        adapter_names: list[str] | None = None,
    ) -> Any:
        if merge:
            self._check_mergeable(adapter_names)
        base_model: Any = super()._unload_and_optionally_merge(
            merge, progressbar, safe_merge, adapter_names
        )
        remove_hooks(_get_uncompiled(base_model))
        return base_model


def _get_uncompiled(model: nn.Module) -> nn.Module:
    """Return the module that `torch.compile` wrapped, whose names are those of the weights."""
    return getattr(model, "_orig_mod", model)


def register() -> None:
    """Register coterie's method with PEFT; called when coterie is imported."""
    if PeftType[PEFT_TYPE_NAME] not in PEFT_TYPE_TO_TUNER_MAPPING:
        register_peft_method(
            name=PEFT_TYPE_NAME.lower(),
            config_cls=CoterieConfig,
            model_cls=CoterieModel,
            prefix=PREFIX,
        )
        PEFT_TYPE_TO_CONFIG_MAPPING[PeftType[SAVED_TYPE_NAME]] = CoterieConfig
