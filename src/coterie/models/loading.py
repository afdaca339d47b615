"""`load`: load a pretrained chat model and its processor from a folder, the hub or a plugin."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from coterie.data.chat_template import get_end_of_turn_id, get_tokenizer, make_template
from coterie.data.sources.base import get_first_line
from coterie.devices import choose_device
from coterie.models.base_config import get_context_length, load_config, resolve_base
from coterie.models.image_limit import set_max_pixels
from coterie.models.options import ModelOptions
from coterie.models.processors import describe_loading_problem, load_processor
from coterie.models.quantization import make_quantization_config
from coterie.models.weight_checks import check_vocabulary, load_checked
from coterie.plugins import MODELS
from coterie.tuner.four_bit import keep_four_bit_layout

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
"""Name of a precision -> torch dtype."""


@dataclass(frozen=True)
class LoadedModel:
    """A model and its processor.

    Attributes:
        model: in eval mode; a grafted model if loaded from a run.
        processor: a transformers processor, or a tokenizer for text-only models, with a chat
            template and a padding token.
        name: the base name or folder it was loaded from.
    """

    model: "PreTrainedModel | PeftModel"
    processor: Any
    name: str


@dataclass(frozen=True, kw_only=True)
class ModelInputs:
    """What makes the inputs of a base model, loaded without its weights.

    Attributes:
        folder: the folder or hub id that transformers loads.
        processor: as in `LoadedModel`.
        config: transformers' configuration of the model.
    """

    folder: str
    processor: Any
    config: Any

    @property
    def context_length(self) -> int | None:
        """Tokens of a sample that the model has positions for; None for no bound."""
        return get_context_length(self.config)


def load_inputs(base: str | Path, options: ModelOptions | None = None) -> ModelInputs:
    """Load what makes the inputs of a base model. Takes seconds, where weights may take minutes.

    Raises ValueError as `load` does, but for what is wrong with the weights.
    """
    folder = resolve_base(base, MODELS)
    config = load_config(folder)
    _select_class(config)
    processor = load_processor(folder, config)
    set_max_pixels(processor, (options or ModelOptions()).max_pixels)
    _complete_processor(processor)
    return ModelInputs(folder=folder, processor=processor, config=config)


def load(
    base: str | Path,
    *,
    dtype: torch.dtype | None = None,
    device: str | torch.device | None = None,
    options: ModelOptions | None = None,
) -> LoadedModel:
    """Load a chat model and its processor.

    A processor without a chat template gets `coterie.data.chat_template.make_template`; a
    tokenizer without a padding token pads with its EOS token. The token that ends a turn is added
    to the model's EOS tokens.

    Args:
        base: a folder, a hub id, or the name of a model that an installed package provides (see
            `coterie.plugins`), such as "embedded" of coterie-demo.
        dtype: None for the one that the weights were saved in.
        device: see `coterie.devices.choose_device`; None for an accelerator where there is one.
        options: None for the defaults.

    Raises ValueError for a missing folder, an adapter, an architecture that coterie cannot train,
    a missing processor, weights that are missing, of another shape or unreadable, a tokenizer
    larger than the embedding, a device that is not on this machine, or options that do not fit.
    """
    chosen, options = choose_device(device), options or ModelOptions()
    inputs = load_inputs(base, options)
    kind = _select_class(inputs.config)
    model = _load_weights(kind, inputs.folder, dtype, chosen, options)
    check_vocabulary(str(base), model, inputs.processor)
    _set_special_tokens(model, inputs.processor)
    return LoadedModel(model.eval(), inputs.processor, str(base))


def _load_weights(
    kind: Any, folder: str, dtype: torch.dtype | None, device: torch.device, options: ModelOptions
) -> Any:
    """Load the model on `device`. Raises ValueError if it does not allow the options."""
    from coterie.third_party_warnings import suppress_third_party_warnings

    given: dict[str, Any] = {"dtype": dtype or "auto"}
    if options.attention is not None:
        given["attn_implementation"] = options.attention
    if options.quantize is not None:
        given["quantization_config"] = make_quantization_config(options.quantize, dtype)
        given["device_map"] = {"": device}  # weights are quantised where they lie, and stay there
    # Progress bars of many loads would hide other messages.
    with suppress_third_party_warnings():
        load_with_options = explain_refusal(folder, options, device)(kind.from_pretrained)
        model = load_checked(folder, load_with_options, **given)
    keep_four_bit_layout(model)
    return model if options.quantize else model.to(device)


def set_attention(model: Any, base: str, options: ModelOptions, device: torch.device) -> None:
    """Change the attention of a loaded model. Raises ValueError if it has none of this name."""
    if options.attention is not None:
        with explain_refusal(base, options, device):
            model.set_attn_implementation(options.attention)


@contextmanager
def explain_refusal(base: str, options: ModelOptions, device: torch.device) -> Iterator[None]:
    """Make a ValueError that names the options of what transformers raises because of them."""
    given = {"quantize": options.quantize, "attention": options.attention}
    named = [f"{name}={value!r}" for name, value in given.items() if value is not None]
    try:
        yield
    except (ImportError, NotImplementedError, RuntimeError, ValueError) as error:
        if not named and isinstance(error, ImportError):  # some vision towers are timm's
            raise ValueError(describe_loading_problem(base, error)) from error
        if not named:
            raise
        raise ValueError(
            f"base={base!r} does not load with {' and '.join(named)} on {device}: "
            f"{get_first_line(error).rstrip('.')}. Leave {named[0].partition('=')[0]} out, or give "
            "another"
        ) from error


def _select_class(config: Any) -> Any:
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

    if not getattr(config, "is_encoder_decoder", False):
        for auto in (AutoModelForImageTextToText, AutoModelForCausalLM):
            if type(config) in auto._model_mapping:
                return auto
    raise ValueError(
        f"coterie trains models that continue a prompt of text (and media) with text; "
        f"{config.model_type!r} is none that transformers knows as ImageTextToText or CausalLM, or "
        "is an encoder with a decoder. Use coterie.graft and a training loop of your own"
    )


def _complete_processor(processor: Any) -> None:
    """Give a processor a padding token and a chat template if it has none."""
    tokenizer = get_tokenizer(processor)
    if tokenizer.eos_token is None:
        raise ValueError(
            f"the tokenizer of {tokenizer.name_or_path!r} has no end token: set eos_token in its "
            "tokenizer_config.json"
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    # A processor does not read the template of its tokenizer, as BLIP-2's has it.
    if not getattr(processor, "chat_template", None):
        processor.chat_template = make_template()


def _set_special_tokens(model: Any, processor: Any) -> None:
    settings, end = model.generation_config, get_end_of_turn_id(processor)
    ends = settings.eos_token_id
    ends = list(ends) if isinstance(ends, list | tuple) else [] if ends is None else [ends]
    settings.eos_token_id = ends if end in ends else [*ends, end]
    if settings.pad_token_id is None:
        settings.pad_token_id = get_tokenizer(processor).pad_token_id
