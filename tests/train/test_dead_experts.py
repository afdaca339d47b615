import warnings

import pytest
import torch

from coterie import Mixture, Rectified, TopK
from coterie.routing.decision import Routing, Tape
from coterie.routing.usage import ExpertUsage
from coterie.train.dead_experts import FEWEST_RECORDS, WATCHED_RECORDS, DeadExpertWatch


def used(**layers: list[float]) -> ExpertUsage:
    """The usage of one token of task "a" in each layer, by its weights."""
    tape = Tape()
    for name, weights in layers.items():
        given = torch.tensor([weights])
        tape[name] = Routing(weights=given, probs=given, logits=given, task=torch.tensor([0]))
    usage = ExpertUsage(("a", "b"))
    usage.add(tape)
    return usage


def test_experts_that_were_never_chosen_are_told_once_with_the_cure() -> None:
    watch = DeadExpertWatch([Mixture(router=Rectified())])
    for _ in range(WATCHED_RECORDS - 1):
        watch.add(used(first=[0.0, 0.5], second=[0.0, 0.0], third=[1.0, 0.1]))
    text = r"no expert at all in 1 of 3 layers \(second.*only some experts in 1 of 3 .*bias of Rect"
    with pytest.warns(UserWarning, match=text):
        watch.add(used(first=[0.0, 0.5], second=[0.0, 0.0], third=[1.0, 0.1]))
    watch.add(used(first=[0.0, 0.5]))


def test_a_short_stage_is_told_at_its_end() -> None:
    watch = DeadExpertWatch([Mixture(router=TopK(k=1))])
    for _ in range(FEWEST_RECORDS - 1):
        watch.add(used(first=[0.0, 0.5]))
    with pytest.warns(UserWarning, match=f"in {FEWEST_RECORDS} records"):
        watch.add(used(first=[0.0, 0.5]), is_last=True)
    short = DeadExpertWatch([Mixture(router=TopK(k=1))])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        short.add(used(first=[0.0, 0.5]), is_last=True)


def test_one_choice_in_any_record_is_enough() -> None:
    watch = DeadExpertWatch([Mixture(router=TopK(k=1))])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        watch.add(used(first=[0.3, 0.0]))
        for _ in range(2 * WATCHED_RECORDS):
            watch.add(used(first=[0.0, 0.5]))
    assert watch.describe() == ""


def test_the_advice_is_the_router_s() -> None:
    watch = DeadExpertWatch([Mixture(router=TopK(k=1)), Mixture(gate=None, router=Rectified())])
    watch.add(used(first=[0.0, 1.0]))
    assert "LoadBalance" in watch.describe() and "Rectified" not in watch.describe()
