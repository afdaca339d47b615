"""Published Uni-MoE checkpoints as a plain language model and an adapter on it, in safetensors.

The files, up to 79 GB, could not be opened by the authors of coterie: names and shapes are those
of the released code and of the hub's listing, so that the first conversion is the reader's.
"""

from coterie.uni_moe_checkpoint.convert import ConversionReport, convert_uni_moe

__all__ = ["ConversionReport", "convert_uni_moe"]
