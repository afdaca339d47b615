"""Sums of expert usage, worked out by hand."""

import json
import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from coterie.routing.decision import Routing, Tape
from coterie.routing.usage import ExpertUsage, select_task


def routing(weights: Tensor, valid: Tensor | None = None, task: Tensor | None = None) -> Routing:
    return Routing(
        weights=weights, probs=weights / 2, logits=weights, valid=valid, num_tasks=4, task=task
    )


def test_means_are_over_all_units_but_padding() -> None:
    usage = ExpertUsage(("a",))
    padded = torch.tensor([[1.0, 0.0], [math.nan, 9.0]])
    usage.add(Tape(layer=routing(padded, torch.tensor([True, False]))))
    usage.add(Tape(layer=routing(torch.tensor([[0.5, 0.5], [0.0, 0.5]]))))
    # Three units: weights 1, .5, 0 and 0, .5, .5; two chose the first, two the second.
    assert usage.compute_means() == {
        "layer": {
            "mean_weight": {"a": pytest.approx([0.5, 1 / 3])},
            "chosen": {"a": pytest.approx([2 / 3, 2 / 3])},
            "probability": {"a": pytest.approx([0.25, 1 / 6])},  # half of the weights, see above
        }
    }
    assert usage.compute_means(["chosen"])["layer"].keys() == {"chosen"}


def test_a_pass_of_several_tasks_is_split_by_task() -> None:
    weights = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    both = routing(weights, torch.tensor([True, True, False]), torch.tensor([3, 0, 3]))
    usage = ExpertUsage(("a", "b", "c", "d"))
    usage.add(Tape(layer=both, without_tasks=routing(weights)))
    # Of task d's two units the second is padding; b and c have none.
    assert usage.compute_means() == {
        "layer": {
            "mean_weight": {"a": [0.0, 1.0], "d": [1.0, 0.0]},
            "chosen": {"a": [0.0, 1.0], "d": [1.0, 0.0]},
            "probability": {"a": [0.0, 0.5], "d": [0.5, 0.0]},
        }
    }
    assert usage.get_mass("layer").tolist() == [[0, 0.5], [0, 0], [0, 0], [0.5, 0]]
    # Where the task of all units is known, the routing need not have it.
    usage.add(Tape(without_tasks=routing(weights)), task="b")
    assert usage.compute_means()["without_tasks"]["chosen"] == {"b": pytest.approx([2 / 3, 2 / 3])}
    assert select_task(usage.compute_means(["chosen"]), "b") == {
        "without_tasks": {"chosen": pytest.approx([2 / 3, 2 / 3])}
    }


def test_sums_merge_and_survive_json() -> None:
    tasks, thirds = ("a", "b"), torch.full((3, 2), 1 / 3)
    one, other = ExpertUsage(tasks), ExpertUsage(tasks)
    one.add(Tape(first=routing(thirds), second=routing(thirds)), task="a")
    other.add(Tape(first=routing(torch.ones(1, 2))), task="b")
    other.add(Tape(first=routing(torch.ones(2, 2))), task="a")
    merged = ExpertUsage.merge([one, other])
    # Three units of 1/3 and two of 1: (1 + 2) / 5.
    assert merged.compute_means()["first"]["mean_weight"] == {
        "a": pytest.approx([0.6, 0.6]), "b": [1.0, 1.0]
    }  # fmt: skip
    assert one.compute_means()["first"]["chosen"] == {"a": [1.0, 1.0]}
    text = json.dumps(merged.to_json())
    found = ExpertUsage.from_json(json.loads(text), tasks)
    assert found.to_json() == merged.to_json() and found.sums.keys() == merged.sums.keys()
    assert all(torch.equal(found.sums[layer], merged.sums[layer]) for layer in merged.sums)
    assert merged.to_json()["second"]["count"] == {"a": [3.0]}
    with pytest.raises(ValueError, match="give at least one, all of equal tasks"):
        ExpertUsage.merge([])
    with pytest.raises(ValueError, match="all of equal tasks"):
        ExpertUsage.merge([one, ExpertUsage(("a",))])


def test_sums_in_float32_stay_where_the_routing_is() -> None:
    usage = ExpertUsage(("a", "b"), dtype=torch.float32, device=None)
    usage.add(Tape(layer=routing(torch.ones(2, 3), task=torch.tensor([0, 1]))))
    assert usage.sums["layer"].dtype == torch.float32
    assert usage.sums["layer"].tolist() == [[1, 1, 1, 1, 1, 1, 0.5, 0.5, 0.5, 1]] * 2


def test_units_of_each_modality_are_summed_apart() -> None:
    weights = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    mixed = replace(
        routing(weights, torch.tensor([True, True, True])),
        modality=torch.tensor([1, 0, 1]),
        modalities=("image", "text"),
    )
    usage = ExpertUsage(("text", "image", "audio"))
    usage.add_by_modality(Tape(layer=mixed, by_sample=routing(weights)))
    # Text: the first and the third; image: the second. What decides by sample has no modalities.
    found = usage.compute_means(["mean_weight"])
    assert found == {"layer": {"mean_weight": {"text": [0.75, 0.25], "image": [0.0, 1.0]}}}
