"""Prompts that were encoded one by one make the batch that the processor makes of all."""

import pytest
import torch

from coterie.serve.join_prompts import get_shape_key, join_prompts
from tests.tiny import TINY


def test_text_is_padded_on_the_left() -> None:
    def prompt(*ids: int) -> dict[str, torch.Tensor]:
        found = torch.tensor([ids])
        turns = torch.ones_like(found).bool()
        task = torch.tensor([len(ids)])
        mask = torch.ones_like(found)
        return {"input_ids": found, "attention_mask": mask, "instruction_mask": turns,
                "task_ids": task}  # fmt: skip

    prompts = [prompt(5, 6), prompt(7)]
    assert len({get_shape_key(each) for each in prompts}) == 1
    batch = join_prompts(prompts, pad=1)
    assert batch["input_ids"].tolist() == [[5, 6], [1, 7]]
    assert batch["attention_mask"].tolist() == [[1, 1], [0, 1]]
    assert batch["instruction_mask"].tolist() == [[True, True], [False, True]]
    assert batch["task_ids"].tolist() == [2, 1]


@pytest.mark.parametrize("family", ["llava", "qwen2_vl", "idefics3", "gemma3"])
def test_pictures_are_in_the_order_of_the_prompts(family: str) -> None:
    first, second = (
        {name: each for name, each in alone.items() if name != "labels"}
        for alone in TINY[family]().alone
    )
    same = [first, first]
    batch = join_prompts(same, pad=0)
    for name, values in first.items():
        assert torch.equal(batch[name], torch.cat([values, values])), name
    # One picture and two: of some families they are one more item, of others another shape.
    both, keys = TINY[family]().batch, {get_shape_key(each) for each in (first, second)}
    if len(keys) == 1:
        joined = join_prompts([first, second], pad=0)
        assert torch.equal(joined["pixel_values"], both["pixel_values"])
    else:
        assert family == "idefics3"
