"""Batches of text samples: `TextCollator`, which labels the answers only, and the labels' loss."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coterie.data.chat_template import (
    apply_template,
    get_end_of_turn_id,
    get_tokenizer,
    writes_image_itself,
)
from coterie.data.instruction_mask import mark_instructions
from coterie.data.sample import TextSample
from coterie.data.sources.base import get_first_line
from coterie.models.image_limit import get_max_pixels
from coterie.tasks.losses import ItemLosses

IGNORE_INDEX = -100
"""The label of tokens without a loss, as in torch and transformers."""


@dataclass(eq=False)
class TextCollator:
    """A collator of text samples.

    Prompts are tokenized with the processor's chat template in one call; the first answer and the
    token that ends the turn follow. Media tensors are the processor's own.

    Attributes:
        processor: a transformers processor or tokenizer with a chat template.
        task_names: the tasks, in the order of `task_ids`.
        max_length: maximum tokens of prompt and answer; longer samples are an error, as nothing is
            truncated.
    """

    processor: Any
    task_names: Sequence[str]
    _: KW_ONLY
    max_length: int | None = None

    def __post_init__(self) -> None:
        if self.max_length is not None and self.max_length < 1:
            raise ValueError(f"max_length={self.max_length}: give at least 1, or None for no limit")
        self.end_of_turn = get_end_of_turn_id(self.processor)
        # PaliGemma's processor takes the answer, too, and marks it: its prompt sees itself alone.
        call = inspect.signature(type(self.processor).__call__)
        self.answer_type = int("suffix" in call.parameters)

    def __call__(self, samples: Sequence[TextSample]) -> dict[str, Tensor]:
        """Make a training batch, padded on the right.

        `input_ids`, `attention_mask`, `labels` and `instruction_mask` [batch, seq], `task_ids`
        [batch], and the processor's media tensors. Labels are -100 except at the answer and the
        end of its turn; `instruction_mask` is True at the users' turns.

        Raises ValueError for a sample of an unknown task, one that is too long, or one that the
        processor refuses, with its file and row.
        """
        task_ids, encoded = self._encode_prompts(samples)
        answers = [torch.tensor(self.tokenize_answer(sample)) for sample in samples]
        self._check_lengths(samples, encoded["attention_mask"], answers)
        batch = append_answers(
            encoded, answers, pad=self.pad_token_id, side="right", answer_type=self.answer_type
        )
        mask = batch["attention_mask"]
        labels = torch.full_like(mask, IGNORE_INDEX)
        for row, length, answer in zip(labels, mask.sum(1).tolist(), answers, strict=True):
            row[length - len(answer) : length] = answer
        return batch | {"labels": labels, "task_ids": task_ids}

    def collate_prompts(self, samples: Sequence[TextSample]) -> dict[str, Tensor]:
        """Make a batch for `generate`, padded on the left, without answers and labels."""
        task_ids, encoded = self._encode_prompts(samples)
        none = [torch.empty(0, dtype=torch.int64)] * len(samples)
        batch = append_answers(encoded, none, pad=self.pad_token_id, side="left")
        return batch | {"task_ids": task_ids}

    @property
    def pad_token_id(self) -> int:
        return get_tokenizer(self.processor).pad_token_id

    def tokenize_answer(self, sample: TextSample) -> list[int]:
        """Return the tokens of the first answer and of the end of the turn."""
        ids = get_tokenizer(self.processor)(sample.answers[0], add_special_tokens=False)
        return [*ids["input_ids"], self.end_of_turn]

    def encode(self, samples: Sequence[TextSample]) -> dict[str, Any]:
        """Return the processor's batch of the prompts, with `instruction_mask`."""
        for sample in samples if writes_image_itself(self.processor) else ():
            if (count := len(sample.get_media())) != 1:
                raise ValueError(f"it takes one image a sample, and this one has {count}")
        limit = get_max_pixels(self.processor)
        messages = [sample.to_chat_messages(limit) for sample in samples]
        encoded = dict(apply_template(self.processor, messages))
        encoded.pop("labels", None)  # PaliGemma's, which are the prompt's
        return encoded | {"instruction_mask": mark_instructions(self.processor, messages, encoded)}

    def _encode_prompts(self, samples: Sequence[TextSample]) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return the task id of each sample, int64 [batch], and the processor's batch."""
        for sample in samples:
            if sample.task not in self.task_names:
                raise ValueError(
                    f"{sample.source} is of task {sample.task!r}; the tasks are "
                    f"{', '.join(self.task_names)}"
                )
        task_ids = torch.tensor([self.task_names.index(sample.task) for sample in samples])
        try:
            return task_ids, self.encode(samples)
        except Exception as error:  # templates and processors raise many types
            self._name_refused(samples)
            raise error

    def _name_refused(self, samples: Sequence[TextSample]) -> None:
        """Raise ValueError, with its file and row, for the first sample that cannot be encoded."""
        for sample in samples:
            try:
                self.encode([sample])
            except Exception as error:
                raise ValueError(f"{sample.source}: {describe_refusal(sample, error)}") from error

    def _check_lengths(
        self, samples: Sequence[TextSample], mask: Tensor, answers: Sequence[Tensor]
    ) -> None:
        """Raise ValueError if a sample is too long."""
        for sample, prompt, answer in zip(samples, mask.sum(1).tolist(), answers, strict=True):
            length = prompt + len(answer)
            if self.max_length is not None and length > self.max_length:
                reason = f"{length} tokens, of which {len(answer)} are the answer's"
                raise ValueError(
                    f"{sample.source}: {reason}; max_length is {self.max_length}. Nothing is cut: "
                    "give a larger max_length, or leave the sample out"
                )


