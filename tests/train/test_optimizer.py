"""Which parameters decay, and at which rates they learn."""

import coterie
from coterie import Lora, Mixture, Stage
from coterie.balancing.uncertainty import Uncertainty
from coterie.train.optimizer import parameter_groups
from coterie.train.trainable import select_trainable
from tests.tiny import TINY


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
    groups = parameter_groups(model, balancing, trained, stage)
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
    decays, stays = parameter_groups(model, balancing, select_trainable(model, stage), stage)
    assert (decays["weight_decay"], stays["weight_decay"]) == (0.1, 0.0)
    assert any(each is balancing.sigma for each in stays["params"])
    assert any("cls_token" in names[each] for each in decays["params"])
