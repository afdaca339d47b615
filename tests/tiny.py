"""A tiny random model of every family and a batch for it, made in memory without a download."""

from collections.abc import Callable

from tests.tinies.base import Tiny
from tests.tinies.gemma3 import gemma3
from tests.tinies.idefics3 import idefics3, smolvlm
from tests.tinies.internvl import internvl
from tests.tinies.llava import llava, llava_onevision
from tests.tinies.omni import omni
from tests.tinies.qwen_vl import qwen2_5_vl, qwen2_vl, qwen3_vl
from tests.tinies.text import llama, qwen2
from tests.tinies.vision import clip, dinov2, siglip, vit

__all__ = ["TINY", "Tiny"]

TINY: dict[str, Callable[[], Tiny]] = {
    "llama": llama,
    "qwen2": qwen2,
    "vit": vit,
    "dinov2": dinov2,
    "clip": clip,
    "siglip": siglip,
    "llava": llava,
    "llava_onevision": llava_onevision,
    "idefics3": idefics3,
    "smolvlm": smolvlm,
    "qwen2_vl": qwen2_vl,
    "qwen2_5_vl": qwen2_5_vl,
    "qwen3_vl": qwen3_vl,
    "internvl": internvl,
    "gemma3": gemma3,
    "omni": omni,
}
