"""A tiny random model of every family and a batch for it, made in memory without a download."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import cache

from tests.tinies.base import Tiny
from tests.tinies.blip2 import blip_2, instructblip
from tests.tinies.gemma3 import gemma3
from tests.tinies.gemma3n import gemma3n
from tests.tinies.gemma4 import gemma4
from tests.tinies.glm4v import glm4v, glm4v_moe
from tests.tinies.idefics3 import idefics3, smolvlm
from tests.tinies.internvl import internvl
from tests.tinies.llava import llava, llava_next, llava_onevision
from tests.tinies.mistral3 import llava_pixtral, mistral3
from tests.tinies.mllama import mllama
from tests.tinies.omni import omni
from tests.tinies.paligemma import paligemma
from tests.tinies.qwen_omni import qwen2_5_omni, qwen3_omni
from tests.tinies.qwen_vl import qwen2_5_vl, qwen2_vl, qwen3_vl, qwen3_vl_moe
from tests.tinies.text import llama, qwen2, qwen2_moe
from tests.tinies.vision import clip, convnext, dinov2, siglip, swin, vit

__all__ = ["TINY", "Tiny"]


def make_once(make: Callable[[], Tiny]) -> Callable[[], Tiny]:
    """Build the model and its batch at the first call only; each call has a copy of its own."""
    first = cache(make)

    def copy() -> Tiny:
        model, batch = deepcopy((first().model, first().batch))
        return replace(first(), model=model, batch=batch)

    return copy


MAKERS: dict[str, Callable[[], Tiny]] = {
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
    "gemma4": gemma4,
    "llava_next": llava_next,
    "mistral3": mistral3,
    "llava_pixtral": llava_pixtral,
    "mllama": mllama,
    "paligemma": paligemma,
    "qwen3_vl_moe": qwen3_vl_moe,
    "glm4v": glm4v,
    "glm4v_moe": glm4v_moe,
    "qwen2_moe": qwen2_moe,
    "swin": swin,
    "convnext": convnext,
    "qwen2_5_omni": qwen2_5_omni,
    "qwen3_omni": qwen3_omni,
    "blip_2": blip_2,
    "instructblip": instructblip,
    "gemma3n": gemma3n,
    "omni": omni,
}
TINY = {name: make_once(make) for name, make in MAKERS.items()}
