"""The model card names sources and licences, and says whether connectors are trained."""

from coterie_demo.assemble_omni import make_model_card


def test_card() -> None:
    for part in ("SmolLM2-135M", "DINOv2", "EfficientNet-Lite0", "Whisper", "Apache-2.0", "MIT"):
        assert part in make_model_card(trained=True)
    assert "must be trained" in make_model_card(
        trained=False
    ) and "must be trained" not in make_model_card(trained=True)
