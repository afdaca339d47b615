"""`PrunedVisionConfig`: one task of a `MultiTaskVisionModel`, and its mixtures."""

from collections.abc import Mapping
from typing import Any, ClassVar

from transformers import AutoConfig, PretrainedConfig

from coterie.mixture import Mixture
from coterie.models.multitask_vision.configuration import MultiTaskVisionConfig
from coterie.serialization import load


class PrunedVisionConfig(PretrainedConfig):
    """The configuration of a `PrunedVisionModel`, usually created by `coterie.extract`.

    Args:
        vision_config: configuration of the model without mixtures, or its `to_dict()`; one task.
        mixtures: module name -> the mixture that replaces it, as
            `coterie.serialization.dump` writes it. Experts closed by its router have no weights.
    """

    model_type = "coterie_pruned"
    # transformers 5.23 sets it under another name, but reads it under this one.
    sub_configs: ClassVar = {"vision_config": AutoConfig}  # pyright: ignore

    def __init__(
        self,
        vision_config: MultiTaskVisionConfig | Mapping[str, Any] | None = None,
        mixtures: Mapping[str, Any] | None = None,
        **rest: Any,
    ) -> None:
        if vision_config is None:
            vision_config = {"tasks": [{"name": "task", "channels": 1, "whole_picture": False}]}
        if isinstance(vision_config, Mapping):
            given = {key: each for key, each in vision_config.items() if key != "model_type"}
            vision_config = MultiTaskVisionConfig(**given)
        self.vision_config = vision_config
        self.mixtures = dict(mixtures or {})
        super().__init__(**rest)
        if len(vision_config.tasks) != 1:
            raise ValueError(
                f"vision_config has the tasks {', '.join(vision_config.names) or '(none)'}: a "
                "pruned model has one; cut one out with coterie.extract(..., format='pruned')"
            )

    def parse_mixtures(self) -> dict[str, Mixture]:
        """Parse the mixtures. Raises ValueError that names the invalid field."""
        return {name: load(each, name=f"mixtures[{name}]") for name, each in self.mixtures.items()}
