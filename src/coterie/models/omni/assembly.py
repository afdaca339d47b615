"""`assemble`: put a causal language model and encoders together to the folder of an omni model."""

import tempfile
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BitImageProcessorPil,
    GenerationConfig,
    WhisperFeatureExtractor,
)

from coterie import serialization
from coterie.data.chat_template import make_template
from coterie.encoding.encoder import Encoder
from coterie.io import commit
from coterie.modalities.base import get_media_modality
from coterie.models.omni.configuration import OmniConfig
from coterie.models.omni.modeling import get_connector
from coterie.models.omni.modeling_causal_lm import OmniForConditionalGeneration
from coterie.models.omni.processing import OmniProcessor
from coterie.third_party_warnings import suppress_third_party_warnings

Encoders = Sequence[tuple[Encoder, str | Path | None]]
"""Encoders, in the order of their tokens, each with the folder of its weights."""
TEXT, CONNECTORS = "model.language_model.", "model.connectors."
TURN = "<|im_start|>"
"""The token that begins a turn in ChatML, which the template of omni models writes."""


@suppress_third_party_warnings()
def assemble(
    to: str | Path,
    *,
    language_model: str | Path,
    encoders: Encoders,
    connectors: str | Path | None = None,
    processor: OmniProcessor | None = None,
    dtype: torch.dtype | None = None,
    card: str | None = None,
) -> Path:
    """Write a folder with configuration, weights, processor and chat template of an omni model.

    `coterie.train` and transformers load it as any other. Each tensor keeps the dtype it was saved
    in. A folder that exists is replaced, once the new one is complete.

    Args:
        to: the folder.
        language_model: a folder or a hub id: a decoder with a linear head.
        encoders: each with the folder of its weights, as `Encoder.load_weights` reads it; None for
            random ones, and for an encoder that uses the tower of another.
        connectors: safetensors file of `save_connectors`. None initialises them at random: train
            them before media mean anything.
        processor: None for that of `make_processor`.
        dtype: that the model is loaded in by default; None for that of the language model.
        card: the text of README.md, if there is to be one.

    Raises ValueError for weights that do not fit the encoders or the language model.
    """
    to = Path(to)
    kinds = [encoder for encoder, _ in encoders]
    processor = processor or make_processor(language_model, kinds)
    text: Any = AutoModelForCausalLM.from_pretrained(
        language_model, dtype="auto", trust_remote_code=False
    )
    if len(processor.tokenizer) > text.get_input_embeddings().weight.shape[0]:
        text.resize_token_embeddings(len(processor.tokenizer), mean_resizing=False)
    state = get_text_state(text) | load_towers(encoders)
    if connectors is None:
        state |= init_connectors(kinds, text.get_input_embeddings().weight)
    else:
        state |= read_connectors(connectors)
    config = make_config(text.config, kinds, processor, dtype or text.dtype)
    check_state(state, config)
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to.parent, prefix=f".{to.name}.") as temporary:
        folder = Path(temporary) / "model"
        processor.save_pretrained(folder)
        config.save_pretrained(folder)
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
        make_generation_config(text, processor).save_pretrained(folder)
        if card is not None:
            (folder / "README.md").write_text(card, encoding="utf-8")
        if to.exists():
            to.rename(Path(temporary) / "old")
        commit(folder, to)
    return to


def make_processor(
    language_model: str | Path | Any,
    encoders: Sequence[Encoder],
    *,
    image_processor: Any = None,
    feature_extractor: Any = None,
) -> OmniProcessor:
    """Make the processor of an omni model.

    Args:
        language_model: the folder or hub id of its tokenizer, to which placeholder tokens are
            added; or a tokenizer that has them.
        encoders: in the order of their tokens.
        image_processor: None for 224 x 224 with ImageNet's mean and deviation, as DINOv2 takes it;
            give that of CLIP or SigLIP for these.
        feature_extractor: None for Whisper's of 80 bands.
    """
    tokenizer: Any = language_model
    if isinstance(language_model, str | Path):
        used = dict.fromkeys(["image", "audio", *(encoder.modality for encoder in encoders)])
        media = [get_media_modality(name) for name in used]
        tokens = {each.token_name: each.placeholder for each in media}
        tokenizer = AutoTokenizer.from_pretrained(
            language_model, extra_special_tokens=tokens, trust_remote_code=False
        )
    template = files("coterie.models.omni").joinpath("chat_template.jinja").read_text("utf-8")
    return OmniProcessor(
        # Resized, not cropped: a question may be about the border.
        image_processor
        or BitImageProcessorPil(
            size={"height": 224, "width": 224},
            do_center_crop=False,
            image_mean=[0.485, 0.456, 0.406],
            image_std=[0.229, 0.224, 0.225],
        ),
        feature_extractor or WhisperFeatureExtractor(),
        tokenizer,
        chat_template=template if TURN in tokenizer.get_vocab() else make_template(),
        encoders=[serialization.dump(encoder) for encoder in encoders],
    )


