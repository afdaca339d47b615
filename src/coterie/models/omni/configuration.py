"""`OmniConfig`: the configuration of a language model with encoders and placeholders."""

from collections.abc import Mapping
from typing import Any, ClassVar, no_type_check

import torch
from jaxtyping import Int
from torch import Tensor
from transformers import AutoConfig, PreTrainedConfig
from transformers.configuration_utils import SubConfigSpec

from coterie.encoding.encoder import Lengths
from coterie.modalities.base import MediaModality, find_media_modalities
from coterie.models.omni.encoders.base import parse_encoders, select_modality


@no_type_check  # jaxtyping would reject the extra keyword arguments that transformers passes
class OmniConfig(PreTrainedConfig):
    """The configuration of an omni model; each entry of `encoders` is one encoder.

    Attributes:
        text_config: configuration of the language model: a decoder with a linear head.
        encoders: `coterie.serialization.dump` of each encoder, in the order of their tokens.
        image_token_id: the placeholder of every token of an image.
        audio_token_id: the placeholder of every token of an audio item. Those of other modalities
            are `sound_token_id`, `video_token_id` and so on.
        logits_in_training: whether a training forward pass with labels returns all logits; if not,
            logits are computed at labelled positions only and not returned.
    """

    model_type = "coterie_omni"
    sub_configs_defaults: ClassVar = {
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

    def get_placeholder_id(self, modality: str) -> int | None:
        """Return the placeholder token id of a modality; None if the model has none for it."""
        return getattr(self, f"{modality}_token_id", None)

    def find_media_owners(
        self, modality: str, input_ids: Int[Tensor, "batch seq"], lengths: Lengths
    ) -> Int[Tensor, " rows"]:
        """Return the sample that owns each item of a modality: the one that has its last token.

        `lengths` are those of the items; zeros where they have none.
        """
        encoders = select_modality(parse_encoders(self.encoders), modality)
        lengths = lengths.to(input_ids.device)
        last = torch.stack([each.count_embeddings(lengths) for each in encoders]).sum(0).cumsum(0)
        ends = (input_ids == self.get_placeholder_id(modality)).sum(1).cumsum(0)
        return torch.searchsorted(ends, last)


def list_media_inputs() -> tuple[str, ...]:
    """List the forward's arguments that carry media, of all modalities."""
    return tuple(name for each in find_media_modalities().values() for name in each.keywords)


def get_lengths(modality: MediaModality, inputs: Mapping[str, Any], count: int) -> Lengths:
    """Return the length of each item among a forward's arguments; zeros if they have none."""
    lengths = inputs.get(modality.lengths) if modality.lengths else None
    return torch.zeros(count, dtype=torch.long) if lengths is None else lengths
