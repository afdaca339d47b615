"""Tiny thinkers of Qwen2.5-Omni and Qwen3-Omni, with sounds."""

from typing import Any

from torch import Tensor
from transformers import (
    Qwen2_5OmniThinkerConfig,
    Qwen2_5OmniThinkerForConditionalGeneration,
    Qwen3OmniMoeThinkerConfig,
    Qwen3OmniMoeThinkerForConditionalGeneration,
)

from tests.tinies.base import TEXT, HubFiles, Tiny, pictures, seeded, texts, tokenizer, with_labels
from tests.tinies.omni import waves
from tests.tinies.qwen_vl import IMAGE, MARKERS, MIXTURE, ROTARY, files, qwen3_options, sizes

SOUND = {
    "audio_start_token_id": "<|audio_bos|>",
    "audio_token_id": "<|AUDIO|>",
    "audio_end_token_id": "<|audio_eos|>",
}
NAMES = {
    "image_token": "<|image_pad|>", "video_token": "<|video_pad|>", "audio_token": "<|AUDIO|>",
    "vision_bos_token": "<|vision_start|>", "vision_eos_token": "<|vision_end|>",
    "audio_bos_token": "<|audio_bos|>", "audio_eos_token": "<|audio_eos|>",
}  # fmt: skip
HEARING = {"feature_extractor_type": "WhisperFeatureExtractor", "feature_size": 8,
           "chunk_length": 1, "return_attention_mask": True}  # fmt: skip


def qwen2_5_omni() -> Tiny:
    """As Qwen2.5-VL, with one sound and two; the audio tower sees 8 frames of 10 ms at once."""
    words = tokenizer(*MARKERS.values(), *SOUND.values(), names=NAMES)
    pixels = files("", words, 14).images
    made = HubFiles("Qwen2_5OmniProcessor", words, {**pixels, **HEARING}, IMAGE)
    ids = {name: words.convert_tokens_to_ids(each) for name, each in {**MARKERS, **SOUND}.items()}
    config = Qwen2_5OmniThinkerConfig(
        text_config={"vocab_size": len(words), "rope_parameters": ROTARY, **TEXT},
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_heads": 2,
            "out_hidden_size": 32,
            "patch_size": 14,
            "window_size": 28,
            "fullatt_block_indexes": [1],
        },
        audio_config={
            "num_mel_bins": 8,
            "encoder_layers": 2,
            "encoder_attention_heads": 4,
            "encoder_ffn_dim": 64,
            "d_model": 32,
            "max_source_positions": 50,
            "n_window": 4,
            "output_dim": 32,
        },
        **ids,
    )
    return with_media(Qwen2_5OmniThinkerForConditionalGeneration, config, made, 14, 0.2)


def qwen3_omni() -> Tiny:
    """As Qwen3-VL's mixture; the audio tower sees windows of 100 frames."""
    words = tokenizer(*MARKERS.values(), *SOUND.values(), names=NAMES)
    pixels = files("", words, 16).images
    made = HubFiles("Qwen3OmniMoeProcessor", words, {**pixels, **HEARING}, IMAGE)
    ids = {name: words.convert_tokens_to_ids(each) for name, each in SOUND.items()}
    audio = {
        "num_mel_bins": 8, "encoder_layers": 2, "encoder_attention_heads": 4,
        "encoder_ffn_dim": 64, "d_model": 32, "max_source_positions": 50, "output_dim": 32,
        "downsample_hidden_size": 8,
    }  # fmt: skip
    config = Qwen3OmniMoeThinkerConfig(audio_config=audio, **qwen3_options(words, **MIXTURE), **ids)
    return with_media(Qwen3OmniMoeThinkerForConditionalGeneration, config, made, 16, 1.5)


def with_media(kind: Any, config: Any, files: HubFiles, patch: int, longest: float) -> Tiny:
    """The model and both samples; the longest sound, in seconds, is the second sample's."""
    processor = files.load(config)
    together, *alone = (
        with_sounds(processor, samples, patch, longest)
        for samples in (slice(0, 2), slice(0, 1), slice(1, 2))
    )
    return Tiny(seeded(lambda: kind(config)), together, files, alone)


def with_sounds(processor: Any, samples: slice, patch: int, longest: float) -> dict[str, Tensor]:
    """What the processor makes of some of two samples; the other sounds have 9 and 6 frames."""
    sound = "".join(SOUND.values())
    prompts = [
        text.replace("<answer>", sound * (sample + 1) + "<answer>")
        for sample, text in enumerate(texts(IMAGE))
    ]
    image, *images = pictures(*sizes(patch))
    wave, *others = waves(0.09, longest, 0.06)
    batch = processor(
        text=prompts[samples],
        images=[[image], images][samples],
        audio=[each for sounds in [[wave], others][samples] for each in sounds],
        sampling_rate=16000,
        padding=True,
        return_tensors="pt",
    )
    return with_labels(batch)
