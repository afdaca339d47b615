"""The names of a model's experts, and the table of their usage."""

import coterie
from coterie.evaluate.expert_usage import (
    find_active_mixtures,
    make_expert_names,
    make_usage_table,
)
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
