"""Rows that are joined, selected and lengthened, with tensors worked out by hand."""

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from coterie.serve.answer_text import AnswerText
from coterie.serve.decoding_rows import DecodingRows, can_join, keep_by_token
from coterie.serve.job import Job
from coterie.serve.sampling import ChosenToken, Sampling


def cache(*rows: list[float]) -> DynamicCache:
    """One layer with one head of one feature: keys as given, values their negatives."""
    keys = torch.tensor(rows)[:, None, :, None]
    found = DynamicCache()
    found.update(keys, -keys, 0)
    return found


def begun(*ids: int, positions: Tensor | None = None) -> DecodingRows:
    """A row of a prompt, whose first token, 9, is not in the cache yet."""
    prompt = torch.tensor([ids])
    job = Job(
        prompt={"input_ids": prompt, "attention_mask": torch.ones_like(prompt)},
        sampling=Sampling(max_tokens=9), ends=frozenset(), text=AnswerText(str),
    )  # fmt: skip
    job.add(ChosenToken(9))
    if positions is None:
        positions = torch.arange(len(ids))[None]
    kept = keep_by_token(prompt, {"attention_mask": None, "position_ids": positions})
    rows = DecodingRows(
        model=SimpleNamespace(), jobs=[job], session=None, by_token=kept,
        cache=cache([float(each) for each in ids]),
    )  # fmt: skip
    rows.append([9])
    return rows


def values(rows: DecodingRows) -> dict[str, Any]:
    found = {name: each.tolist() for name, each in rows.by_token.items()}
    (layer,) = rows.cache.layers
    assert isinstance(layer.keys, Tensor) and torch.equal(layer.keys, -layer.values)
    return found | {"keys": layer.keys[:, 0, :, 0].tolist()}


def test_a_shorter_row_is_padded_on_the_left() -> None:
    rows = begun(5, 6, 7)
    rows.join(begun(8))
    assert values(rows) == {
        "input_ids": [[5, 6, 7, 9], [0, 0, 8, 9]],
        "attention_mask": [[1, 1, 1, 1], [0, 0, 1, 1]],
        "position_ids": [[0, 1, 2, 3], [0, 0, 0, 1]],
        "keys": [[5, 6, 7], [0, 0, 8]],
    }
    # And the rows that are there, if the new one is longer.
    other = begun(8)
    other.join(begun(5, 6, 7))
    assert values(other)["keys"] == [[0, 0, 8], [5, 6, 7]]
    assert [len(other.jobs), other.num_tokens] == [2, 4]


def test_padding_that_all_rows_have_goes_with_the_longest() -> None:
    rows = begun(5, 6, 7)
    rows.join(begun(8))
    rows.join(begun(3, 4))
    rows.select([1, 2])
    assert values(rows) == {
        "input_ids": [[0, 8, 9], [3, 4, 9]],
        "attention_mask": [[0, 1, 1], [1, 1, 1]],
        "position_ids": [[0, 0, 1], [0, 1, 2]],
        "keys": [[0, 8], [3, 4]],
    }
    assert [job.prompt_tokens for job in rows.jobs] == [1, 2]


def test_positions_of_several_axes_and_types_that_one_prompt_has() -> None:
    three = torch.tensor([0, 4]).expand(3, 1, 2)  # as of models with places in a picture
    rows = begun(5, 6, positions=three)
    rows.by_token["mm_token_type_ids"] = torch.tensor([[1, 1, 0]])
    rows.join(begun(8, positions=torch.zeros(3, 1, 1, dtype=torch.int64)))
    assert rows.by_token["position_ids"].tolist() == [[[0, 4, 5], [0, 0, 1]]] * 3
    assert rows.by_token["mm_token_type_ids"].tolist() == [[1, 1, 0], [0, 0, 0]]
    rows.by_token["mm_token_type_ids"][0, -1] = 1
    rows.append([2, 3])
    assert rows.by_token["mm_token_type_ids"][:, -1].tolist() == [0, 0]  # text
    assert rows.by_token["input_ids"][:, -1].tolist() == [2, 3]


def test_one_row_of_positions_is_for_all() -> None:
    kept = keep_by_token(torch.tensor([[1], [2]]), {"position_ids": torch.tensor([[0]])})
    assert kept["position_ids"].tolist() == [[0], [0]]
    assert kept["attention_mask"].tolist() == [[1], [1]]


def test_what_can_be_joined() -> None:
    filled = cache([1.0, 2.0, 3.0])
    assert can_join(filled, {"position_ids": torch.zeros(1, 3), "use_cache": True}, 3)
    # Keys of something else than the prompt's tokens, as of a picture's.
    assert not can_join(filled, {}, 4)
    # An argument by token whose next value is not known here.
    assert not can_join(filled, {"cross_attention_mask": torch.zeros(1, 3, 2, 4)}, 3)
    assert can_join(filled, {"pixel_values": torch.zeros(1, 4, 8, 8)}, 3)
    assert not can_join(None, {}, 3)
    # A cache of a window has fewer keys than it has seen.
    config = SimpleNamespace(get_text_config=lambda decoder: config, layer_types=None)
    config.per_layer_config = [SimpleNamespace(sliding_window=2)]
    windowed = DynamicCache(config=config)
    windowed.update(torch.zeros(1, 1, 3, 1), torch.zeros(1, 1, 3, 1), 0)
    assert not can_join(windowed, {}, 3)
