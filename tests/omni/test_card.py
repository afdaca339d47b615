"""The model card names sources and licences, and says whether connectors are trained."""

from coterie.omni.card import card


def test_card() -> None:
    for part in ("SmolLM2-135M", "DINOv2", "EfficientNet-Lite0", "Whisper", "Apache-2.0", "MIT"):
        assert part in card(trained=True)
    assert "must be trained" in card(trained=False) and "must be trained" not in card(trained=True)
