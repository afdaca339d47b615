"""A small omni model: text, images and sounds in, text out; its processor, cache and assembly."""

from transformers import AutoConfig, AutoModel, AutoModelForImageTextToText, AutoProcessor

from coterie.omni.assemble import assemble
from coterie.omni.cache import FeatureCache
from coterie.omni.causal import OmniForConditionalGeneration
from coterie.omni.config import OmniConfig
from coterie.omni.model import OmniModel
from coterie.omni.processor import OmniProcessor

__all__ = [
    "FeatureCache",
    "OmniConfig",
    "OmniForConditionalGeneration",
    "OmniModel",
    "OmniProcessor",
    "assemble",
]

AutoConfig.register(OmniConfig.model_type, OmniConfig)
AutoModel.register(OmniConfig, OmniModel)
AutoModelForImageTextToText.register(OmniConfig, OmniForConditionalGeneration)
AutoProcessor.register(OmniConfig, OmniProcessor)
