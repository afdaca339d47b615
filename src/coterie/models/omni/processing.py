"""`OmniProcessor`: chat messages with images and audio to an omni model's input tensors."""

from typing import TYPE_CHECKING, Any, cast, no_type_check

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import ProcessorMixin
from transformers.image_utils import make_flat_list_of_images

from coterie.models.omni.encoders.base import parse_encoders, select_modality

if TYPE_CHECKING:
    from coterie.models.omni.feature_cache import FeatureCache

Pixels = Float[Tensor, "rows 3 height breadth"]
Spectrograms = tuple[Float[Tensor, "rows bands frames"], Int[Tensor, " rows"]]
FRAMES = 16  # frames per token: a pool of 8 states, each of 2 frames (the stride of conv2)


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

    feature_cache: "FeatureCache | None" = None

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
        encoders = select_modality(self.encoders_by_name, modality)
        return sum(encoder.count_tokens(length) for encoder in encoders)

    def make_pixel_values(self, pictures: list[Any], **options: Any) -> Pixels:
        """Compute `pixel_values` of PIL images."""
        return self.image_processor(pictures, **options | {"return_tensors": "pt"})["pixel_values"]

    def make_log_mels(self, waves: list[Any]) -> Spectrograms:
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
        wanted = self.feature_extractor.sampling_rate
        if (rate := kwargs.get("sampling_rate") or wanted) != wanted:
            raise ValueError(
                f"sampling_rate = {rate}: sounds must have {wanted} samples a second; resample "
                "them first"
            )
        waves = [np.asarray(wave, dtype=np.float32) for wave in audio]
        lengths = [count_mel_frames(wave, self.feature_extractor) for wave in waves]
        if self.feature_cache is None:
            data = {"input_features": self.make_log_mels(waves)[0]}
        else:
            data = {"audio_features": self.feature_cache.get_audio_features(waves, self)}
        data["feature_lengths"] = torch.tensor(lengths)
        return data, [self.audio_token * self.count_tokens("audio", length) for length in lengths]

    @property
    def model_input_names(self) -> list[str]:
        media = ("pixel_values", "input_features", "feature_lengths", "image_features")
        return [*self.tokenizer.model_input_names, *media, "audio_features"]


def count_mel_frames(wave: Any, extractor: Any) -> int:
    """Count the 10 ms frames of an audio item's spectrogram.

    Samples are padded with silence to a multiple of 160 ms, which is one token, up to the
    extractor's maximum.

    Raises ValueError unless the audio is one non-empty row of finite samples, and not too long.
    """
    if wave.ndim != 1 or wave.size == 0:
        raise ValueError(
            f"a sound has the shape {wave.shape}: pass one row of samples, mono, and at least one"
        )
    if not np.isfinite(wave).all():
        raise ValueError("a sound has samples that are not finite: repair or leave out the file")
    if wave.size > extractor.n_samples:
        raise ValueError(
            f"a sound is {wave.size / extractor.sampling_rate:.1f} s long; at most "
            f"{extractor.n_samples / extractor.sampling_rate:g} s are allowed: cut it into shorter "
            "ones"
        )
    step = FRAMES * extractor.hop_length
    return min(-(-wave.size // step) * step, extractor.n_samples) // extractor.hop_length


def compute_spectrograms(waves: list[Any], extractor: Any) -> Spectrograms:
    """Compute Whisper's log-mel spectrograms, zero-padded at the end, and their numbers of frames.

    Items are computed one at a time: their floor is relative to the loudest frame, so padding to
    the length of a longer item would change the last frames.
    """
    found = []
    options = {"sampling_rate": extractor.sampling_rate, "return_tensors": "pt"}
    for wave in waves:
        frames = count_mel_frames(wave, extractor)
        padded = np.pad(wave, (0, frames * extractor.hop_length - wave.size))
        found.append(extractor(padded, padding="do_not_pad", **options)["input_features"][0].T)
    values = nn.utils.rnn.pad_sequence(found, batch_first=True).transpose(1, 2)
    return values.contiguous(), torch.tensor([len(mel) for mel in found])
