"""`PrunedVisionModel`: one task cut out of a mixture of many, a plain model of transformers."""

import inspect
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedModel

from coterie.mixture import Mixture
from coterie.mixture_layer import MixtureLayer
from coterie.models.multitask_vision.modeling import MultiTaskVisionModel, MultiTaskVisionOutput
from coterie.models.pruned_vision.configuration import PrunedVisionConfig
from coterie.routing.context import RoutingContext
from coterie.routing.decision import RoutingDecision
from coterie.routing.gates.base import LayerSite
from coterie.routing.routers.top_k import TopK
from coterie.tuner.injection import get_gate_input_width


class PrunedMixtureLayer(nn.Module):
    """A mixture of one task, with weights for the experts that its router has not closed.

    The gate has a row for each expert, closed or not, and the router's probabilities are over all
    of them, so that what the kept ones are multiplied with is what it was before the others went.
    """

    def __init__(self, base_layer: nn.Module, mixture: Mixture, width: int, name: str) -> None:
        super().__init__()
        self.mixture = mixture
        self.expert_indices = list_weighted_experts(mixture)
        main: Any = mixture.main
        kept = replace(main, count=len(self.expert_indices) - (mixture.shared is not None))
        experts = kept.build(base_layer, mixture.shared)
        assert experts is not None and mixture.gate is not None
        self.experts = experts
        self.gate = mixture.gate.build(width, mixture.num_experts, 1)
        self.site = LayerSite(name=name, tower="vision", tie_group=name)
        self.input_name = next(iter(inspect.signature(base_layer.forward).parameters))
        # Experts ask for its form and activation; in a tuple, its weights are nobody's to save.
        self._base_layer = (base_layer.to("meta"),)

    def train(self, mode: bool = True) -> "PrunedMixtureLayer":
        self._base_layer[0].train(mode)
        return super().train(mode)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        x, *rest = args or (kwargs.pop(self.input_name),)
        state = RoutingContext(batch_size=x.shape[0], device=x.device, single_task=0)
        layer = MixtureLayer(mixture=self.mixture, gate=self.gate, site=self.site)
        gating = layer.route(x, state, training=self.training)

        def decide(logits: Tensor) -> RoutingDecision:
            decision = gating.make_decision(logits)
            return decision._replace(
                combine_weights=decision.combine_weights[..., self.expert_indices]
            )

        output, _ = self.experts(
            self._base_layer[0], x, replace(gating, make_decision=decide), *rest, **kwargs
        )
        return output


def list_weighted_experts(mixture: Mixture) -> list[int]:
    """Numbers of the experts that have weights, and that of the always-on one if there is one."""
    router = mixture.router
    closed = router.closed if isinstance(router, TopK) else ()
    total = mixture.main.count + (mixture.shared is not None)
    return [number for number in range(total) if number not in closed]


class PrunedVisionModel(PreTrainedModel):
    """A `MultiTaskVisionModel` of one task whose replaced modules are mixtures with fewer experts.

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
            host: Any = self.vision.get_submodule(name)
            width = get_gate_input_width(mixture, host, self.vision)
            self.vision.set_submodule(name, PrunedMixtureLayer(host, mixture, width, name))
        self.post_init()

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:
        """As transformers'; the weights lie as they do in a model that was never saved."""
        loaded = super().from_pretrained(*args, **kwargs)
        model = loaded[0] if isinstance(loaded, tuple) else loaded
        # Those of a file begin at any byte, and products on a CPU round differently from there.
        for weight in (*model.parameters(), *model.buffers()):
            weight.data = weight.data.clone()
        return loaded

    @property
    def task(self) -> str:
        """The task's name."""
        return self.config.vision_config.names[0]

    def forward(
        self,
        pixel_values: Float[Tensor, "batch channels height breadth"],
        tasks: Sequence[str] | None = None,
    ) -> MultiTaskVisionOutput:
        """As `MultiTaskVision.forward`; `predictions` has the one task.

        Args:
            pixel_values: as there.
            tasks: None, or the one task's name, so that what scores whole models scores this.

        Raises ValueError for pictures that do not fit, and for another task.
        """
        return self.vision(pixel_values=pixel_values, tasks=tasks)


AutoConfig.register(PrunedVisionConfig.model_type, PrunedVisionConfig)
AutoModel.register(PrunedVisionConfig, PrunedVisionModel)
