"""`OmniModel`: encoders, connectors and language model, without the language model head."""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPast

from coterie.cache_argument import CACHE_NAMES, find_cache
from coterie.models.omni.configuration import OmniConfig, get_lengths
from coterie.models.omni.encoders.base import (
    Encoder,
    Features,
    Lengths,
    Rows,
    pack,
    parse_encoders,
    select_modality,
    unpack,
)

MEDIA_INPUTS = {
    "image": ("pixel_values", "image_features"),
    "audio": ("input_features", "audio_features", "feature_lengths"),
}
"""Modality -> arguments of the forward: values, or features instead; for audio also lengths."""
MediaInputs = Mapping[str, Tensor | None]
"""Argument of the forward -> its value; others than those of `MEDIA_INPUTS` are ignored."""


class Connector(nn.Sequential):
    """The projection of an encoder's tokens: LayerNorm, linear map, GELU, linear map.

    The norm is needed because encoder outputs have very different scales.
    """

    def __init__(self, width: int, hidden: int, out: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.linear_1 = nn.Linear(width, hidden)
        self.act = nn.GELU()
        self.linear_2 = nn.Linear(hidden, out)


class OmniPreTrainedModel(PreTrainedModel):
    """The settings of both omni models for `transformers`."""

    config_class = OmniConfig
    base_model_prefix = "model"
    input_modalities = ["image", "audio", "text"]  # noqa: RUF012 - as transformers reads it
    supports_gradient_checkpointing = True
    _skip_keys_device_placement = [*CACHE_NAMES]  # noqa: RUF012 - as transformers reads it
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_attention_backend = True

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:
        """Load as `transformers` does, and freeze the towers, which it makes trainable."""
        found: Any = super().from_pretrained(*args, **kwargs)
        (found[0] if isinstance(found, tuple) else found).base_model.freeze_encoders()
        return found


class OmniModel(OmniPreTrainedModel):
    """An omni model: image and audio tokens replace the placeholders in the text.

    The towers are frozen initially, because features of frozen towers can be cached;
    `model.vision_tower.requires_grad_(True)` unfreezes one. Frozen towers stay in eval mode and
    run without gradients.
    """

    def __init__(self, config: OmniConfig):
        super().__init__(config)
        self.encoders = parse_encoders(config.encoders)
        self.language_model = AutoModel.from_config(config.text_config, trust_remote_code=False)
        width = config.text_config.hidden_size
        for encoder in self.encoders:
            self.add_module(f"{encoder.name}_tower", encoder.build_tower())
        self.connectors = nn.ModuleDict(
            {each.name: Connector(each.width, each.hidden, width) for each in self.encoders}
        )
        self.freeze_encoders()
        self.post_init()

    def freeze_encoders(self) -> None:
        """Freeze all encoders; modules that are grafted into them later are trainable."""
        for encoder in self.encoders:
            self.get_tower(encoder).requires_grad_(False)

    def get_tower(self, encoder: Encoder) -> nn.Module:
        """Return the encoder's network."""
        return self.get_submodule(f"{encoder.name}_tower")

    def train(self, mode: bool = True) -> "OmniModel":
        super().train(mode)
        for tower in map(self.get_tower, self.encoders):
            tower.train(mode and is_trainable(tower))
        return self

    def encode(self, modality: str, values: Rows, lengths: Lengths) -> Features:
        """Run `Encoder.encode` of the modality's encoders, without the connectors."""
        parts = []
        for encoder in select_modality(self.encoders, modality):
            tower = self.get_tower(encoder)
            converted = values.to(next(tower.parameters()).dtype)
            with torch.set_grad_enabled(torch.is_grad_enabled() and is_trainable(tower)):
                parts.append(encoder.encode(tower, converted, lengths))
        return pack(parts)

    def project(
        self, modality: str, features: Features, lengths: Lengths, dtype: torch.dtype
    ) -> Float[Tensor, "tokens out"]:
        """Project features to the embeddings that replace the modality's placeholders, in order."""
        parts = list(unpack(features, lengths, select_modality(self.encoders, modality)))
        rows = [self.connectors[encoder.name](part.to(dtype)) for encoder, part, _ in parts]
        return torch.cat(rows, 1)[torch.cat([own for *_, own in parts], 1)]

    def keep_in_graph(self, modality: str, embeds: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Add unused encoders and connectors to the graph of `embeds`, as DDP requires."""
        if not torch.is_grad_enabled():
            return embeds
        encoders = select_modality(self.encoders, modality)
        parts = [(self.connectors[each.name], self.get_tower(each)) for each in encoders]
        weights = [weight for pair in parts for part in pair for weight in part.parameters()]
        zeros = [0 * each.sum().to(embeds.dtype) for each in weights if each.requires_grad]
        return embeds + sum(zeros, embeds.new_zeros(()))

    def embed_with_media(
        self, input_ids: Int[Tensor, "batch seq"], inputs: MediaInputs, *, prefill: bool
    ) -> Float[Tensor, "batch seq width"]:
        """Embed the text and replace placeholders by the embeddings of media in `inputs`.

        Raises ValueError if the numbers of placeholders and media tokens differ; without media,
        only in a `prefill`.
        """
        embeds = self.get_input_embeddings()(input_ids)
        for modality, names in MEDIA_INPUTS.items():
            values, features = inputs.get(names[0]), inputs.get(names[1])
            items = values if features is None else features
            token = self.config.get_placeholder_id(modality)
            if items is None or features is not None:
                embeds = self.keep_in_graph(modality, embeds)
            if items is None:
                if prefill and token is not None:
                    self.check_placeholders(modality, int((input_ids == token).sum()), 0)
                continue
            lengths = get_lengths(modality, inputs, len(items)).to(embeds.device)
            if features is None:
                features = self.encode(modality, items, lengths)
            rows = self.project(modality, features.to(embeds.device), lengths, embeds.dtype)
            places = input_ids == token
            self.check_placeholders(modality, int(places.sum()), len(rows))
            embeds = embeds.masked_scatter(places[..., None], rows.to(embeds.dtype))
        return embeds

    def check_placeholders(self, modality: str, asked: int, given: int) -> None:
        """Raise ValueError unless the text has one placeholder per media token."""
        if asked != given:
            raise ValueError(
                f"the text has {asked} {modality} tokens, and the {modality}s passed with it give "
                f"{given}: let the processor make both, and cut nothing off the text"
            )

    def forward(
        self, input_ids: Tensor | None = None, *, inputs_embeds: Tensor | None = None, **kwargs: Any
    ) -> BaseModelOutputWithPast:
        """Run the language model, which takes the other arguments apart from `MEDIA_INPUTS`.

        See `OmniForConditionalGeneration.forward`.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("pass input_ids or inputs_embeds, one of them")
        media = {name: kwargs.pop(name, None) for names in MEDIA_INPUTS.values() for name in names}
        if input_ids is not None:
            past = find_cache(kwargs)
            prefill = past is None or past.get_seq_length() == 0
            inputs_embeds = self.embed_with_media(input_ids, media, prefill=prefill)
        elif any(part is not None for part in media.values()):
            raise ValueError("images and sounds need input_ids, which say where they go")
        return self.language_model(inputs_embeds=inputs_embeds, **kwargs)


def is_trainable(module: nn.Module) -> bool:
    """Return whether a module has trainable parameters."""
    return any(weights.requires_grad for weights in module.parameters())
