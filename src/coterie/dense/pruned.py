"""`PrunedVision`: one task cut out of a mixture of many, a plain model of transformers."""

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor
from transformers import AutoConfig, AutoModel, PreTrainedModel

from coterie.dense.model import MultiTaskVisionOutput, MultiTaskVisionModel
from coterie.dense.pruned_config import PrunedVisionConfig
from coterie.dense.pruned_layer import PrunedMixtureLayer
from coterie.tuner.targets import get_gate_input_width


class PrunedVisionModel(PreTrainedModel):
    """A `MultiTaskVision` of one task whose replaced modules are mixtures with fewer experts.

    It runs without PEFT and without the other tasks. After `import coterie.dense.pruned`,
    `AutoModel.from_pretrained(folder)` reads what `coterie.extract(..., form="pruned")` wrote.
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
