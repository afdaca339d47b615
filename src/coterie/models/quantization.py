"""Quantised base models: how transformers is asked for one, and what cannot be done with it."""

import logging
from typing import Any

import torch
from torch import nn

from coterie.models.options import Quantization
from coterie.optional_imports import import_optional


def make_quantization_config(kind: Quantization, dtype: torch.dtype | None) -> Any:
    """Return transformers' configuration; `dtype` is that of the products in 4 bit.

    Raises ValueError with the command that installs it if the package is missing.
    """
    from transformers import BitsAndBytesConfig, TorchAoConfig

    if kind == "int8":
        quantization = import_optional("torchao.quantization", "quantized")
        return TorchAoConfig(quantization.Int8WeightOnlyConfig())
    import_optional("bitsandbytes", "quantized")
    if kind == "8bit":
        logging.getLogger("bitsandbytes.autograd._functions").addFilter(_is_no_cast)
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype or torch.float32,
    )


def _is_no_cast(record: logging.LogRecord) -> bool:
    """Return False for what bitsandbytes logs in every layer and step: that it casts to float16."""
    return not str(record.msg).startswith("MatMul8bitLt: inputs will be cast")


def is_quantized(model: nn.Module) -> bool:
    """Return whether transformers loaded the model quantised."""
    return getattr(model, "hf_quantizer", None) is not None
