"""Videos: tokens of frames or their mean, sampled frames, and the tower that is shared."""

import dataclasses

import numpy as np
import pytest
import torch

from coterie import serialization
from coterie.models.omni.encoders.base import parse_encoders
from coterie.models.omni.encoders.dinov2 import DINOv2Encoder
from coterie.models.omni.encoders.video import VideoEncoder, sample_frames
from tests.tinies.base import seeded
from tests.tinies.omni import DINO, omni_model, omni_processor

IMAGE = DINOv2Encoder(config=DINO, layers=(1,), side=2, hidden=16)
MEAN = VideoEncoder(image=IMAGE)
FRAMES = VideoEncoder(image=IMAGE, tokens_per_frame=2)


def test_the_mean_over_frames() -> None:
    tower = seeded(IMAGE.build_tower).eval()
    clips, lengths = torch.randn(2, 3, 3, 28, 28), torch.tensor([2, 3])
    with torch.no_grad():
        each = IMAGE.encode_images(tower, clips.flatten(0, 1)).unflatten(0, (2, 3))
        found = MEAN.encode(tower, clips, lengths)
        pooled = FRAMES.encode(tower, clips, lengths)
    assert MEAN.count_tokens(lengths).tolist() == [4, 4]
    torch.testing.assert_close(found[0], each[0, :2].mean(0))
    torch.testing.assert_close(found[1], each[1].mean(0))
    # 2 tokens a frame: the means of the upper and of the lower two patches.
    assert FRAMES.count_tokens(lengths).tolist() == [4, 6]
    torch.testing.assert_close(pooled[1, 2], each[1, 1, :2].mean(0))
    torch.testing.assert_close(pooled[0, 3], each[0, 1, 2:].mean(0))


def test_frames_are_sampled_in_the_middle_of_equal_parts() -> None:
    clip = np.arange(10, dtype=np.uint8)[:, None, None, None].repeat(3, 3)
    # The middles of four parts of 10 frames: 1.25, 3.75, 6.25, 8.75, rounded down.
    assert sample_frames(clip, 4)[:, 0, 0, 0].tolist() == [1, 3, 6, 8]
    assert len(sample_frames(clip, 12)) == 10


@pytest.mark.parametrize(
    ("shape", "dtype"), [((0, 4, 4, 3), "uint8"), ((4, 4, 3), "uint8"), ((1, 4, 4, 3), "float32")]
)
def test_what_is_no_video_is_refused(shape: tuple[int, ...], dtype: str) -> None:
    clip = np.zeros(shape, dtype)
    with pytest.raises(ValueError, match=r"a video has the shape .* pass frames of RGB pixels"):
        sample_frames(clip, 4)


def test_the_tower_is_shared_and_the_connector_may_be() -> None:
    for shares in (False, True):
        video = dataclasses.replace(MEAN, shares_connector=shares)
        model = omni_model(omni_processor((IMAGE, video))).model
        assert model.get_tower(video) is model.vision_tower
        assert list(model.connectors) == (["vision"] if shares else ["vision", "video"])
    # Without pictures, the tower is built for the videos.
    assert omni_model(omni_processor((MEAN,))).model.vision_tower is not None


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"tokens_per_frame=3.* does not divide the 4 tokens"):
        VideoEncoder(image=IMAGE, tokens_per_frame=3)
    with pytest.raises(ValueError, match="give at least 1"):
        VideoEncoder(image=IMAGE, max_frames=0)
    other = VideoEncoder(image=dataclasses.replace(IMAGE, side=1))
    with pytest.raises(ValueError, match=r"encoders\[1\] \(video\) shares the tower of 'vision'"):
        parse_encoders([serialization.dump(each) for each in (IMAGE, other)])
