"""The time of an epoch whose encoder features are computed, and of the next, which reads them.

`python -m experiments.feature_cache`: encoders of published sizes with a language model of two
small layers, so that the ratio is the encoders' own; and the embedded omni model with its 135
million parameters of language model, forward and backward in both epochs. One thread. The result is
benchmarks/results/feature-cache-cpu.json.
"""

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoProcessor,
    BitImageProcessorPil,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from benchmarks.provenance import provenance
from coterie.models.omni import FeatureCache, OmniForConditionalGeneration, assemble
from coterie.models.omni.assembly import make_processor
from coterie.models.omni.encoders.dinov2 import DINOv2Encoder
from coterie.models.omni.encoders.sound import SoundEncoder
from coterie.models.omni.encoders.video import VideoEncoder
from coterie.models.omni.encoders.whisper import WhisperEncoder
from coterie.paths import get_cache_dir

RESULT = Path(__file__).parents[1] / "benchmarks" / "results" / "feature-cache-cpu.json"

WHISPER_BASE = {
    "d_model": 512, "encoder_layers": 6, "encoder_attention_heads": 8, "encoder_ffn_dim": 2048,
}  # fmt: skip
DINO_SMALL = {"hidden_size": 384, "num_attention_heads": 6, "image_size": 224, "patch_size": 14}
TEXT = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2}  # fmt: skip
SAMPLES, BATCH = 4, 2


def make_sample(number: int) -> list[dict[str, Any]]:
    """Return a message with a picture, 3 s of speech, 3 s of sound and a clip of 4 frames."""
    random = np.random.default_rng(number)
    pixels = random.integers(0, 255, (5, 224, 224, 3), dtype=np.uint8)
    waves = random.standard_normal((2, 48_000)).astype(np.float32) / 10
    parts = [
        {"type": "image", "image": Image.fromarray(pixels[0])},
        {"type": "audio", "audio": waves[0]},
        {"type": "sound", "sound": waves[1]},
        {"type": "video", "video": pixels[1:]},
        {"type": "text", "text": "What is this?"},
    ]
    return [{"role": "user", "content": parts}]


def run_epoch(model: Any, processor: Any) -> tuple[float, list[float]]:
    """Return the seconds of an epoch of forward and backward passes, and its losses."""
    started, losses = time.perf_counter(), []
    for start in range(0, SAMPLES, BATCH):
        chats = [make_sample(number) for number in range(start, start + BATCH)]
        batch = processor.apply_chat_template(
            chats, tokenize=True, return_dict=True, return_tensors="pt",
            processor_kwargs={"padding": True},
        )  # fmt: skip
        loss = model(**batch, labels=batch["input_ids"]).loss
        loss.backward()
        losses.append(loss.item())
    return time.perf_counter() - started, losses


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer of bytes, with the marks of turns."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = ["<pad>", "<|im_start|>", "<|im_end|>", *letters]
    tokens = Tokenizer(models.BPE(vocab={word: i for i, word in enumerate(words)}, merges=[]))
    tokens.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokens.add_special_tokens(words[:3])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokens, pad_token="<pad>", eos_token="<|im_end|>"
    )


def assemble_small(folder: Path) -> Path:
    """Assemble encoders of published sizes, of random weights, with a small language model."""
    image = DINOv2Encoder(config=DINO_SMALL)
    kinds = (image, WhisperEncoder(config=WHISPER_BASE), SoundEncoder(), VideoEncoder(image=image))
    words = make_tokenizer()
    words.save_pretrained(folder / "llm")
    config = LlamaConfig(vocab_size=len(words), pad_token_id=0, **TEXT)
    LlamaForCausalLM(config).save_pretrained(folder / "llm")
    size = BitImageProcessorPil(size={"height": 224, "width": 224}, do_center_crop=False)
    processor = make_processor(folder / "llm", kinds, image_processor=size)
    return assemble(
        folder / "omni", language_model=folder / "llm", processor=processor,
        encoders=[(kind, None) for kind in kinds],
    )  # fmt: skip


def measure(base: Path, cache: Path) -> dict[str, Any]:
    """Return the seconds of both epochs, their ratio, and whether the losses are equal."""
    model = OmniForConditionalGeneration.from_pretrained(base).train()
    model.requires_grad_(False)
    model.model.connectors.requires_grad_(True)  # as when connectors are aligned
    processor = AutoProcessor.from_pretrained(base)
    processor.feature_cache = FeatureCache(model, cache)
    (first, losses), (second, again) = (run_epoch(model, processor) for _ in range(2))
    return {
        "first_epoch_s": round(first, 2), "second_epoch_s": round(second, 3),
        "ratio": round(first / second, 1), "losses_equal": losses == again,
    }  # fmt: skip


def main() -> None:
    """Measure both models, and write the result."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    found = {**provenance(torch.device("cpu")), "samples": SAMPLES, "batch": BATCH}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found["encoders"] = measure(assemble_small(folder), folder / "small")
        found["embedded"] = measure(get_cache_dir() / "omni", folder / "embedded")
    RESULT.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps({name: found[name] for name in ("encoders", "embedded")}, indent=1))


if __name__ == "__main__":
    main()
