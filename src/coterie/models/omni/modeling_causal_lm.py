"""`OmniForConditionalGeneration`: the omni model with a head, loss and generation."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import Cache, GenerationMixin
from transformers.modeling_outputs import CausalLMOutputWithPast

from coterie.cache_argument import CACHE
from coterie.modalities.base import find_media_modalities, get_media_modality
from coterie.models.omni.configuration import OmniConfig, get_lengths, list_media_inputs
from coterie.models.omni.modeling import OmniModel, OmniPreTrainedModel


class OmniForConditionalGeneration(OmniPreTrainedModel, GenerationMixin):
    """An omni model whose language model is any that `AutoModel` builds.

    Its head is a linear map without a bias or a scale after it.
    """

    _tied_weights_keys = {  # noqa: RUF012 - as transformers reads it
        "lm_head.weight": "model.language_model.embed_tokens.weight"
    }

    def __init__(self, config: OmniConfig):
        super().__init__(config)
        self.model = OmniModel(config)
        self.vocab_size: int = config.text_config.vocab_size
        self.lm_head = nn.Linear(config.text_config.hidden_size, self.vocab_size, bias=False)
        self.post_init()

    def forward(  # noqa: PLR0913 - transformers passes each by name
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        pixel_values: Tensor | None = None,
        input_features: Tensor | None = None,
        feature_lengths: Tensor | None = None,
        logits_to_keep: int | Tensor = 0,
        cache: Cache | None = None,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """Run a causal language model's forward pass.

        In training with labels, logits are computed at labelled positions only and not returned,
        since the vocabulary projection is a fifth of the cost of a small model;
        `config.logits_in_training` and eval mode return them all. The loss is the same.

        Args:
            labels: int64 [batch, seq], -100 at positions without loss.
            pixel_values: float [images, 3, height, breadth], in the order of their placeholders;
                [images, tiles, 3, height, breadth] and `image_tiles` if they are cut into tiles.
            input_features: float [items, bands, frames], log-mel, padded at the end of each item.
            feature_lengths: int64 [items], the number of frames of each.
            logits_to_keep: number of last positions, or an index of positions; 0 means all.
            cache: `past_key_values` by its name since transformers 5.24.
            kwargs: arguments of the language model and the loss, and the media of the other
                modalities by the keywords of `MediaModality`, such as `sound_values` and
                `sound_lengths`; `image_features` [images, tokens, width] of `FeatureCache` stand
                for `pixel_values`, `audio_features` for `input_features`, and so on.
        """
        outputs = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            **{CACHE: past_key_values if cache is None else cache},
            inputs_embeds=inputs_embeds,
            pixel_values=pixel_values,
            input_features=input_features,
            feature_lengths=feature_lengths,
            **kwargs,
        )
        for name in list_media_inputs():
            kwargs.pop(name, None)  # the loss does not take them
        hidden, logits, loss = outputs.last_hidden_state, None, None
        if labels is not None and self.training and not self.config.logits_in_training:
            loss = self.compute_loss_at_labels(hidden, labels, **kwargs)
        else:
            keep = logits_to_keep
            positions = slice(-keep, None) if isinstance(keep, int) else keep
            logits = self.lm_head(hidden[:, positions])
            if labels is not None:
                loss = self.loss_function(logits, labels, self.vocab_size, **kwargs)
        return CausalLMOutputWithPast(
            loss=loss,
            logits=logits,
            **{CACHE: getattr(outputs, CACHE)},
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )

    def compute_loss_at_labels(self, hidden: Tensor, labels: Tensor, **kwargs: Any) -> Tensor:
        """Compute the loss from the logits of labelled positions only."""
        following = nn.functional.pad(labels, (0, 1), value=-100)[:, 1:].to(hidden.device)
        is_labelled = following != -100
        logits, shifted = self.lm_head(hidden[is_labelled]), following[is_labelled]
        if not len(shifted):  # padding alone, or one token: the mean of no losses would be NaN
            return 0.0 * hidden.sum()
        return self.loss_function(logits, None, self.vocab_size, shift_labels=shifted, **kwargs)

    def prepare_inputs_for_generation(
        self, *args: Any, is_first_iteration: bool = False, **kwargs: Any
    ) -> dict[str, Any]:
        above: Any = super()  # typed for a model that mixes it in
        inputs = above.prepare_inputs_for_generation(
            *args, is_first_iteration=is_first_iteration, **kwargs
        )
        if not is_first_iteration and kwargs.get("use_cache", True):
            for name in list_media_inputs():
                inputs.pop(name, None)
        return inputs

    def _validate_model_kwargs(self, model_kwargs: dict[str, Any]) -> None:
        """Check the arguments of `generate` apart from media, which no signature lists."""
        media = set(list_media_inputs())
        above: Any = super()  # as above
        above._validate_model_kwargs({k: v for k, v in model_kwargs.items() if k not in media})

    def _expand_inputs_for_generation(
        self,
        expand_size: int = 1,
        is_encoder_decoder: bool = False,
        input_ids: Tensor | None = None,
        **model_kwargs: Any,
    ) -> tuple[Any, dict[str, Any]]:
        """Repeat samples for beam search with their media."""
        given = [name for name in list_media_inputs() if model_kwargs.get(name) is not None]
        media = {name: model_kwargs.pop(name) for name in given}
        for modality, each in find_media_modalities().items():
            here = [name for name in each.keywords if name in media]
            if here and input_ids is not None:
                order = self.repeat_media(modality, input_ids, media, expand_size)
                media.update({name: media[name][order] for name in here})
        above: Any = super()  # as above
        ids, model_kwargs = above._expand_inputs_for_generation(
            expand_size, is_encoder_decoder, input_ids, **model_kwargs
        )
        return ids, {**model_kwargs, **media}

    def repeat_media(
        self, modality: str, input_ids: Tensor, media: dict[str, Tensor], copies: int
    ) -> Tensor:
        """Return the order of media items after every sample is repeated `copies` times."""
        each = get_media_modality(modality)
        count = next(len(media[name]) for name in each.keywords if name in media)
        lengths = get_lengths(each, media, count)
        owner = self.config.find_media_owners(modality, input_ids, lengths)
        rows = range(len(input_ids))
        return torch.cat([(owner == row).nonzero().flatten().repeat(copies) for row in rows])
