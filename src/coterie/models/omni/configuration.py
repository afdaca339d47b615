"""The configuration of an omni model: a language model, a list of encoders, two placeholders."""

from typing import Any, no_type_check

from transformers import AutoConfig, PreTrainedConfig
from transformers.configuration_utils import SubConfigSpec

from coterie.models.omni.encoders.base import Encoder, parse_encoders


@no_type_check  # jaxtyping would not let it take more than its fields, as transformers does
class OmniConfig(PreTrainedConfig):
    """A later encoder is one more entry in `encoders`.

    Attributes:
        text_config: configuration of the language model, any decoder whose head is one linear map.
        encoders: `coterie.serialization.dump` of each encoder, in the order their tokens come in.
        image_token_id: what stands for every token of an image.
        audio_token_id: what stands for every token of a sound.
        logits_in_training: the forward returns all logits where there are labels, in training as
            well; without it they are computed at the answers only and not returned.
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
        """`encoders` as values."""
        return parse_encoders(self.encoders)

    def get_placeholder_id(self, modality: str) -> int | None:
        """The token id that stands for a modality, "image" or "audio"."""
        return {"image": self.image_token_id, "audio": self.audio_token_id}[modality]
