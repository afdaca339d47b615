"""`PackedCollator`: several text samples in one row, without padding between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from coterie.models.quantization import is_quantized
from coterie.tasks.predictions import Collator
from coterie.tasks.text.batches import IGNORE_INDEX, mark_prompt

TEXT_KEYS = {"input_ids", "attention_mask", "labels", "task_ids", "instruction_mask"}
GIVEN = ("input_ids", "position_ids", "prompt_mask", "sample_spans")
"""What a grafted model needs of a packed batch."""


@dataclass(eq=False)
class PackedCollator:
    """A collator that packs the samples of another one's batches into rows without padding.

    Samples keep their order, and each starts at position 0, by which transformers' attention
    keeps them apart. `sample_spans` says which tokens are whose, for gates, losses and tasks.

    Attributes:
        max_length: tokens of a row at most; None for one row.
    """

    collator: Collator
    max_length: int | None = None

    def __call__(self, samples: Sequence[Any]) -> dict[str, Any]:
        """Make a batch. Raises ValueError if a sample has more than text."""
        return pack(self.collator(samples), self.max_length)


def pack(batch: dict[str, Tensor], max_length: int | None = None) -> dict[str, Any]:
    """Pack the samples of a batch that is padded on the right, one in each of its rows.

    `task_ids` stay as they are, one a sample. `sample_spans`, int64 [samples, 2], are the numbers
    of a sample's tokens and of the padding after it.
    """
    if strange := sorted(batch.keys() - TEXT_KEYS):
        raise ValueError(
            f"packing=True is for samples of text alone, and a batch has {', '.join(strange)}: "
            "leave packing out"
        )
    seen = batch["attention_mask"].bool()
    lengths = seen.sum(1)
    rows = split_into_rows(lengths.tolist(), max_length)
    totals = [int(each.sum()) for each in lengths.split(rows)]
    padding = torch.zeros_like(lengths)
    padding[torch.tensor(rows).cumsum(0) - 1] = max(totals) - torch.tensor(totals)
    labels = batch["labels"]
    places = {
        "input_ids": (batch["input_ids"], 0),
        "labels": (labels, IGNORE_INDEX),
        "position_ids": (seen.cumsum(1) - 1, 0),  # padding is a sample of its own a token
        "prompt_mask": (mark_prompt(labels), False),
    }
    if "instruction_mask" in batch:
        places["instruction_mask"] = (batch["instruction_mask"], False)
    packed: dict[str, Any] = {
        name: pad_sequence(values[seen].split(totals), batch_first=True, padding_value=filler)
        for name, (values, filler) in places.items()
    }
    spans = torch.stack([lengths, padding], 1)
    return packed | {"task_ids": batch["task_ids"], "sample_spans": spans, "use_cache": False}


@torch.no_grad()
def check_packing(model: PeftModel) -> None:
    """Raise ValueError if the base model does not keep the samples of one row apart.

    Transformers' attention does, by positions that start at 0 again; recurrent layers do not.
    """
    # The middle of a vocabulary has neither special tokens nor placeholders of media.
    middle = model.get_input_embeddings().num_embeddings // 2
    ids = middle + torch.arange(8).view(2, 4)
    batch = pack(
        {
            "input_ids": ids,
            "attention_mask": torch.ones_like(ids),
            "labels": torch.full_like(ids, IGNORE_INDEX),
            "task_ids": torch.zeros_like(ids[:, 0]),
        }
    )
    tensors = {name: each.to(model.device) for name, each in batch.items() if name in GIVEN}
    with model.disable_adapter():
        wanted = model(input_ids=ids[1:].to(model.device), use_cache=False).logits
        found = model(**tensors, use_cache=False).logits[:, 4:]
    exact = wanted.dtype == torch.float32 and not is_quantized(model.get_base_model())
    tolerance = (1e-4 if exact else 0.05) * float(wanted.abs().max())
    if float((found - wanted).abs().max()) > tolerance:
        raise ValueError(
            f"packing=True: a {type(model.get_base_model()).__name__} does not keep samples of one "
            "row apart by their positions: leave packing out"
        )


def split_into_rows(lengths: Sequence[int], max_length: int | None) -> list[int]:
    """Return how many of the samples, in their order, each row takes."""
    if max_length is None:
        return [len(lengths)]
    rows, used = [0], 0
    for length in lengths:
        if rows[-1] and used + length > max_length:
            rows.append(0)
            used = 0
        rows[-1] += 1
        used += length
    return rows
