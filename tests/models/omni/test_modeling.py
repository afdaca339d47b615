"""Media stand where the placeholders are, encoders are frozen, connectors always in the graph."""

import pytest
import torch

from tests.tinies.base import pictures
from tests.tinies.omni import omni_model, omni_processor, waves
from tests.tiny import TINY

LENGTHS = torch.zeros(3, dtype=torch.long)


def test_rows_stand_at_their_placeholders() -> None:
    tiny = TINY["omni"]()
    model, batch = tiny.model.model, tiny.batch
    pixels = batch["pixel_values"]
    media = {name: batch[name] for name in ("pixel_values", "input_features", "feature_lengths")}
    with torch.no_grad():
        embeds = model.embed_with_media(batch["input_ids"], media, prefill=True)
        features = model.encode("image", pixels, LENGTHS)
        third = model.connectors["vision"](features[2, :4, :64])
        efficient = model.connectors["efficient"](features[2, 4:, :16])
    # The second sample's 10 image tokens are its two images', 4 patches and 1 mean each.
    own = embeds[1][batch["input_ids"][1] == model.config.image_token_id]
    assert own.shape == (10, 32)
    torch.testing.assert_close(own[5:9], third)
    torch.testing.assert_close(own[9:], efficient)


def test_text_is_the_language_model_s_own() -> None:
    model = TINY["omni"]().model
    ids = torch.tensor([[20, 21, 22, 23]])
    with torch.no_grad():
        plain = model.lm_head(model.model.language_model(input_ids=ids).last_hidden_state)
        assert torch.equal(model(input_ids=ids).logits, plain)


def test_features_instead_of_pixels() -> None:
    tiny = TINY["omni"]()
    batch = dict(tiny.batch)
    with torch.no_grad():
        wanted = tiny.model(**batch).logits
        encode = tiny.model.model.encode
        batch["image_features"] = encode("image", batch.pop("pixel_values"), LENGTHS)
        batch["audio_features"] = encode(
            "audio", batch.pop("input_features"), batch["feature_lengths"]
        )
        torch.testing.assert_close(tiny.model(**batch).logits, wanted)


def test_mixed_rows_equal_each_alone() -> None:
    processor = omni_processor()
    model = omni_model(processor)
    rows = [
        dict(text=["a<image>b"], images=pictures((28, 28))),
        dict(text=["<audio>c"], audio=waves(0.2)),
        dict(text=["<audio>d<image>"], images=pictures((20, 40)), audio=waves(0.5)),
        dict(text=["none of it"]),
    ]
    alone = [processor(**row, return_tensors="pt") for row in rows]
    together = processor(
        text=[row["text"][0] for row in rows],
        images=[row["images"][0] for row in rows if "images" in row],
        audio=[row["audio"][0] for row in rows if "audio" in row],
        padding=True,
        return_tensors="pt",
    )
    with torch.no_grad():
        found = model(**together).logits
        for row, batch in enumerate(alone):
            wanted = model(**batch).logits[0]
            torch.testing.assert_close(found[row, : len(wanted)], wanted, atol=1e-5, rtol=1e-4)


def test_every_connector_has_a_gradient_whatever_the_batch() -> None:
    model = omni_model(omni_processor()).train()
    model(
        input_ids=torch.tensor([[20, 21, 22]]), labels=torch.tensor([[20, 21, 22]])
    ).loss.backward()
    for name, weights in model.model.connectors.named_parameters():
        assert weights.grad is not None and weights.grad.eq(0).all(), name


def test_towers_are_frozen_until_thawed(tmp_path) -> None:
    model = omni_model(omni_processor()).train()
    model.save_pretrained(tmp_path)
    for each in (model, type(model).from_pretrained(tmp_path).train()):
        towers = [each.model.vision_tower, each.model.efficient_tower, each.model.audio_tower]
        assert not any(part.requires_grad for tower in towers for part in tower.parameters())
        assert not any(tower.training for tower in towers)
    model.model.vision_tower.requires_grad_(True)
    assert model.train().model.vision_tower.training
    tiny = TINY["omni"]()
    model(**tiny.batch).loss.backward()
    assert model.model.vision_tower.encoder.layer[0].mlp.fc1.weight.grad.abs().sum() > 0


def test_checkpointing_changes_no_gradient() -> None:
    tiny, found = TINY["omni"](), []
    model = tiny.model.train()
    for checkpointed in (False, True):
        if checkpointed:
            model.activation_checkpointing_enable({"use_reentrant": False})
        model(**tiny.batch).loss.backward()
        found.append([each.grad for each in model.parameters() if each.grad is not None])
        model.zero_grad()
    for first, second in zip(*found, strict=True):
        torch.testing.assert_close(first, second)


def test_what_does_not_fit_is_refused() -> None:
    tiny = TINY["omni"]()
    model, batch = tiny.model, tiny.batch
    with pytest.raises(ValueError, match=r"text has 15 image tokens, and the images .* give 10"):
        model(**{**batch, "pixel_values": batch["pixel_values"][:2]})
    with pytest.raises(ValueError, match=r"text has 15 image tokens, and the images .* give 0"):
        model(input_ids=batch["input_ids"])
    with pytest.raises(ValueError, match="input_ids or inputs_embeds, one of them"):
        model()
    with pytest.raises(ValueError, match="need input_ids, which say where they go"):
        model(inputs_embeds=torch.zeros(1, 2, 32), pixel_values=batch["pixel_values"])
