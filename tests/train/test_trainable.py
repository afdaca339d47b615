"""What a stage trains: parts of the model, and rows of stacked experts."""

import pytest
import torch

import coterie
from coterie import AttentionHeads, Copies, Lora, Mixture, Stage, TokenGate
from coterie.balancing.uncertainty import Uncertainty
from coterie.train.adapter_weights import load_copies, save
from coterie.train.config import split_steps
from coterie.train.optimizer import parameter_groups
from coterie.train.trainable import (
    make_stage_mixtures,
    select_trainable,
)
from tests.tiny import TINY

LORA = Mixture(at="text.mlp", experts=Lora(ranks=(2, 2)), gate=TokenGate(), shared=Lora(ranks=(2,)))


def model_of(family: str = "llama", mixture: Mixture = LORA):
    return coterie.graft(TINY[family]().model, mixture)


def learning(model) -> set[str]:
    names = [name for name, each in model.named_parameters() if each.requires_grad]
    return {
        name.split(".coterie_")[-1].split(".")[0] if ".coterie_" in name else name for name in names
    }


@pytest.mark.parametrize(
    ("trains", "learns", "kept"),
    [
        (("adapter",), {"experts", "gate"}, 0),
        (("experts",), {"experts"}, 12),  # 2 layers of 3 linears, down and up
        (("experts", "shared"), {"experts"}, 0),
        (("gates", "shared"), {"experts", "gate"}, 12),
        (("gates",), {"gate"}, 0),
    ],
)
def test_parts(trains, learns, kept):
    model = model_of()
    trained = select_trainable(model, Stage(trains=trains))
    assert learning(model) == learns and len(trained.frozen_rows) == kept
    rows = slice(4, None) if "experts" in trains else slice(0, 4)
    assert all(each.rows == rows for each in trained.frozen_rows)


def test_parts_of_the_host():
    model = model_of("llava")
    select_trainable(model, Stage(trains=("connector", r"model\.language_model\.norm\..*")))
    assert learning(model) == {
        *(f"base_model.model.model.multi_modal_projector.linear_{i}.{kind}"
          for i in (1, 2) for kind in ("weight", "bias")),
        "base_model.model.model.language_model.norm.weight",
    }  # fmt: skip
    trained = select_trainable(model, Stage(trains=("host",)))
    assert not trained.adapter and "lm_head.weight" in trained.base[-1]
    # the host's own weights under the mixture, too
    assert any(".base_layer.weight" in name for name in trained.base)


def test_parts_that_are_not_there_are_an_error():
    with pytest.raises(ValueError, match="stage 'train' trains 'connector', and llama with these"):
        select_trainable(model_of(), Stage(trains=("connector",)))
    with pytest.raises(ValueError, match="which matches no parameter of llama; its parameters are"):
        select_trainable(model_of(), Stage(trains=(r"head\..*",)))
    with pytest.raises(ValueError, match="stage 'train' trains 'connector', and llama with these"):
        select_trainable(model_of(), Stage(learning_rates={"connector": 1.0}))


def test_rates_are_of_what_learns():
    rates = select_trainable(
        model_of(), Stage(learning_rates={"adapter": 1.0, "gates": 2.0})
    ).learning_rates
    found = {(".coterie_gate." in name, rate) for name, rate in rates.items()}
    assert found == {(True, 2.0), (False, 1.0)}
    assert not select_trainable(
        model_of(), Stage(trains=("experts",), learning_rates={"gates": 2.0})
    ).learning_rates


def test_what_decays():
    model = coterie.graft(
        TINY["vit"]().model, Mixture(at="vision.mlp", experts=Lora(ranks=(2,)), gate=None)
    )
    stage = Stage(
        trains=("adapter", "host"),
        undecayed=(r".*\.cls_token", "nothing.*"),
        decays_balancing=True,
        learning_rates={"experts": 2.0},
    )
    balancing = Uncertainty().build(2)
    trained = select_trainable(model, stage)
    groups = parameter_groups(model, balancing, trained, learning_rate=1.0, weight_decay=0.1)
    names = {each: name for name, each in [*model.named_parameters(), ("sigma", balancing.sigma)]}
    found = {
        names[each]: (group["lr"], group["weight_decay"])
        for group in groups
        for each in group["params"]
    }
    assert len(found) == len(names) == sum(len(group["params"]) for group in groups)
    assert {name for name in found if "cls_token" in name} == set(trained.undecayed)
    expected = {
        name: (
            2.0 if ".coterie_" in name else 1.0,
            0.1 if name == "sigma" or (each.ndim > 1 and "cls_token" not in name) else 0.0,
        )
        for each, name in names.items()
    }
    assert found == expected
    plain = parameter_groups(
        model, balancing, select_trainable(model, Stage(trains=("host",))), learning_rate=1.0,
        weight_decay=0.1,
    )  # fmt: skip
    decays, stays = plain
    assert (decays["weight_decay"], stays["weight_decay"]) == (0.1, 0.0)
    assert any(each is balancing.sigma for each in stays["params"])
    assert any("cls_token" in names[each] for each in decays["params"])


def test_kept_rows_stay_under_momentum_and_decay():
    model = model_of().train()
    trained = select_trainable(model, Stage(trains=("experts",)))
    trained.zero_frozen_gradients()
    before = [each.values.clone() for each in trained.frozen_rows]
    batch = TINY["llama"]().batch
    optimizer = torch.optim.AdamW(
        [each for each in model.parameters() if each.requires_grad], lr=0.1, weight_decay=0.5
    )
    whole = [each.parameter.detach().clone() for each in trained.frozen_rows]
    for _ in range(2):
        model(**batch).loss.backward()
        assert all(each.parameter.grad[each.rows].abs().max() == 0 for each in trained.frozen_rows)
        optimizer.step()
        trained.restore()
    for each, values, old in zip(trained.frozen_rows, before, whole, strict=True):
        assert torch.equal(each.parameter[each.rows], values)
        assert not torch.equal(each.parameter, old)


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


def test_steps_are_shared_out():
    assert split_steps(10, [1, 1, 1]) == [4, 3, 3]
    assert split_steps(3, [100, 1, 1]) == [1, 1, 1]
    assert split_steps(100, [1, 3]) == [25, 75]
