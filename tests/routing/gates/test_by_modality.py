"""Weights by modality: the table, its default, and what is wrong with one."""

import re
from typing import Any

import pytest
import torch

from coterie import ByModality, Lora, Mixture, Rectified, graft, observe
from coterie.routing.context import RoutingContext
from coterie.routing.gates.base import LayerSite
from tests.tiny import TINY

TABLE = {"text": (0.25, 0.75), "image": (1.0, 0.0), "audio": (0.0, 1.0)}


def compute_logits(gate: ByModality, tower: str, context: RoutingContext) -> Any:
    layer = gate.build(4, 2, 0)
    assert not list(layer.parameters()) and not layer.state_dict()
    site = LayerSite(name="layer", tower=tower, tie_group="layer")
    return layer(torch.zeros(1, 3, 4), context, site)


def make_context(**given: Any) -> RoutingContext:
    """One sample of a token each of text, audio and video; its encoder's rows are images."""
    names = ("text", "audio", "video")
    return RoutingContext(
        batch_size=1, device=torch.device("cpu"), modalities=names,
        tower_modalities={"vision": "image"}, **({"modality": torch.tensor([[0, 1, 2]])} | given),
    )  # fmt: skip


def test_each_token_has_the_row_of_its_modality() -> None:
    found = compute_logits(ByModality(weights=TABLE), "text", make_context()).logits
    # Videos are not in the table, and have the numbers of text.
    assert found.tolist() == [[[0.25, 0.75], [0, 1], [0.25, 0.75]]]
    weights, _ = Rectified()(found, None)
    assert torch.equal(weights, found)


def test_rows_of_an_encoder_are_of_its_modality() -> None:
    found = compute_logits(ByModality(weights=TABLE), "vision", make_context()).logits
    assert found.tolist() == [[[1, 0]] * 3]


def test_without_a_table_text_has_an_expert_and_all_else_another() -> None:
    gate = ByModality()
    found = compute_logits(gate, "text", make_context()).logits
    assert found.tolist() == [[[1, 0], [0, 1], [0, 1]]]
    assert gate.get_row("image", 4) == (0, 0, 0, 1) and not gate.depends_on_task_only


def test_one_row_is_a_constant_mixture() -> None:
    gate = ByModality(weights={"text": (0.5, 0.5)})
    found = compute_logits(gate, "text", make_context(modality=None))
    assert gate.depends_on_task_only and found.is_uniform and found.logits.tolist() == [[0.5, 0.5]]
    assert ByModality(weights=TABLE).select((), 2).weights == {"text": TABLE["text"]}
    assert ByModality().select(("image",), 2).weights == {"text": (1, 0), "image": (0, 1)}


def test_unknown_modalities_are_an_error() -> None:
    with pytest.raises(ValueError, match="ByModality at layer does not know the tokens' modality"):
        compute_logits(ByModality(weights=TABLE), "text", make_context(modality=None))


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"text": (1.0,), "smell": (1.0,)}, "the modalities are text, image, video, audio"),
        ({"text": (1.0,), "image": (1.0, 0.0)}, "give each modality one number for each expert"),
        ({"text": ()}, "give each modality one number for each expert"),
        ({"text": (-1.0,)}, "give numbers of at least 0"),
        ({"text": (float("inf"),)}, "give numbers of at least 0"),
        ({"image": (1.0,)}, "has no 'text'"),
    ],
)
def test_wrong_tables(weights: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ByModality(weights=weights)


def test_a_number_for_each_expert_of_the_mixture() -> None:
    said = "has 2 numbers for each modality, and the mixture weighs 4 experts"
    with pytest.raises(ValueError, match=re.escape(said)):
        graft(TINY["llama"]().model, Mixture(gate=ByModality(weights=TABLE), router=Rectified()))


def test_a_model_routes_by_its_placeholders() -> None:
    tiny = TINY["omni"]()
    lora = Lora(ranks=(2, 2))
    mixture = Mixture(
        at="text.mlp", experts=lora, gate=ByModality(weights=TABLE), router=Rectified()
    )
    model = graft(tiny.model, mixture)
    with observe(model) as tape:
        model(**tiny.batch)
    for routing in tape.values():
        assert routing.modality is not None
        rows = [TABLE.get(name, TABLE["text"]) for name in routing.modalities]
        assert torch.equal(routing.weights, torch.tensor(rows)[routing.modality])
        assert {*routing.modality.tolist()} == {
            routing.modalities.index(name) for name in ("text", "image", "audio")
        }
