"""Experts that begin as copies of one that was saved."""

from pathlib import Path

import pytest
import torch

import coterie
from coterie import AttentionHeads, Copies, Lora, Mixture, Stage, TokenGate
from coterie.train.adapter_weights import count_saved_parameters, load_copies, save
from coterie.train.trainable import make_stage_mixtures
from tests.tinies.text import llama
from tests.tiny import TINY

LORA = Mixture(at="text.mlp", experts=Lora(ranks=(2, 2)), gate=TokenGate(), shared=Lora(ranks=(2,)))
COPIED = [
    ("llama", LORA),
    ("llama", Mixture(at="text.mlp", experts=Copies(count=2, trained="lora", rank=2))),
    ("vit", Mixture(at="vision.mlp", experts=Copies(count=2, trained="full"))),
    ("vit", Mixture(at="vision.attn", experts=AttentionHeads(count=2, heads=1))),
]


@pytest.mark.parametrize(("family", "mixture"), COPIED)
def test_copies_begin_alike(family, mixture, tmp_path):
    alone = Stage(name="one", routed=False)
    first = coterie.graft(TINY[family]().model, make_stage_mixtures((mixture,), alone))
    for parameter in first.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter)
    save(first, (), tmp_path)
    second = coterie.graft(TINY[family]().model, mixture)
    load_copies(second, tmp_path)
    ones = {n: p for n, p in first.named_parameters() if ".coterie_" in n}
    for name, many in second.named_parameters():
        if ".coterie_experts." in name and many.shape != ones[name].shape:
            for part in many.split(len(ones[name])):
                assert torch.equal(part, ones[name])


def test_copies_of_unequal_ranks_are_an_error(tmp_path):
    mixture = Mixture(at="text.mlp", experts=Lora(ranks=(2, 4)))
    first = coterie.graft(
        TINY["llama"]().model, make_stage_mixtures((mixture,), Stage(routed=False))
    )
    save(first, (), tmp_path)
    second = coterie.graft(TINY["llama"]().model, mixture)
    with pytest.raises(ValueError, match=r"the experts' ranks are \[2, 4\]"):
        load_copies(second, tmp_path)


def test_trained_weights_are_those_in_the_file(tmp_path: Path) -> None:
    model = coterie.graft(
        llama().model, Mixture(at=("model.layers.0.mlp.up_proj",), experts=Lora(ranks=(1, 3)))
    )
    model.save_pretrained(tmp_path)
    # Four ranks of 96, and a gate of two experts by 32.
    assert count_saved_parameters(tmp_path) == 4 * 96 + 64
