"""`VideoEncoder`: the frames of a clip through an image encoder's tower."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from coterie.encoding.connector import Count, Features
from coterie.encoding.encoder import Encoder, Lengths, Rows
from coterie.modalities.video import convert_to_image
from coterie.models.omni.encoders.dinov2 import DINOv2Encoder
from coterie.models.omni.encoders.image import (
    ImageEncoder,
    compute_pixels,
    describe_image_processor,
    encode_parts,
)


@dataclass(frozen=True, kw_only=True)
class VideoEncoder(Encoder):
    """Frames in the tower of an image encoder, which the model may have for pictures as well.

    By default tokens are the mean over the frames (Uni-MoE, 2405.11273): as many as of a picture.

    Attributes:
        image: the encoder of a frame. If the model has an image encoder of this name, it must be
            equal, and they share the tower.
        max_frames: of a clip of more, so many at equal distances are encoded.
        tokens_per_frame: None for the mean over frames; or the tokens of each frame, in order,
            means of as many consecutive ones of the image encoder each, which it divides.
        shares_connector: whether the connector is that of `image`.
    """

    name: str = "video"
    image: ImageEncoder = field(default_factory=DINOv2Encoder)
    max_frames: int = 8
    tokens_per_frame: int | None = None
    shares_connector: bool = False
    modality: ClassVar = "video"

    def __post_init__(self) -> None:
        wanted, given = self.tokens_per_frame, self.image.tokens_per_image
        if wanted is not None and (wanted < 1 or given % wanted):
            raise ValueError(
                f"VideoEncoder(tokens_per_frame={wanted}) does not divide the {given} tokens that "
                f"{self.image.name!r} gives of a picture: give a divisor, or None"
            )
        if self.max_frames < 1:
            raise ValueError(f"VideoEncoder(max_frames={self.max_frames}): give at least 1")

    @property
    def tower_owner(self) -> Encoder:
        return self.image

    @property
    def connector_owner(self) -> Encoder:
        return self.image if self.shares_connector else self

    @property
    def width(self) -> int:
        return self.image.width

    def build_tower(self) -> nn.Module:
        return self.image.build_tower()

    def count_tokens(self, length: Count) -> Count:
        if self.tokens_per_frame is None:
            return 0 * length + self.image.tokens_per_image
        return cast(Count, length * self.tokens_per_frame)

    def count_embeddings(self, length: Count) -> Count:
        count, connector = self.count_tokens(length), self.connector_owner.connector
        return count if connector is None else connector.count_tokens(count)

    def count_rows(self, length: Count) -> Count:
        return length

    def prepare(
        self, items: Sequence[Any], processor: Any, options: Mapping[str, Any]
    ) -> tuple[Rows, Lengths]:
        clips = [sample_frames(item, self.max_frames) for item in items]
        pictures = [convert_to_image(frame) for clip in clips for frame in clip]
        pixels = compute_pixels(pictures, processor, options)
        counts = [len(clip) for clip in clips]
        values = nn.utils.rnn.pad_sequence(list(pixels.split(counts)), batch_first=True)
        return values, torch.tensor(counts)

    def describe_preparation(self, processor: Any) -> str:
        return f"{describe_image_processor(processor)} {self.max_frames}"

    def encode(self, tower: nn.Module, values: Rows, lengths: Lengths) -> Features:
        frames = encode_parts(values, lengths, lambda x: self.image.encode_images(tower, x))
        if self.tokens_per_frame is None:
            return frames.sum(1) / lengths[:, None, None]
        parts = frames.unflatten(2, (self.tokens_per_frame, -1))
        return parts.mean(3).flatten(1, 2)

    def load_weights(self, folder: Path) -> dict[str, Tensor]:
        return self.image.load_weights(folder)


def sample_frames(clip: Any, count: int) -> Any:
    """Return `count` frames in the middle of equal parts of a clip, or all of a shorter one.

    Raises ValueError unless the clip is an array of frames, each of RGB pixels.
    """
    frames = np.asarray(clip)
    if frames.ndim != 4 or frames.shape[3] != 3 or not frames.size or frames.dtype != np.uint8:
        raise ValueError(
            f"a video has the shape {frames.shape} of {frames.dtype}: pass frames of RGB pixels, "
            "uint8 [frames, height, breadth, 3], at least one"
        )
    total = len(frames)
    chosen = [total * (2 * i + 1) // (2 * count) for i in range(count)]
    return frames[chosen] if total > count else frames