def describe_refusal(sample: TextSample, error: Exception) -> str:
    """Describe why a model's chat template or processor refuses a sample."""
    media = ", ".join(each.name for each in sample.get_media())
    reason = get_first_line(error) or type(error).__name__
    is_template = type(error).__module__.startswith("jinja2") or "chat template" in reason
    who = "the model's chat template" if is_template else "the model's processor"
    return f"{who} refuses it{f' ({media})' if media else ''}: {reason}"


def append_answers(
    encoded: Mapping[str, Tensor],
    answers: Sequence[Tensor],
    *,
    pad: int,
    side: str,
    answer_type: int = 0,
) -> dict[str, Tensor]:
    """Append `answers`, int64 [tokens] each, to prompts, and pad "left" or "right" with `pad`.

    `answer_type` is that of answer tokens in `token_type_ids`. Tensors of the processor's batch
    without one number per token are unchanged.
    """
    mask = encoded["attention_mask"].bool()
    batch = dict(encoded)
    added = {"input_ids": answers, "attention_mask": [torch.ones_like(each) for each in answers]}
    types = [torch.zeros_like(each) for each in answers]  # an answer's tokens are text
    by_token = ("token_type_ids", "instruction_mask")
    added |= {name: types for name in encoded if name.endswith(by_token)}
    if (seen := encoded.get("cross_attention_mask")) is not None:  # an answer sees all images
        ends = [row[known][-1:] for row, known in zip(seen, mask, strict=True)]
        pairs = zip(ends, answers, strict=True)
        added["cross_attention_mask"] = [x.expand(len(y), *x.shape[1:]) for x, y in pairs]
    if "token_type_ids" in added:
        added["token_type_ids"] = [torch.full_like(each, answer_type) for each in answers]
    for name, more in added.items():
        values = encoded[name]
        if values.shape[:2] == mask.shape:
            rows = [torch.cat([row[seen], new.to(row.dtype)])
                    for row, seen, new in zip(values, mask, more, strict=True)]  # fmt: skip
            filler = pad if name == "input_ids" else 0
            batch[name] = torch.nn.utils.rnn.pad_sequence(
                rows, batch_first=True, padding_value=filler, padding_side=side
            )
    return batch


def compute_token_losses(
    model: nn.Module, head: nn.Module | None, inputs: dict[str, Any]
) -> ItemLosses:
    """Run the model on a batch, packed or not, and return the answer tokens' losses, in nats.

    The labels are not passed to the model, which would convert the logits of all positions to
    float32 and return their mean. The output head, from hidden states to logits (None if unknown),
    computes logits only at positions that predict an answer token: most batches have few of them,
    and the vocabulary projection is a good part of a small model's step.

    Raises ValueError if the model returns no logits for each token.
    """
    arguments = dict(inputs)
    labels = arguments.pop("labels")
    # Position i predicts token i + 1.
    targets = F.pad(labels[:, 1:], (0, 1), value=IGNORE_INDEX)
    selected = (targets != IGNORE_INDEX).nonzero(as_tuple=True)
    if "prompt_mask" not in arguments:
        arguments["prompt_mask"] = arguments["attention_mask"].bool() & mark_prompt(labels)
    with select_answer_positions(head, labels.shape, selected) as narrowed:
        logits = model(**arguments).logits
    if narrowed:
        logits = logits.reshape(-1, logits.shape[-1])
    elif logits.shape[:2] == labels.shape:
        logits = logits[selected]
    if logits.ndim != 2 or logits.shape[0] != len(selected[0]):
        raise ValueError(
            f"the model returned logits of shape {tuple(logits.shape)} for tokens of shape "
            f"{tuple(labels.shape)}: coterie trains models that give logits for each token"
        )
    losses = F.cross_entropy(logits.float(), targets[selected], reduction="none")
    owner = get_sample_of_tokens(labels, arguments.get("sample_spans"))[selected]
    return ItemLosses(losses, arguments["task_ids"][owner])


def mark_prompt(labels: Tensor) -> Tensor:
    """Return which tokens are before a row's answer."""
    return (labels != IGNORE_INDEX).cumsum(1) == 0


def get_sample_of_tokens(labels: Tensor, spans: Tensor | None) -> Tensor:
    """Return the sample of each token: its row's, or that of the span that it is in."""
    if spans is None:
        return torch.arange(len(labels), device=labels.device)[:, None].expand(labels.shape)
    samples = torch.arange(len(spans), device=labels.device)
    return samples.repeat_interleave(spans.sum(1)).view(labels.shape)


@contextmanager
def select_answer_positions(
    head: nn.Module | None, shape: torch.Size, selected: tuple[Tensor, ...]
) -> Iterator[list[bool]]:
    """Restrict `head` to the selected positions; the list is not empty once it was called so."""
    narrowed: list[bool] = []
    if head is None:
        yield narrowed
        return

    def pick(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        # A traced hook would keep the positions of the first batch.
        if torch.compiler.is_compiling() or not args or args[0].shape[:2] != shape:
            return None
        narrowed.append(True)
        return (args[0][selected][None], *args[1:])

    handle = head.register_forward_pre_hook(pick)
    try:
        yield narrowed
    finally:
        handle.remove()
