"""Models that no file of coterie.families describes: right, or refused."""

from collections.abc import Iterator

import pytest
import torch
from transformers import (
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
    SiglipVisionConfig,
    SiglipVisionModel,
)

import coterie
from coterie import InstanceGate, Mixture, TaskGate, TopK
from coterie.families import base
from coterie.families.base import find_family
from coterie.families.paligemma import PaliGemma
from coterie.tuner.unlisted_family import UnlistedFamily
from tests.tuner.checks import TASKS, awake

IMAGE, TOKENS = 60, 4  # the placeholder, and how many an image has
SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
         "num_attention_heads": 4}  # fmt: skip
MLP = r".*vision_tower.*\.mlp\.fc1"


@pytest.fixture(autouse=True)
def unlisted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As if no file described PaliGemma."""
    monkeypatch.setattr(PaliGemma, "model_types", ())
    base._find_families.cache_clear()
    yield
    base._find_families.cache_clear()  # the next test's look-up is after monkeypatch's undoing


def paligemma() -> PaliGemmaForConditionalGeneration:
    torch.manual_seed(0)
    text = {**SIZES, "model_type": "gemma", "vocab_size": 64, "head_dim": 8,
            "num_key_value_heads": 2, "pad_token_id": 0}  # fmt: skip
    vision = {**SIZES, "model_type": "siglip_vision_model", "image_size": 14, "patch_size": 7,
              "projection_dim": 32}  # fmt: skip
    config = PaliGemmaConfig(
        vision_config=vision, text_config=text, image_token_index=IMAGE, projection_dim=32,
        hidden_size=32,
    )  # fmt: skip
    return PaliGemmaForConditionalGeneration(config).eval()


def batch(*images: int) -> dict[str, torch.Tensor]:
    """Samples of so many images each, padded on the left."""
    generator = torch.Generator().manual_seed(3)
    longest = max(images) * TOKENS + 3
    rows = []
    for count in images:
        words = torch.randint(3, 50, (3,), generator=generator).tolist()
        row = [IMAGE] * (count * TOKENS) + words
        rows.append([0] * (longest - len(row)) + row)
    ids = torch.tensor(rows)
    return {
        "input_ids": ids, "attention_mask": (ids != 0).long(),
        "pixel_values": torch.randn(sum(images), 3, 14, 14, generator=generator),
    }  # fmt: skip


def of_sample(whole: dict[str, torch.Tensor], index: int, images: slice) -> dict:
    return {name: value[images] if name == "pixel_values" else value[index : index + 1]
            for name, value in whole.items()}  # fmt: skip


@pytest.mark.parametrize("gate", [TaskGate(), InstanceGate(pool="hidden", init_std=1.0)])
def test_images_belong_to_the_sample_of_their_placeholders(gate) -> None:
    host = paligemma()
    assert find_family(host) is None
    model = coterie.graft(host, Mixture(at=MLP, gate=gate, router=TopK(k=1)), tasks=TASKS)
    awake(model, scale=0.5)
    model.eval()
    whole, tasks = batch(1, 3), torch.tensor([0, 1])

    def routed(inputs: dict[str, torch.Tensor], ids: torch.Tensor) -> torch.Tensor:
        with torch.no_grad(), coterie.observe(model) as tape:
            model(**inputs, task_ids=ids)
        found = [routing.weights for name, routing in tape.items() if ".encoder." in name]
        return torch.stack([each.reshape(len(inputs["pixel_values"]), -1) for each in found], 1)

    alone = [
        routed(of_sample(whole, 0, slice(0, 1)), tasks[:1]),
        routed(of_sample(whole, 1, slice(1, 4)), tasks[1:]),
    ]
    torch.testing.assert_close(routed(whole, tasks), torch.cat(alone), atol=1e-5, rtol=1e-4)
    if isinstance(gate, TaskGate):
        assert not torch.allclose(routed(whole, tasks.flip(0)), torch.cat(alone))


def test_rows_that_placeholders_do_not_share_out_are_refused() -> None:
    model = coterie.graft(paligemma(), Mixture(at=MLP, gate=TaskGate()), tasks=TASKS)
    whole = batch(1, 3)
    whole["input_ids"][1, -4] = 5  # one placeholder less than the images have
    with pytest.raises(ValueError, match="cannot tell whose row each is"):
        model(**whole, task_ids=torch.tensor([0, 1]))


def test_the_parts_of_a_model_of_two_kinds_of_input() -> None:
    family = UnlistedFamily(paligemma())
    assert family.get_tower("model.vision_tower.vision_model.encoder.layers.0.mlp.fc1") == "vision"
    assert family.get_tower("model.language_model.layers.0.mlp.up_proj") == "text"
    assert family.get_tower("model.multi_modal_projector.linear") == "connector"
    assert family.get_tower("lm_head") == "text"


def test_experts_where_they_would_never_run_are_refused() -> None:
    config = SiglipVisionConfig(**SIZES, image_size=14, patch_size=7)
    with pytest.raises(ValueError, match=r"belongs to a torch\.nn\.MultiheadAttention"):
        coterie.graft(SiglipVisionModel(config), Mixture(at=r".*head\.attention\.out_proj"))


def test_experts_that_never_run_are_warned_of() -> None:
    # A text model that gets no image, or a module whose weight alone is read.
    model = coterie.graft(paligemma(), Mixture(at=MLP))
    words = {name: value[:, -3:] for name, value in batch(1, 1).items() if name != "pixel_values"}
    for _ in range(9):
        model(**words)
    with pytest.warns(UserWarning, match=r"the experts at 3 modules \(.*mlp\.fc1, .*did not run"):
        model(**words)
    model(**words)  # once is enough
