"""A small omni model: text, images and sounds in, text out; its processor, cache and assembly."""

from transformers import AutoConfig, AutoModel, AutoModelForImageTextToText, AutoProcessor

from coterie.models.omni.configuration import OmniConfig
from coterie.models.omni.feature_cache import FeatureCache
from coterie.models.omni.modeling import OmniModel
from coterie.models.omni.modeling_causal_lm import OmniForConditionalGeneration
from coterie.models.omni.processing import OmniProcessor
from coterie_demo.assemble_omni import assemble

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
