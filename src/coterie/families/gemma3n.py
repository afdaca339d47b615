"""Gemma 3n: a convolutional tower of timm, a conformer for sounds, and a decoder with AltUp."""

from typing import Any, ClassVar

from coterie.families.base import Inputs, ModelFamily, Shares, make_block_roles
from coterie.families.llama import make_decoder_roles

CONFORMER = r"(model\.)?audio_tower\.conformer\.\d+\."
EMBEDDERS = {"connector": "embed_vision", "audio_connector": "embed_audio"}


class Gemma3n(ModelFamily):
    """Gemma 3n with images and recordings.

    Its vision tower has no linear layers of a known layout, and so no role. It has no `connector`
    role: a forward calls the embedders of images and recordings twice, once for the tokens of each
    sample and once for each image, so that only gates that decide by token fit there. The position
    embeddings of the audio tower have one row for all samples.
    """

    model_types = ("gemma3n",)
    roles: ClassVar = {
        **make_decoder_roles(r"(model\.)?language_model\."),
        **make_block_roles(
            "audio",
            CONFORMER,
            "attention",
            r"(attn\.(q|k|v)_proj|post)",
            "ffw_layer_[12]",
            mlp="ffw_layer_(start|end)",
        ),
    }
    towers: ClassVar = {
        **{tower: rf"(model\.)?{name}(\..*)?" for tower, name in EMBEDDERS.items()},
        "audio_positions": CONFORMER + r"attention\.attn\.relative_position_embedding(\..*)?",
        "audio": r"(model\.)?audio_tower(\..*)?",
        "vision": r"(model\.)?vision_tower(\..*)?",
    }
    placeholders = ("image", "audio")
    packages: ClassVar = {"gemma3n": ("timm",)}

    def count_rows_per_sample(self, tower: str, inputs: Inputs, config: Any) -> Shares:
        """Count the placeholder tokens of each sample. Raises ValueError for the embedders."""
        if tower in EMBEDDERS:
            raise ValueError(
                f"{EMBEDDERS[tower]} of Gemma 3n is called twice in a forward, for the tokens of "
                "each sample and for each image or recording, and coterie cannot tell the calls "
                "apart. Gates that decide by sample or by task need that: use TokenGate there"
            )
        return super().count_rows_per_sample(tower, inputs, config)


class Gemma3nText(ModelFamily):
    """The decoder of Gemma 3n alone, which needs no package of the extra `families`."""

    model_types = ("gemma3n_text",)
    roles = make_decoder_roles(r"(model\.)?")
