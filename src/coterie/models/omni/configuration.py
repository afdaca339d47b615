"""`OmniConfig`: the configuration of a language model with encoders and placeholders."""

from typing import Any, no_type_check

from transformers import AutoConfig, PreTrainedConfig
from transformers.configuration_utils import SubConfigSpec

from coterie.models.omni.encoders.base import Encoder, parse_encoders


@no_type_check  # jaxtyping would reject the extra keyword arguments that transformers passes
class OmniConfig(PreTrainedConfig):
    """The configuration of an omni model; each entry of `encoders` is one encoder.

    Attributes:
        text_config: configuration of the language model: a decoder with a linear head.
        encoders: `coterie.serialization.dump` of each encoder, in the order of their tokens.
        image_token_id: the placeholder of every token of an image.
        audio_token_id: the placeholder of every token of an audio item.
        logits_in_training: whether a training forward pass with labels returns all logits; if not,
            logits are computed at labelled positions only and not returned.
    """

    model_type = "coterie_omni"
    sub_configs_defaults = {  # noqa: RUF012 - transformers reads it under this name and type
        "text_config": SubConfigSpec(config_class=AutoConfig, model_type="llama")
    }

    text_config: Any = None
    encoders: list[Any] | None = None
    image_token_id: int | None = None
    audio_token_id: int | None = None
    logits_in_training: bool = False
    tie_word_embeddings: bool = True

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        self.encoders = list(self.encoders or ())
        self.tie_word_embeddings = bool(self.text_config.tie_word_embeddings)

    def build_encoders(self) -> tuple[Encoder, ...]:
        """Build the encoders from their dumped form."""
        return parse_encoders(self.encoders)

    def get_placeholder_id(self, modality: str) -> int | None:
        """Return the placeholder token id of a modality, "image" or "audio"."""
        return {"image": self.image_token_id, "audio": self.audio_token_id}[modality]
