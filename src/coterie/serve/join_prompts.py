"""One batch out of prompts that were encoded one by one."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Encoded = Mapping[str, Tensor]


def get_shape_key(encoded: Encoded) -> tuple[tuple[str, torch.Size], ...]:
    """Return what prompts have in common that `join_prompts` makes one batch of.

    The shapes of media without their first axis, which counts items, patches or samples.
    """
    names = [name for name in encoded if not is_by_token(name, encoded)]
    return tuple((name, encoded[name].shape[1:]) for name in sorted(names))


def join_prompts(prompts: Sequence[Encoded], *, pad: int) -> dict[str, Tensor]:
    """Return a batch of prompts of one `get_shape_key`, padded on the left by the token `pad`."""
    length = max(each["input_ids"].shape[1] for each in prompts)
    batch: dict[str, Tensor] = {}
    for name in prompts[0]:
        parts = [each[name] for each in prompts]
        if is_by_token(name, prompts[0]):
            value = pad if name == "input_ids" else 0
            parts = [F.pad(each, (length - each.shape[1], 0), value=value) for each in parts]
        batch[name] = torch.cat(parts)
    return batch


def is_by_token(name: str, encoded: Encoded) -> bool:
    """Return whether an argument has one number for each token of the text."""
    is_named = name in ("input_ids", "attention_mask") or name.endswith(
        ("token_type_ids", "instruction_mask")
    )
    return is_named and encoded[name].shape == encoded["input_ids"].shape
