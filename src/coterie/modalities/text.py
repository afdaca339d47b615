"""Text, the modality of every token of a language model that is no placeholder."""

from typing import ClassVar

from coterie.modalities.base import Modality


class Text(Modality):
    """Tokens of text."""

    name: ClassVar = "text"
    inputs: ClassVar = ("input_ids",)
    order: ClassVar = 0