def make_config(
    text_config: Any, encoders: Sequence[Encoder], processor: OmniProcessor, dtype: torch.dtype
) -> OmniConfig:
    """Make the configuration, with the placeholders of the processor."""
    placeholders: dict[str, Any] = {
        f"{name}_token_id": token for name, token in processor.get_placeholder_ids().items()
    }
    dumped = [serialization.dump(encoder) for encoder in encoders]
    config = OmniConfig(text_config=text_config, encoders=dumped, **placeholders)
    config.architectures = [OmniForConditionalGeneration.__name__]
    config.dtype = config.text_config.dtype = dtype
    return config


def make_generation_config(text: Any, processor: OmniProcessor) -> GenerationConfig:
    """Make the settings of `generate`, which suppress placeholders: no text can have them."""
    tokenizer = processor.tokenizer
    return GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=text.generation_config.eos_token_id or tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        suppress_tokens=list(processor.get_placeholder_ids().values()),
    )


def get_text_state(text: Any) -> dict[str, Tensor]:
    """Return the weights of the language model by their names in an omni model.

    Raises ValueError for a head with a bias.
    """
    state = {f"{TEXT}{key}": value for key, value in text.base_model.state_dict().items()}
    head = text.get_output_embeddings()
    if getattr(head, "bias", None) is not None:
        raise ValueError(
            f"the head of {type(text).__name__} has a bias, and that of an omni model has none: "
            "take another language model"
        )
    config = text.config.get_text_config()
    config.tie_word_embeddings &= f"{TEXT}embed_tokens.weight" in state
    if not config.tie_word_embeddings:
        state["lm_head.weight"] = head.weight.detach().clone()
    return {key: value.contiguous() for key, value in state.items()}


def load_towers(encoders: Encoders) -> dict[str, Tensor]:
    """Return the weights of the towers by their names in an omni model."""
    state: dict[str, Tensor] = {}
    given = {encoder.name for encoder, _ in encoders}
    for encoder, folder in encoders:
        owner = encoder.tower_owner.name
        if folder is not None:
            found = encoder.load_weights(Path(folder))
        elif owner == encoder.name or owner not in given:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                found = encoder.build_tower().state_dict()
        else:
            continue
        state |= {f"model.{owner}_tower.{key}": value.contiguous() for key, value in found.items()}
    return state


def read_connectors(connectors: str | Path) -> dict[str, Tensor]:
    """Read trained connectors, by the names that they have in the model."""
    if not Path(connectors).is_file():
        raise ValueError(
            f"connectors = {str(connectors)!r} is no file: give one written by save_connectors"
        )
    return {f"{CONNECTORS}{key}": value for key, value in load_file(connectors).items()}


def save_connectors(model: Any, path: str | Path) -> Path:
    """Save the connectors of an omni model as float16 safetensors, which `assemble` takes."""
    state = model.base_model.connectors.state_dict()
    save_file({key: value.detach().half().contiguous() for key, value in state.items()}, path)
    return Path(path)


def init_connectors(encoders: Sequence[Encoder], embeddings: Tensor) -> dict[str, Tensor]:
    """Make random connectors whose outputs have the standard deviation of the text embeddings."""
    state = {}
    owners = {each.connector_owner.name: each.connector_owner for each in encoders}
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        for name, encoder in owners.items():
            kind, width = get_connector(encoder), encoder.width
            network: Any = kind.build(width, encoder.hidden, embeddings.shape[1]).eval()
            tokens, own = torch.randn(1, 256, width), torch.ones(1, 256, dtype=torch.bool)
            scale = kind.project(network, tokens, own).std() / embeddings.float().std()
            network.linear_2.weight /= scale
            network.linear_2.bias /= scale
            for key, value in network.state_dict().items():
                state[f"{CONNECTORS}{name}.{key}"] = value
    return state


def check_state(state: Mapping[str, Tensor], config: OmniConfig) -> None:
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
                "do not fit the encoders, or the connectors are of another model"
            )
