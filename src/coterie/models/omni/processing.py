"""`OmniProcessor`: chat messages with images and audio to an omni model's input tensors."""

from typing import Any, Protocol, cast, no_type_check

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from transformers import ProcessorMixin
from transformers.image_utils import make_flat_list_of_images

from coterie.models.omni.audio_processing import (
    LogMelFeatures,
    compute_spectrograms,
    count_mel_frames,
)
from coterie.models.omni.encoders.base import parse_encoders, select_modality


class FeatureProvider(Protocol):
    """The interface of a source of features, which replace pixels and spectrograms in batches."""

    def get_image_features(
        self, pictures: list[Any], processor: Any
    ) -> Float[Tensor, "rows seq width"]:
        """Features of PIL images."""
        ...

    def get_audio_features(
        self, waves: list[Any], processor: Any
    ) -> Float[Tensor, "rows seq width"]:
        """Features of sounds, float32 samples at 16 kHz."""
        ...


class OmniProcessor(ProcessorMixin):
    """An image processor, a feature extractor and a tokenizer.

    Images are resized to a square without preserving the aspect ratio, so that nothing is cropped
    and no token encodes borders; audio is padded to its next token, not to 30 s.

    Attributes:
        feature_cache: a `FeatureCache`, or None. With one, the batch holds `image_features` and
            `audio_features` instead of `pixel_values` and `input_features`.
        encoders: the same entries as in `OmniConfig.encoders`; they determine the number of tokens
            of an item.
    """

    feature_cache: FeatureProvider | None = None

    @no_type_check  # transformers reads the argument names from the source code
    def __init__(
        self,
        image_processor: Any = None,
        feature_extractor: Any = None,
        tokenizer: Any = None,
        chat_template: str | None = None,
        encoders: list[Any] | None = None,
    ):
        self.encoders = list(encoders or ())
        self.encoders_by_name = parse_encoders(self.encoders)
        self.image_token, self.audio_token = tokenizer.image_token, tokenizer.audio_token
        self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
        self.audio_token_id = tokenizer.convert_tokens_to_ids(self.audio_token)
        super().__init__(image_processor, feature_extractor, tokenizer, chat_template=chat_template)

    def count_tokens(self, modality: str, length: int = 0) -> int:
        """Count the placeholders of an image, or of audio of `length` mel frames."""
        return sum(
            encoder.count_tokens(length)
            for encoder in select_modality(self.encoders_by_name, modality)
        )

    def make_pixel_values(
        self, pictures: list[Any], **options: Any
    ) -> Float[Tensor, "rows 3 height breadth"]:
        """Compute `pixel_values` of PIL images."""
        options = {**options, "return_tensors": "pt"}
        return self.image_processor(pictures, **options)["pixel_values"]

    def make_log_mels(self, waves: list[Any]) -> LogMelFeatures:
        """Compute `input_features` and `feature_lengths` of audio."""
        return compute_spectrograms(waves, self.feature_extractor)

    def _process_images(self, images: Any, **kwargs: Any) -> tuple[dict[str, Any], list[str]]:
        pictures = cast(list[Any], make_flat_list_of_images(images))
        if self.feature_cache is None:
            data = {"pixel_values": self.make_pixel_values(pictures, **kwargs)}
        else:
            data = {"image_features": self.feature_cache.get_image_features(pictures, self)}
        return data, [self.image_token * self.count_tokens("image")] * len(pictures)

    def _process_audio(self, audio: Any, **kwargs: Any) -> tuple[dict[str, Any], list[str]]:
        rate = kwargs.get("sampling_rate") or self.feature_extractor.sampling_rate
        if rate != self.feature_extractor.sampling_rate:
            raise ValueError(
                f"sampling_rate = {rate}: sounds must have {self.feature_extractor.sampling_rate} "
                "samples a second; resample them first"
            )
        waves = [np.asarray(wave, dtype=np.float32) for wave in audio]
        lengths = [count_mel_frames(wave, self.feature_extractor) for wave in waves]
        if self.feature_cache is None:
            data = {"input_features": self.make_log_mels(waves).values}
        else:
            data = {"audio_features": self.feature_cache.get_audio_features(waves, self)}
        data["feature_lengths"] = torch.tensor(lengths)
        return data, [self.audio_token * self.count_tokens("audio", length) for length in lengths]

    @property
    def model_input_names(self) -> list[str]:
        return [
            *self.tokenizer.model_input_names,
            *("pixel_values", "input_features", "feature_lengths"),
            *("image_features", "audio_features"),
        ]
