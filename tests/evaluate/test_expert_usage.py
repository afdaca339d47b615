"""The names of a model's experts, and the table of their usage."""

import torch

import coterie
from coterie.evaluate.expert_usage import (
    find_active_mixtures,
    make_expert_names,
    make_usage_table,
)
from coterie.routing.usage import ExpertUsage
from tests.tinies.text import llama


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
    usage = {
        name: {
            "mean_weight": {"a": [0.1, 0.9]},
            "chosen": {"a": [0.0, 1.0]},
            "probability": {"a": [0.3, 0.7]},
        }
    }
    # Layers without usage are left out.
    assert make_usage_table(found, usage) == {
        "layers": {
            name: {
                "experts": ["rank 2", "rank 4"],
                "mean_weight": {"a": [0.1, 0.9]},
                "chosen": {"a": [0.0, 1.0]},
                "probability": {"a": [0.3, 0.7]},
            }
        }
    }

    seen = {"text": [0.5, 0.5]}
    one = {name: {"mean_weight": seen, "chosen": seen, "probability": seen}}
    assert "modalities" not in make_usage_table(found, usage, one)
    seen["image"] = [0.0, 1.0]
    assert make_usage_table(found, usage, one)["modalities"] == {
        name: {"experts": ["rank 2", "rank 4"], **one[name]}
    }


def test_a_gate_that_decides_once_a_sample_counts_samples() -> None:
    # awaker on two samples of each of two tasks: one expert each, so that the shares are halves
    # and add up to 1, though a sample has many tokens; layers that follow a gate have its choices.
    tiny = llama()
    model = coterie.graft(tiny.model, coterie.recipes.awaker(rank=2).mixtures, tasks=("a", "b"))
    batch = {name: torch.cat([each, each.flip(0)]) for name, each in tiny.batch.items()}
    with coterie.observe(model.eval()) as tape:
        model(**batch, task_ids=torch.tensor([0, 0, 1, 1]))
    usage = ExpertUsage(("a", "b"))
    usage.add(tape)
    found = usage.compute_means()
    assert len(found) == 8  # in each of two layers o_proj and the three of the MLP
    for layer in found.values():
        for shares in layer["chosen"].values():
            assert sum(shares) == 1 and set(shares) <= {0.0, 0.5, 1.0}
    mlp = [found[f"model.layers.1.mlp.{name}_proj"]["chosen"] for name in ("gate", "up", "down")]
    assert mlp[0] == mlp[1] == mlp[2]
