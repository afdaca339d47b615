"""Tiny omni model: Llama, DINOv2, a convolutional encoder and Whisper."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import numpy
from transformers import BitImageProcessorPil, LlamaConfig, WhisperFeatureExtractor

from coterie import serialization
from coterie.encoding.encoder import Encoder
from coterie.models.omni import OmniConfig, OmniForConditionalGeneration, OmniProcessor
from coterie.models.omni.encoders.dinov2 import DINOv2Encoder
from coterie.models.omni.encoders.efficientnet import BottleneckStage, EfficientNetEncoder
from coterie.models.omni.encoders.whisper import WhisperEncoder
from tests.tinies.base import TEXT, Tiny, pictures, seeded, texts, tokenizer, with_labels

DINO = {
    "hidden_size": 32,
    "num_attention_heads": 4,
    "mlp_ratio": 2,
    "image_size": 28,
    "patch_size": 7,
}
WHISPER = {
    "num_mel_bins": 8,
    "d_model": 32,
    "encoder_layers": 2,
    "encoder_attention_heads": 4,
    "encoder_ffn_dim": 64,
    "max_source_positions": 50,
    "vocab_size": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 1,
    "decoder_start_token_id": 1,
}
STAGES = (
    BottleneckStage(count=1, kernel=3, stride=1, expansion=1, width=8),
    BottleneckStage(count=2, kernel=5, stride=2, expansion=2, width=8),
)


def encoders() -> tuple[Encoder, ...]:
    """4 tokens from 4 x 4 patches and 1 more for an image; 1 for 80 ms of sound, at most 1 s."""
    return (
        DINOv2Encoder(config=DINO, layers=(1, 2), side=2, hidden=16),
        EfficientNetEncoder(stem=8, stages=STAGES, head=16, hidden=16),
        WhisperEncoder(config=WHISPER, pool=4, hidden=16),
    )


def omni_processor(kinds: Sequence[Encoder] = ()) -> OmniProcessor:
    """Pictures of 28 x 28 and sounds of at most 1 s; a placeholder for each modality."""
    kinds = tuple(kinds) or encoders()
    more = sorted({kind.modality for kind in kinds} - {"image", "audio"})
    names = ("image", "audio", *more)
    return OmniProcessor(
        BitImageProcessorPil(size={"height": 28, "width": 28}, do_center_crop=False),
        WhisperFeatureExtractor(feature_size=8, chunk_length=1),
        tokenizer(
            "<image>",
            "<|im_start|>",
            "<|im_end|>",
            "<audio>",
            *(f"<{name}>" for name in more),
            names={f"{name}_token": f"<{name}>" for name in names},
        ),
        chat_template=files("coterie.models.omni")
        .joinpath("chat_template.jinja")
        .read_text("utf-8"),
        encoders=[serialization.dump(kind) for kind in kinds],
    )


def omni_model(
    processor: OmniProcessor, *, text: Mapping[str, Any] | None = None, **options: Any
) -> OmniForConditionalGeneration:
    """A random model that takes what the processor makes."""
    config = OmniConfig(
        text_config=LlamaConfig(
            vocab_size=len(processor.tokenizer),
            tie_word_embeddings=True,
            **(TEXT | dict(text or {})),
        ),
        encoders=processor.encoders,
        **{f"{name}_token_id": token for name, token in processor.get_placeholder_ids().items()},
        **options,
    )
    return seeded(lambda: OmniForConditionalGeneration(config))


def waves(*seconds: float) -> list[Any]:
    """Noise of so many seconds, 16000 samples each."""
    random = numpy.random.RandomState(0)
    return [random.randn(round(each * 16000)).astype(numpy.float32) * 0.1 for each in seconds]


def omni() -> Tiny:
    """The samples have 1 and 2 images and a sound each, the second's being longer."""
    processor = omni_processor()
    prompts = [text.replace("<answer>", "<audio><answer>") for text in texts("<image>")]
    batch = processor(
        text=prompts,
        images=pictures((28, 28), (28, 56), (40, 28)),
        audio=waves(0.3, 0.6),
        sampling_rate=16000,
        padding=True,
        return_tensors="pt",
    )
    return Tiny(omni_model(processor, logits_in_training=True), with_labels(batch))
