"""`OmniModel`: encoders, connectors and language model, without the language model head."""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedModel
from transformers.utils.generic import ModelOutput

from coterie.cache_argument import CACHE_NAMES, find_cache, is_filled
from coterie.encoding.connector import Connector, Features
from coterie.encoding.encoder import Encoder, Lengths, Rows
from coterie.modalities.base import MediaModality, find_media_modalities
from coterie.models.omni.configuration import OmniConfig, get_lengths, list_media_inputs
from coterie.models.omni.connectors.mlp import MlpConnector
from coterie.models.omni.encoders.base import pack, parse_encoders, select_modality, unpack

MediaInputs = Mapping[str, Tensor | None]
"""Argument of the forward -> its value; others than those of modalities are ignored."""


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
    """An omni model: the tokens of images, audio and so on replace placeholders in the text.

    Its modalities are those of its encoders. The towers are frozen initially, because features of
    frozen towers can be cached; `model.vision_tower.requires_grad_(True)` unfreezes one. Frozen
    towers stay in eval mode and run without gradients.
    """

    def __init__(self, config: OmniConfig):
        super().__init__(config)
        self.encoders = parse_encoders(config.encoders)
        self.language_model = AutoModel.from_config(config.text_config, trust_remote_code=False)
        width = config.text_config.hidden_size
        for name, encoder in {each.tower_owner.name: each for each in self.encoders}.items():
            self.add_module(f"{name}_tower", encoder.build_tower())
        owners = {each.connector_owner.name: each.connector_owner for each in self.encoders}
        self.connectors = nn.ModuleDict(
            {name: get_connector(each).build(each.width, each.hidden, width)
             for name, each in owners.items()}
        )  # fmt: skip
        self.freeze_encoders()
        self.post_init()

    def freeze_encoders(self) -> None:
        """Freeze all encoders; modules that are grafted into them later are trainable."""
        for encoder in self.encoders:
            self.get_tower(encoder).requires_grad_(False)

    def get_tower(self, encoder: Encoder) -> nn.Module:
        """Return the encoder's network."""
        return self.get_submodule(f"{encoder.tower_owner.name}_tower")

    def get_connector(self, encoder: Encoder) -> nn.Module:
        """Return the network of the encoder's connector."""
        return self.connectors[encoder.connector_owner.name]

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
        found, kept = [], []
        encoders = select_modality(self.encoders, modality)
        for encoder, part, own in unpack(features, lengths, encoders):
            connector = get_connector(encoder.connector_owner)
            found.append(connector.project(self.get_connector(encoder), part.to(dtype), own))
            positions = torch.arange(found[-1].shape[1], device=found[-1].device)
            kept.append(positions < encoder.count_embeddings(lengths)[:, None])
        return torch.cat(found, 1)[torch.cat(kept, 1)]

    def keep_in_graph(self, modality: str, embeds: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Add unused encoders and connectors to the graph of `embeds`, as DDP requires."""
        if not torch.is_grad_enabled():
            return embeds
        encoders = select_modality(self.encoders, modality)
        parts = [(self.get_connector(each), self.get_tower(each)) for each in encoders]
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
        for name, modality in find_media_modalities().items():
            values, features = inputs.get(modality.values), inputs.get(modality.features)
            items = values if features is None else features
            token = self.config.get_placeholder_id(name)
            if items is None or features is not None:
                embeds = self.keep_in_graph(name, embeds)
            if items is None:
                if prefill and token is not None:
                    self.check_placeholders(name, int((input_ids == token).sum()), 0)
                continue
            self.check_modality(modality)
            lengths = get_lengths(modality, inputs, len(items)).to(embeds.device)
            if features is None:
                features = self.encode(name, items, lengths)
            rows = self.project(name, features.to(embeds.device), lengths, embeds.dtype)
            places = input_ids == token
            self.check_placeholders(name, int(places.sum()), len(rows))
            embeds = embeds.masked_scatter(places[..., None], rows.to(embeds.dtype))
        return embeds

    def check_modality(self, modality: MediaModality) -> None:
        """Raise ValueError unless the model has an encoder of a modality that it is passed."""
        if not select_modality(self.encoders, modality.name):
            known = ", ".join(dict.fromkeys(each.modality for each in self.encoders)) or "none"
            raise ValueError(
                f"{modality.values} are passed, and the model has no encoder of {modality.name} "
                f"(it has {known}): leave them out, or add one to the configuration's encoders"
            )

    def check_placeholders(self, modality: str, asked: int, given: int) -> None:
        """Raise ValueError unless the text has one placeholder per media token."""
        if asked != given:
            raise ValueError(
                f"the text has {asked} {modality} tokens, and the {modality}s passed with it give "
                f"{given}: let the processor make both, and cut nothing off the text"
            )

    def forward(
        self, input_ids: Tensor | None = None, *, inputs_embeds: Tensor | None = None, **kwargs: Any
    ) -> ModelOutput:
        """Run the language model, which takes the other arguments apart from media.

        See `OmniForConditionalGeneration.forward`.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("pass input_ids or inputs_embeds, one of them")
        media = {name: kwargs.pop(name, None) for name in list_media_inputs()}
        if input_ids is not None:
            past = find_cache(kwargs)
            prefill = not is_filled(past)
            inputs_embeds = self.embed_with_media(input_ids, media, prefill=prefill)
        elif any(part is not None for part in media.values()):
            raise ValueError("images and sounds need input_ids, which say where they go")
        return self.language_model(inputs_embeds=inputs_embeds, **kwargs)


def get_connector(encoder: Encoder) -> Connector:
    """Return the kind of an encoder's connector: an MLP unless it names another."""
    return encoder.connector or MlpConnector()


def is_trainable(module: nn.Module) -> bool:
    """Return whether a module has trainable parameters."""
    return any(weights.requires_grad for weights in module.parameters())
