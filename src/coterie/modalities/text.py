"""Text: what every token of a language model is that stands for nothing else."""

from typing import ClassVar

from coterie.modalities.base import Modality


class Text(Modality):
    """Tokens of text."""

    name: ClassVar = "text"
    inputs: ClassVar = ("input_ids",)
    order: ClassVar = 0
