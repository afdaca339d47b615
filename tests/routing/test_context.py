from typing import Any

import pytest
import torch

from coterie.routing.context import CachedDecision, RoutingContext


def context(**fields: Any) -> RoutingContext:
    """A batch of three samples, of the tasks 0, 1 and 1."""
    ids = torch.tensor([0, 1, 1])
    return RoutingContext(batch_size=3, device=ids.device, task_ids=ids, **fields)


def test_rows_belong_to_samples_in_order() -> None:
    # 6 rows of 3 samples: two each.
    assert context().get_sample_of_rows("vision", (6, 4)).tolist() == [0, 0, 1, 1, 2, 2]
    assert context().get_task_of_rows("vision", (6, 4)).tolist() == [0, 0, 1, 1, 1, 1]
    with pytest.raises(ValueError, match="7 rows, which 3 samples cannot own evenly"):
        context().get_sample_of_rows("vision", (7,))


def test_samples_on_the_second_axis_are_refused_in_an_unknown_family() -> None:
    # 6 queries of 3 samples: rows by twos would be of the wrong sample.
    unlisted = context(assumed_towers=frozenset({"text"}))
    with pytest.raises(ValueError, match="input of 6 x 3 tokens, and the batch has 3 samples"):
        unlisted.get_sample_of_rows("text", (6, 3))
    assert unlisted.get_sample_of_rows("text", (3, 3)).tolist() == [0, 1, 2]
    assert unlisted.get_task_of_rows("text", (6, 5)).tolist() == [0, 0, 1, 1, 1, 1]


def test_a_tower_may_count_its_rows() -> None:
    counts = torch.tensor([1.0, 2.0, 0.0])
    made = context(rows_per_sample={"vision": lambda: counts})
    assert made.get_sample_of_rows("vision", (3,)).tolist() == [0, 1, 1]
    # Of the second sample alone, one count is left.
    assert made.select_samples(torch.tensor([1])).rows_per_sample["vision"]().tolist() == [2.0]


def test_a_selection_has_the_values_of_its_samples() -> None:
    made = context(prompt_mask=torch.eye(3).bool(), adapter_names=("a", "b", "a"))
    part = made.select_samples(torch.tensor([0, 2]))
    assert part.batch_size == 2 and part.adapter_names is None and part.valid is None
    assert part.task_ids is not None and part.task_ids.tolist() == [0, 1]
    assert part.prompt_mask is not None and part.prompt_mask.int().tolist() == [
        [1, 0, 0],
        [0, 0, 1],
    ]


def test_modalities_are_numbered_as_the_gate_names_them() -> None:
    made = context(
        modality=torch.tensor([[0, 1], [1, 0], [0, 0]]),
        modalities=("text", "audio"),
        tower_modalities={"vision": "image"},
    )
    names = ("audio", "image", "text")
    found = made.get_modality_of_tokens("text", torch.Size((3, 2)), names)
    assert found is not None and found.tolist() == [[2, 0], [0, 2], [2, 2]]
    found = made.get_modality_of_tokens("vision", torch.Size((2,)), names)
    assert found is not None and found.tolist() == [1, 1]
    assert made.get_modality_of_tokens("text", torch.Size((5,)), names) is None
    with pytest.raises(ValueError, match="the model has image tokens"):
        made.get_modality_of_tokens("vision", torch.Size((2,)), ("text",))


def test_a_cached_decision_is_repeated_for_beams() -> None:
    made = context()
    assert made.get_cached_decision("group", "layer") is None
    logits = torch.tensor([[1.0, 2.0]])
    made.cached_decisions["group"] = CachedDecision(logits, None)
    found = made.get_cached_decision("group", "layer")
    assert found is not None and found.noise is None
    assert found.logits.tolist() == [[1.0, 2.0]] * 3
    with pytest.raises(ValueError, match="layer routes by prompt, but the cache"):
        context(reuse_cached_decisions=True).get_cached_decision("group", "layer")


def test_tied_results_belong_to_one_decision_and_one_pass() -> None:
    made, logits = context(), torch.zeros(3, 2)
    made.get_tied_results("group", logits)["decision"] = 1
    replay = made.replay()
    replay.get_tied_results("group", logits)["factors"] = 2
    assert made.get_tied_results("group", logits) == {"decision": 1}
    assert replay.get_tied_results("group", logits) == {"decision": 1, "factors": 2}
    # Other logits, as those of other samples in a batch that mixes adapters.
    assert made.get_tied_results("group", torch.zeros(3, 2)) == {}
    assert made.get_tied_results("other", logits) == {}
