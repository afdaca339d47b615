"""Tiny Gemma 3n with images and sounds."""

from typing import Any

from torch import Tensor
from transformers import ConvNextConfig, Gemma3nConfig, Gemma3nForConditionalGeneration

from tests.tinies.base import TEXT, HubFiles, Tiny, pictures, seeded, texts, tokenizer, with_labels
from tests.tinies.omni import waves

MARKERS = {
    "image_token": "<image_soft_token>",
    "boi_token": "<start_of_image>",
    "eoi_token": "<end_of_image>",
    "audio_token": "<audio_soft_token>",
    "boa_token": "<start_of_audio>",
    "eoa_token": "<end_of_audio>",
}
SOFT_TOKENS = 4
MEL = 16


def gemma3n_files() -> HubFiles:
    """Four tokens for each picture and each sound."""
    words = tokenizer(*MARKERS.values(), names=MARKERS)
    images = {"image_processor_type": "SiglipImageProcessor", "size": {"height": 28, "width": 28}}
    settings = {
        "feature_extractor": {
            "feature_extractor_type": "Gemma3nAudioFeatureExtractor", "feature_size": MEL,
        },
        "image_seq_length": SOFT_TOKENS, "audio_seq_length": SOFT_TOKENS,
    }  # fmt: skip
    return HubFiles("Gemma3nProcessor", words, images, MARKERS["image_token"], settings)


def gemma3n() -> Tiny:
    """ConvNeXt is in the place of timm's tower: its rows are images, too.

    One layer of attention has a window. The last 16 tokens are those of the embedders of images
    and sounds.
    """
    files = gemma3n_files()
    words = files.words
    ids = {f"{name}_id": words.convert_tokens_to_ids(marker) for name, marker in MARKERS.items()}
    text = {
        "vocab_size": len(words) + 16, "vocab_size_per_layer_input": len(words), "head_dim": 8,
        "hidden_size_per_layer_input": 8, "laurel_rank": 4, "altup_num_inputs": 2,
        "num_kv_shared_layers": 0, "sliding_window": 64,
        "layer_types": ["sliding_attention", "full_attention"], **TEXT,
    }  # fmt: skip
    audio = {
        "vocab_size": 8, "vocab_offset": len(words) + 8, "input_feat_size": MEL, "hidden_size": 32,
        "conf_attention_chunk_size": 4, "conf_attention_context_left": 5,
        "conf_num_attention_heads": 4, "conf_num_hidden_layers": 2, "conf_reduction_factor": 2,
        "sscp_conv_channel_size": [8, 4],
    }  # fmt: skip
    config = Gemma3nConfig(
        text_config=text, audio_config=audio, vision_soft_tokens_per_image=SOFT_TOKENS,
        audio_soft_tokens_per_image=SOFT_TOKENS, **ids,
    )  # fmt: skip
    # Not set as an attribute, whose value is checked to be a configuration of timm's towers.
    vars(config)["vision_config"] = ConvNextConfig(
        patch_size=7, hidden_sizes=[16, 32], depths=[1, 1], num_stages=2, hidden_size=32,
        vocab_size=8, vocab_offset=len(words), rms_norm_eps=1e-6,
    )  # fmt: skip
    processor = files.load(config)
    together, *alone = (with_media(processor, slice(*ends)) for ends in ((0, 2), (0, 1), (1, 2)))
    model = seeded(lambda: Gemma3nForConditionalGeneration(config))
    return Tiny(model, together, None, alone)


def with_media(processor: Any, samples: slice) -> dict[str, Tensor]:
    """What the processor makes of some of two samples, the first of one picture and two sounds."""
    sound = MARKERS["audio_token"]
    prompts = [
        text.replace("<answer>", sound * (2 - sample) + "<answer>")
        for sample, text in enumerate(texts(MARKERS["image_token"]))
    ]
    image, *images = pictures((28, 28), (28, 56), (40, 28))
    *some, wave = waves(0.1, 0.2, 0.2)
    batch = processor(
        text=prompts[samples],
        images=[[image], images][samples],
        audio=[each for sounds in [some, [wave]][samples] for each in sounds],
        padding=True,
        return_tensors="pt",
    )
    return with_labels(batch)
