"""What a stage trains: parts of the model, rows of stacked experts, at which rates and decay."""

import pytest
import torch

import coterie
from coterie import Lora, Mixture, Stage, TokenGate
from coterie.balancing.uncertainty import Uncertainty
from coterie.train.trainable import group_parameters, select_trainable
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
    assert learning(model) == set(trained.base) and "lm_head.weight" in trained.base[-1]
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


def test_what_decays():
    model = coterie.graft(
        TINY["vit"]().model, Mixture(at="vision.mlp", experts=Lora(ranks=(2,)), gate=None)
    )
    stage = Stage(
        trains=("adapter", "host"),
        undecayed=(r".*\.cls_token", "nothing.*"),
        decays_balancing=True,
        learning_rate=1.0,
        learning_rates={"experts": 2.0},
        weight_decay=0.1,
    )
    balancing = Uncertainty().build(2)
    trained = select_trainable(model, stage)
    groups = group_parameters(model, balancing, trained, stage)
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
    stage = Stage(trains=("host",), weight_decay=0.1)
    decays, stays = group_parameters(model, balancing, select_trainable(model, stage), stage)
    assert (decays["weight_decay"], stays["weight_decay"]) == (0.1, 0.0)
    assert any(each is balancing.sigma for each in stays["params"])
    assert any("cls_token" in names[each] for each in decays["params"])
