"""Expert use, on hand-made decisions and in a tiny model."""

import pytest
import torch
from torch import Tensor

import coterie
from coterie.evaluate.expert_usage import (
    ExpertUsage,
    find_active_mixtures,
    make_expert_names,
    make_usage_table,
    record_prompt_usage,
    split_by_task,
)
from coterie.routing.decision import Routing, Tape
from tests.tinies.text import llama


def routing(weights: Tensor, valid: Tensor | None = None) -> Routing:
    return Routing(weights=weights, probs=weights / 2, logits=weights, valid=valid)


def test_means_are_over_all_units_but_padding() -> None:
    use = ExpertUsage()
    use.add(Tape(a=routing(torch.tensor([[1.0, 0.0], [9.0, 9.0]]), torch.tensor([True, False]))))
    use.add(Tape(a=routing(torch.tensor([[0.5, 0.5], [0.0, 0.5]]))))
    # Three units: weights 1, .5, 0 and 0, .5, .5; two chose the first, two the second.
    assert use.dump() == {
        "a": {
            "mean": pytest.approx([0.5, 1 / 3]),
            "chosen": pytest.approx([2 / 3, 2 / 3]),
            "probability": pytest.approx([0.25, 1 / 6]),  # half of the weights, see above
        }
    }


def test_a_pass_of_several_tasks_is_parted() -> None:
    weights = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    both = Routing(
        weights=weights, probs=weights, logits=weights, num_tasks=4, task=torch.tensor([3, 0, 3]),
        valid=torch.tensor([True, True, False]),
    )  # fmt: skip
    parts = split_by_task(Tape(a=both, untold=routing(weights)))
    assert {task: list(part) for task, part in parts.items()} == {0: ["a"], 3: ["a"]}
    assert parts[0]["a"].weights.tolist() == [[0.0, 1.0]] and parts[0]["a"].num_tasks == 4
    use = ExpertUsage()
    use.add(parts[3])
    # Of task 3's two units the second is padding.
    assert use.dump() == {
        "a": {"mean": [1.0, 0.0], "chosen": [1.0, 0.0], "probability": [1.0, 0.0]}
    }


def test_the_prompt_is_seen_and_the_answer_is_not() -> None:
    tiny = llama()
    model = coterie.graft(tiny.model, coterie.Mixture(experts=coterie.Lora(ranks=(2, 2))))
    prompt = {key: tiny.batch[key] for key in ("input_ids", "attention_mask")}
    use, alone = ExpertUsage(), ExpertUsage()
    with record_prompt_usage(model, use):
        model.generate(**prompt, max_new_tokens=4, do_sample=False)
    with record_prompt_usage(model, alone):
        model(**prompt)
    assert use.dump() == alone.dump() and len(use.layers) == 6  # two layers of three
    tokens = int(prompt["attention_mask"].sum())
    assert {sums.num_units for sums in use.layers.values()} == {tokens}
    with record_prompt_usage(model, None):
        model(**prompt)


def test_the_table_of_a_model() -> None:
    null = coterie.Mixture(experts=(coterie.Copies(count=2), coterie.Null()))
    assert make_expert_names(null) == ["copies 1", "copies 2", "null 1"]
    model = coterie.graft(llama().model, coterie.Mixture(experts=coterie.Lora(ranks=(2, 4))))
    found = {
        layer: make_expert_names(mixture) for layer, mixture in find_active_mixtures(model).items()
    }
    assert len(found) == 6
    name = "model.layers.0.mlp.up_proj"
    assert found[name] == ["rank 2", "rank 4"]
    use = {name: {"mean": [0.1, 0.9], "chosen": [0.0, 1.0], "probability": [0.3, 0.7]}}
    assert make_usage_table(found, {"a": use}) == {
        "layers": {
            name: {
                "experts": ["rank 2", "rank 4"],
                "tasks": {"a": [0.1, 0.9]},
                "chosen": {"a": [0.0, 1.0]},
                "probability": {"a": [0.3, 0.7]},
            }
        }
    }
