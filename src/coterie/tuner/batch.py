"""What the arguments of a forward pass say of its batch: size, prompts, tasks, packing."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool
from torch import Tensor

from coterie.routing.context import RoutingContext

PROMPT_KEY, SPANS_KEY, INSTRUCTION_KEY = "prompt_mask", "sample_spans", "instruction_mask"
TokenMask = Bool[Tensor, "batch seq"]
BATCH_INPUTS = (
    "input_ids", "inputs_embeds", "pixel_values", "input_features", "input_values",
    "decoder_input_ids", "decoder_inputs_embeds", "pixel_values_videos", "flattened_patches",
)  # fmt: skip


def find_batch_input(inputs: Mapping[str, Any], *, needs_samples: bool) -> Tensor:
    """Return the argument whose first axis is the batch's.

    That of an unknown name is the first tensor, unless gates decide by sample. Raises ValueError if
    there is none.
    """
    given = [inputs[name] for name in BATCH_INPUTS if inputs.get(name) is not None]
    if not given and not needs_samples:
        given = [each for each in inputs.values() if isinstance(each, Tensor) and each.ndim > 0]
    if not given:
        raise ValueError(
            f"coterie cannot tell the batch from the arguments {sorted(inputs)}: pass "
            "input_ids, inputs_embeds or pixel_values by name"
        )
    return given[0]


def count_copies(what: str, entries: int, batch: int, *, repeats: bool) -> int:
    """Return how many neighbouring rows of the batch each entry of an argument is for.

    Raises ValueError unless there is one for each row, or, if `repeats`, for as many rows each.
    """
    copies = batch // max(1, entries)  # torch.compile knows no divmod
    if copies * entries != batch or (copies > 1 and not repeats):
        raise ValueError(  # in the words of PEFT's layers
            f"Length of `{what}` should be the same as the number of inputs, but got {entries} and "
            f"{batch} respectively: pass one a sample"
        )
    return copies


def find_packing(
    inputs: Mapping[str, Any], attended: TokenMask | None, *, is_generating: bool
) -> str | None:
    """Return the argument that says that samples are packed into one row; None if none does."""
    if inputs.get("cu_seq_lens_q") is not None:
        return "cu_seq_lens_q"
    places = inputs.get("position_ids")
    if places is None or places.ndim != 2 or is_generating or torch.compiler.is_compiling():
        return None
    starts = places[:, 1:] == 0
    if attended is not None and attended.shape == places.shape:  # padding has places, too
        starts = starts & attended[:, :-1] & attended[:, 1:]
    return "position_ids" if bool(starts.any()) else None


def check_unpacked(
    inputs: Mapping[str, Any], attended: TokenMask | None, *, is_generating: bool
) -> None:
    """Raise ValueError if rows hold several samples, and nothing says which tokens are whose."""
    if key := find_packing(inputs, attended, is_generating=is_generating):
        raise ValueError(
            f"the batch packs several samples into one row ({key}), and a decision by prompt or "
            "by task needs them apart: pad them, and use generate() for generate_batch()"
        )


def make_prompt_mask(
    text: Tensor, seen: TokenMask | None, labels: Tensor | None, given: Tensor | None
) -> TokenMask:
    """Return the mask given, or attended tokens before the first answer token of each sample."""
    shape = text.shape[:2]
    if given is not None and given.shape != shape:
        raise ValueError(
            f"{PROMPT_KEY} is {tuple(given.shape)} for tokens of {tuple(shape)}: pass a bool a "
            "token"
        )
    if given is not None:
        return given.bool()
    seen = torch.ones(shape, dtype=torch.bool, device=text.device) if seen is None else seen
    if labels is None or labels.shape != shape:
        return seen
    return seen & ((labels != -100).cumsum(1) == 0)


def fit_to_batch(given: Tensor, mask: TokenMask) -> TokenMask:
    """Repeat the rows of `given` for beams, and pad it for drafts behind the prompt, as `mask` is.

    `mask` itself if it has fewer tokens.
    """
    more = mask.shape[1] - given.shape[1]
    if more < 0:
        return mask
    return F.pad(given.bool().repeat_interleave(len(mask) // len(given), 0), (0, more))


def narrow_prompt(context: RoutingContext, instruction: Tensor | None, span: str | None) -> None:
    """Restrict `prompt_mask` to the tokens of `InstanceGate.span`, where a sample has any."""
    prompt = context.prompt_mask
    if prompt is None or span in (None, "prompt") or context.reuse_cached_decisions:
        return
    chosen = prompt
    if instruction is not None:
        if len(prompt) % len(instruction) or instruction.shape[1] > prompt.shape[1]:
            raise ValueError(
                f"{INSTRUCTION_KEY} is {tuple(instruction.shape)} for tokens of "
                f"{tuple(prompt.shape)}: pass a bool a token"
            )
        chosen = chosen & fit_to_batch(instruction, prompt)
    if span != "instruction" and context.modality is not None:
        is_text = context.modality == 0
        chosen = chosen & (is_text if span == "text" else ~is_text)
    context.prompt_mask = torch.where(chosen.any(1, keepdim=True), chosen, prompt)


def set_tasks(context: RoutingContext, task_ids: Tensor, num_tasks: int, *, repeats: bool) -> None:
    """Set the samples' tasks; `repeats` says that a prompt may have several neighbouring rows."""
    if not isinstance(task_ids, Tensor) or task_ids.dtype != torch.int64 or task_ids.ndim != 1:
        found = getattr(task_ids, "dtype", type(task_ids).__name__)
        raise ValueError(f"task_ids is {found}: pass an int64 tensor with one index a sample")
    batch, entries = context.batch_size, task_ids.numel()
    copies = count_copies("task_ids", entries, batch, repeats=repeats)
    if task_ids.device.type == "cpu" and not torch.compiler.is_compiling():
        low, high = int(task_ids.min()), int(task_ids.max())
        if low < 0 or (num_tasks and high >= num_tasks):
            raise ValueError(
                f"task_ids has {low if low < 0 else high}, but the model was grafted for "
                f"{num_tasks} tasks: allowed are 0 to {num_tasks - 1}"
            )
        context.single_task, context.highest_task = (low if low == high else None), high
        context.present_tasks = frozenset(task_ids.tolist())
    context.task_ids = task_ids.to(context.device).repeat_interleave(copies)
