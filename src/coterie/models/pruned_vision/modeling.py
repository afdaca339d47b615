"""`PrunedVisionModel`: one task extracted from a mixture, as a plain transformers model."""

import inspect
from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any, ClassVar, cast, no_type_check

from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.configuration_utils import SubConfigSpec

from coterie.mixture import Mixture
from coterie.mixture_layer import MixtureLayer
from coterie.models.multitask_vision.configuration import MultiTaskVisionConfig, TaskNames
from coterie.models.multitask_vision.modeling import (
    Images,
    MultiTaskVisionModel,
    MultiTaskVisionOutput,
)
from coterie.routing.context import RoutingContext
from coterie.routing.decision import RoutingDecision
from coterie.routing.gates.base import LayerSite
from coterie.routing.routers.top_k import TopK
from coterie.serialization import load
from coterie.tuner.injection import get_gate_input_width


@no_type_check  # jaxtyping would reject the extra keyword arguments that transformers passes
class PrunedVisionConfig(PreTrainedConfig):
    """The configuration of a `PrunedVisionModel`, usually created by `coterie.extract`.

    Attributes:
        vision_config: configuration of the model without mixtures, or its `to_dict()`; one task.
        mixtures: module name -> the mixture that replaces it, as
            `coterie.serialization.dump` writes it. Experts closed by its router have no weights.
    """

    model_type = "coterie_pruned"
    sub_configs_defaults: ClassVar = {
        "vision_config": SubConfigSpec(
            config_class=MultiTaskVisionConfig,
            init_kwargs={"tasks": [{"name": "task", "channels": 1, "whole_picture": False}]},
        )
    }

    vision_config: MultiTaskVisionConfig = cast(MultiTaskVisionConfig, None)  # see the defaults
    mixtures: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        self.mixtures = dict(self.mixtures or {})
        if len(self.vision_config.tasks) != 1:
            raise ValueError(
                f"vision_config has the tasks {', '.join(self.vision_config.names) or '(none)'}: a "
                "pruned model has one; cut one out with coterie.extract(..., format='pruned')"
            )

    def parse_mixtures(self) -> dict[str, Mixture]:
        """Parse the mixtures. Raises ValueError that names the invalid field."""
        return {
            name: load(each, Mixture, name=f"mixtures[{name}]")
            for name, each in self.mixtures.items()
        }


class PrunedMixtureLayer(nn.Module):
    """A mixture of one task, with weights for the experts that its router does not close.

    The gate has a row for each expert, closed or not, and the router's probabilities are over all
    of them, so that the combine weights of the remaining experts are unchanged.
    """

    def __init__(self, base_layer: nn.Module, mixture: Mixture, width: int, name: str) -> None:
        super().__init__()
        self.mixture = mixture
        self.expert_indices = list_weighted_experts(mixture)
        main: Any = mixture.main
        remaining = replace(main, count=len(self.expert_indices) - (mixture.shared is not None))
        self.experts = remaining.build(base_layer, mixture.shared)
        assert self.experts is not None and mixture.gate is not None
        self.gate = mixture.gate.build(width, mixture.num_experts, 1)
        self.site = LayerSite(name=name, tower="vision", tie_group=name)
        self.input_name = next(iter(inspect.signature(base_layer.forward).parameters))
        # Experts need its structure and activation; the tuple keeps it out of the state dict.
        self._base_layer = (base_layer.to("meta"),)

    def train(self, mode: bool = True) -> "PrunedMixtureLayer":
        self._base_layer[0].train(mode)
        return super().train(mode)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        x, *rest = args or (kwargs.pop(self.input_name),)
        state = RoutingContext(batch_size=x.shape[0], device=x.device, single_task=0)
        layer = MixtureLayer(mixture=self.mixture, layer_site=self.site)
        gating = layer.route(self.gate, x, state, training=self.training)

        def decide(logits: Tensor) -> RoutingDecision:
            decision = gating.make_decision(logits)
            weights = decision.combine_weights[..., self.expert_indices]
            return decision._replace(combine_weights=weights)

        routed = replace(gating, make_decision=decide)
        return self.experts(self._base_layer[0], x, routed, *rest, **kwargs)[0]


def list_weighted_experts(mixture: Mixture) -> list[int]:
    """Return indices of the experts with weights, including the shared one if there is one."""
    router = mixture.router
    closed = router.closed if isinstance(router, TopK) else ()
    total = mixture.main.count + (mixture.shared is not None)
    return [number for number in range(total) if number not in closed]


class PrunedVisionModel(PreTrainedModel):
    """A `MultiTaskVisionModel` of one task with pruned mixtures in place of modules.

    It runs without PEFT and without the other tasks. After
    `import coterie.models.pruned_vision.modeling`,
    `AutoModel.from_pretrained(folder)` reads what `coterie.extract(..., format="pruned")` wrote.
    """

    config_class = PrunedVisionConfig
    base_model_prefix = "vision"
    main_input_name = "pixel_values"
    input_modalities = ["image"]  # noqa: RUF012 - as transformers reads it
    _supports_sdpa = True

    def __init__(self, config: PrunedVisionConfig) -> None:
        super().__init__(config)
        self.vision = MultiTaskVisionModel(config.vision_config)
        for name, mixture in config.parse_mixtures().items():
            base_layer: Any = self.vision.get_submodule(name)
            width = get_gate_input_width(mixture, base_layer, self.vision)
            self.vision.set_submodule(name, PrunedMixtureLayer(base_layer, mixture, width, name))
        self.post_init()

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:
        """Load as transformers does, with the memory alignment of a model that was never saved."""
        loaded = super().from_pretrained(*args, **kwargs)
        model = loaded[0] if isinstance(loaded, tuple) else loaded
        # Tensors of a file are unaligned, and CPU matrix products round differently on them.
        for weight in (*model.parameters(), *model.buffers()):
            weight.data = weight.data.clone()
        return loaded

    @property
    def task(self) -> str:
        """The task's name."""
        return self.config.vision_config.names[0]

    def forward(self, pixel_values: Images, tasks: TaskNames = None) -> MultiTaskVisionOutput:
        """Run `MultiTaskVisionModel.forward`; `predictions` has the one task.

        `tasks` is None or the task's name, for compatibility with code that scores all tasks.
        """
        return self.vision(pixel_values=pixel_values, tasks=tasks)


AutoConfig.register(PrunedVisionConfig.model_type, PrunedVisionConfig)
AutoModel.register(PrunedVisionConfig, PrunedVisionModel)
