"""A modality that coterie does not have: clouds of points in text files, three numbers a line."""

from typing import ClassVar

import torch

from coterie.modalities.base import MediaModality


class Points(MediaModality):
    """Decoded to float32 [points, 3]."""

    name: ClassVar = "points"
    inputs: ClassVar = ("point_values",)
    towers: ClassVar = ("points",)
    suffixes: ClassVar = (".pts",)

    def decode(self, content: bytes) -> torch.Tensor:
        try:
            lines = [
                [float(each) for each in line.split()] for line in content.decode().split("\n")
            ]
            return torch.tensor([line for line in lines if line]).view(-1, 3)
        except (ValueError, RuntimeError) as error:
            raise ValueError(f"is no cloud of points: {error}") from None
