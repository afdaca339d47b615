"""Pictures whole and in tiles: tags, the thumbnail, and what does not fit."""

import dataclasses

import pytest
import torch

from coterie.models.omni.connectors.qformer import QFormerConnector
from coterie.models.omni.encoders.dinov2 import DINOv2Encoder
from coterie.models.omni.encoders.efficientnet import EfficientNetEncoder
from coterie.models.omni.encoders.image import encode_parts
from coterie.models.omni.encoders.tiles import Tiles
from tests.tinies.base import pictures
from tests.tinies.omni import DINO, STAGES, omni_model, omni_processor

TILED = DINOv2Encoder(config=DINO, layers=(1,), side=2, hidden=16, tiles=Tiles(max_tiles=2))
WHOLE = EfficientNetEncoder(stem=8, stages=STAGES, head=16, hidden=16)


def test_each_tile_s_tokens_follow_its_tag() -> None:
    own = "<image>" * 4
    wanted = f"<tile_1>{own}<tile_2>{own}<tile_global_thumbnail>{own}"
    assert TILED.write_placeholders("<image>", 3) == wanted
    assert TILED.count_tokens(torch.tensor([1, 3])).tolist() == [4, 12]


def test_an_encoder_without_tiles_sees_the_thumbnail() -> None:
    processor = omni_processor((TILED, WHOLE))
    model = omni_model(processor)
    wide = pictures((80, 40))
    batch = processor(text=["a<image>"], images=wide, return_tensors="pt")
    # Two tiles and the thumbnail, 4 tokens each, and one token of the other encoder.
    assert (batch["input_ids"] == processor.image_token_id).sum() == 13
    assert batch["pixel_values"].shape == (1, 3, 3, 28, 28)
    with torch.no_grad():
        features = model.model.encode("image", batch["pixel_values"], batch["image_tiles"])
        alone = WHOLE.encode_images(model.model.efficient_tower, batch["pixel_values"][:, 2])
        assert torch.equal(features[:, 12:, :16], alone)
        assert model(**batch).logits.isfinite().all()


def test_only_an_item_s_own_parts_are_encoded() -> None:
    values = torch.arange(6.0).view(2, 3, 1, 1, 1).expand(2, 3, 3, 1, 1)
    seen = []

    def encode(parts: torch.Tensor) -> torch.Tensor:
        seen.append(len(parts))
        return parts.flatten(2) + 1

    found = encode_parts(values, torch.tensor([1, 3]), encode)
    # The first has part 0 alone; the second 3, 4 and 5.
    assert seen == [4] and found[..., 0, 0].tolist() == [[1, 0, 0], [4, 5, 6]]


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="QFormerConnector does not keep the tokens apart"):
        dataclasses.replace(TILED, connector=QFormerConnector(queries=3))
    with pytest.raises(ValueError, match="has tiles, and the pictures are not cut"):
        TILED.encode(TILED.build_tower(), torch.zeros(1, 3, 28, 28), torch.zeros(1).long())
    processor = omni_processor((TILED,))
    processor.image_processor.size = {"height": 28, "width": 30}
    with pytest.raises(ValueError, match="tiles are squares: give it the same height and width"):
        processor(text=["<image>"], images=pictures((28, 28)))
