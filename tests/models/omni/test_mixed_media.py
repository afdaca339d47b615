"""Any modalities in a sample, several items each, in one batch: every sample is as it is alone."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from coterie.models.omni import FeatureCache
from coterie.models.omni.connectors.qformer import QFormerConnector
from coterie.models.omni.encoders.dinov2 import DINOv2Encoder
from coterie.models.omni.encoders.sound import SoundEncoder
from coterie.models.omni.encoders.tiles import Tiles
from coterie.models.omni.encoders.video import VideoEncoder
from coterie.models.omni.encoders.whisper import WhisperEncoder
from tests.tinies.base import pictures
from tests.tinies.omni import DINO, WHISPER, omni_model, omni_processor, waves

IMAGE = DINOv2Encoder(
    config=DINO, layers=(1,), side=2, hidden=16, tiles=Tiles(max_tiles=3, tags=False)
)
KINDS = (
    IMAGE,
    WhisperEncoder(
        config=WHISPER, pool=4, hidden=16, connector=QFormerConnector(queries=3, layers=2, heads=2)
    ),
    SoundEncoder(bands=8, channels=(4, 8), dim=16, layers=1, heads=2, hidden=16),
    VideoEncoder(image=IMAGE, tokens_per_frame=2, hidden=16),
)


def clip(frames: int) -> np.ndarray:
    random = np.random.RandomState(frames)
    return random.randint(0, 255, (frames, 28, 28, 3)).astype(np.uint8)


# Pictures of one tile, and of two and a thumbnail; frames, seconds.
ROWS: list[dict[str, Any]] = [
    {"text": "a<image>b<video><video>", "images": pictures((28, 28)), "videos": [clip(1), clip(3)]},
    {"text": "<sound>c<audio>", "media": {"sound": waves(0.1)}, "audio": waves(0.5)},
    {"text": "none of it"},
    {"text": "<image><image>d<sound><sound>", "images": pictures((80, 40), (30, 30)),
     "media": {"sound": waves(0.2, 0.9)}},
    {"text": "<audio>e<video>", "audio": waves(0.2), "videos": [clip(2)]},
]  # fmt: skip


@pytest.fixture(scope="module")
def processor() -> Any:
    return omni_processor(KINDS)


def make(processor: Any, rows: Sequence[dict[str, Any]], **options: Any) -> Any:
    """The batch of some rows; all media are in their order."""
    joined = {
        name: [item for row in rows for item in row.get(name, ())]
        for name in ("images", "videos", "audio")
    }
    sounds = [item for row in rows for item in row.get("media", {}).get("sound", ())]
    return processor(
        text=[row["text"] for row in rows],
        **{name: items or None for name, items in joined.items()},
        media={"sound": sounds} if sounds else None,
        padding=True,
        return_tensors="pt",
        **options,
    )


def test_tokens_are_counted_by_the_processor(processor: Any) -> None:
    batch = make(processor, ROWS)
    counts = {
        name: (batch["input_ids"] == getattr(processor, f"{name}_token_id")).sum(1).tolist()
        for name in ("image", "video", "audio", "sound")
    }
    # 4 tokens a tile: one tile; two tiles and a thumbnail (80 x 40), and one.
    assert counts["image"] == [4, 0, 0, 16, 0] and batch["image_tiles"].tolist() == [1, 3, 1]
    # 2 tokens a frame.
    assert counts["video"] == [8, 0, 0, 0, 4] and batch["video_lengths"].tolist() == [1, 3, 2]
    # 3 queries, whatever its length; of 16, 32 and 96 frames the states are a quarter, pooled by 4.
    assert counts["audio"] == [0, 3, 0, 0, 3]
    assert counts["sound"] == [0, 1, 0, 2 + 6, 0]


def test_logits_and_gradients(processor: Any) -> None:
    model = omni_model(processor, logits_in_training=True).train()
    model.model.vision_tower.requires_grad_(True)
    model.model.sound_tower.requires_grad_(True)

    def run(rows: Sequence[dict[str, Any]]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        model.zero_grad()
        batch = make(processor, rows)
        labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
        found = model(**batch, labels=labels, num_items_in_batch=1)
        found.loss.backward()
        named = model.named_parameters()
        return found.logits.detach(), {n: p.grad.clone() for n, p in named if p.grad is not None}

    logits, gradients = run(ROWS)
    alone = [run([row]) for row in ROWS]
    for row, (wanted, _) in enumerate(alone):
        size = wanted.shape[1]
        torch.testing.assert_close(logits[row, :size], wanted[0], atol=1e-5, rtol=1e-4)
    for name, gradient in gradients.items():
        total = sum(each[name] for _, each in alone)
        torch.testing.assert_close(gradient, total, atol=2e-4, rtol=1e-3, msg=name)


@pytest.mark.parametrize("beams", [1, 2])
def test_generate(processor: Any, beams: int) -> None:
    model = omni_model(processor)
    tokens = ("image", "video", "audio", "sound")
    suppressed = [getattr(processor, f"{name}_token_id") for name in tokens]
    options = dict(max_new_tokens=3, do_sample=False, eos_token_id=None, num_beams=beams)
    options["suppress_tokens"] = suppressed
    both = model.generate(**make(processor, ROWS, padding_side="left"), **options)[:, -3:]
    for row, found in zip(ROWS, both, strict=True):
        assert torch.equal(model.generate(**make(processor, [row]), **options)[0, -3:], found)


def test_cached_features_give_the_same(processor: Any, tmp_path: Any) -> None:
    model = omni_model(processor)
    processor.feature_cache = FeatureCache(model, tmp_path)
    try:
        first, second = make(processor, ROWS), make(processor, ROWS)
        more = make(processor, ROWS[3:])
    finally:
        processor.feature_cache = None
    assert all(torch.equal(first[name], second[name]) for name in first)
    with torch.no_grad():
        for batch, rows in ((first, ROWS), (more, ROWS[3:])):
            wanted = model(**make(processor, rows)).logits
            torch.testing.assert_close(model(**batch).logits, wanted, atol=2e-3, rtol=1e-3)


def test_a_modality_that_the_model_has_not(processor: Any) -> None:
    with pytest.raises(ValueError, match=r"has sound, and the model has no encoder of it \(it has"):
        omni_processor()(text=["a"], media={"sound": waves(0.1)})
    model = omni_model(omni_processor())
    with pytest.raises(ValueError, match="sound_values are passed, and the model has no encoder"):
        model(input_ids=torch.tensor([[20]]), sound_values=torch.zeros(1, 8, 16))
    with pytest.raises(ValueError, match=r"the text has 2 <sound>, and 1 items of sound are"):
        processor(text=["<sound><sound>"], media={"sound": waves(0.1)})
