"""`ModelOptions`: how a base model is loaded, apart from its name, dtype and device."""

from dataclasses import dataclass
from typing import Literal, get_args

Quantization = Literal["4bit", "8bit", "int8"]


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """How a base model is loaded; the fields of `coterie.RunConfig` of the same names.

    Attributes:
        quantize: the linear layers of a chat model but its output head. "4bit": NF4 of
            bitsandbytes with quantised scales, as in QLoRA (arXiv:2305.14314); "8bit": LLM.int8
            of bitsandbytes, which multiplies in float16; "int8": torchao's int8 of the weights
            alone. None for none.
        attention: the `attn_implementation` of transformers; None for the model's default.
        max_pixels: larger images are scaled down to at most so many pixels before the processor
            sees them, and the processor's own limit is lowered to it; None for no limit.
    """

    quantize: Quantization | None = None
    attention: str | None = None
    max_pixels: int | None = None

    def __post_init__(self) -> None:
        if self.quantize is not None and self.quantize not in get_args(Quantization):
            allowed = ", ".join(map(repr, get_args(Quantization)))
            raise ValueError(f"quantize={self.quantize!r}: allowed are {allowed}, or None")
        if self.attention is not None and not (
            isinstance(self.attention, str) and self.attention.strip()
        ):
            raise ValueError(f"attention={self.attention!r}: give a name, such as 'sdpa'")
        if "/" in (self.attention or ""):
            raise ValueError(
                f"attention={self.attention!r} is code on the hub, which coterie does not run: "
                "give one of transformers' own, such as 'sdpa' or 'flash_attention_2'"
            )
        if self.max_pixels is not None and self.max_pixels < 1:
            raise ValueError(f"max_pixels={self.max_pixels}: it must be at least 1")
