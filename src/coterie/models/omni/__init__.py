"""Omni models: text, images, audio, sounds and videos in, text out."""

from transformers import AutoConfig, AutoModel, AutoModelForImageTextToText, AutoProcessor

from coterie.models.omni.assembly import assemble
from coterie.models.omni.configuration import OmniConfig
from coterie.models.omni.feature_cache import FeatureCache
from coterie.models.omni.modeling import OmniModel
from coterie.models.omni.modeling_causal_lm import OmniForConditionalGeneration
from coterie.models.omni.processing import OmniProcessor

__all__ = [
    "FeatureCache", "OmniConfig", "OmniForConditionalGeneration", "OmniModel", "OmniProcessor",
    "assemble",
]  # fmt: skip

AutoConfig.register(OmniConfig.model_type, OmniConfig)
AutoModel.register(OmniConfig, OmniModel)
AutoModelForImageTextToText.register(OmniConfig, OmniForConditionalGeneration)
AutoProcessor.register(OmniConfig, OmniProcessor)
