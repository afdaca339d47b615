"""Embeddings of prompts and of answers by a language model: the state after the last token."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import KW_ONLY, dataclass
from time import monotonic
from typing import Any, Unpack

import torch
from jaxtyping import Float
from torch import Tensor, nn

from coterie import distributed
from coterie.data.sample import Message, TextSample
from coterie.graft import observe
from coterie.info_nce import compute_info_nce
from coterie.models.loading import LoadedModel
from coterie.tasks.losses import ItemLosses
from coterie.tasks.predictions import PredictOptions
from coterie.tasks.retrieval.ranks import mark_equal
from coterie.tasks.text.batches import TextCollator
from coterie.tasks.text.generation import prepare_inputs


@dataclass(eq=False)
class PairCollator:
    """A collator of pairs: the prompts of a batch, and then their first answers as prompts.

    They are one batch, so that one forward pass embeds both and mixtures see all of them. Padded on
    the left, so that each row's last token is its last position.
    """

    processor: Any
    task_names: Sequence[str]
    _: KW_ONLY
    max_length: int | None = None

    def __call__(self, samples: Sequence[TextSample]) -> dict[str, Tensor]:
        """Make a batch: that of `TextCollator.collate_prompts`, and `excluded` [pairs, pairs].

        `excluded` marks samples that are no negatives of each other: of two tasks, or of one
        answer. Raises ValueError as `TextCollator`.
        """
        collator = TextCollator(self.processor, self.task_names, max_length=self.max_length)
        batch = collator.collate_prompts([*samples, *map(make_candidate, samples)])
        if self.max_length is not None and batch["input_ids"].shape[1] > self.max_length:
            raise ValueError(
                f"{samples[0].source} or another row of its batch has "
                f"{batch['input_ids'].shape[1]} tokens; max_length is {self.max_length}. Nothing "
                "is cut: give a larger max_length, or leave the row out"
            )
        task = batch["task_ids"][: len(samples)]
        alike = mark_equal([each.answers[0] for each in samples])
        return batch | {"excluded": alike | (task[:, None] != task)}


def make_candidate(sample: TextSample) -> TextSample:
    """Return the first answer as a prompt of its own."""
    turn = Message(role="user", parts=(sample.answers[0],))
    return TextSample(
        task=sample.task, messages=(turn,), answers=sample.answers, source=sample.source
    )


def embed(
    model: Any, head: nn.Module | None, batch: Mapping[str, Any]
) -> Float[Tensor, "batch width"]:
    """Return the state from which the last token's logits follow, for each row of a batch.

    As VLM2Vec (arXiv:2410.05160) embeds. The output head `head` is given this one position alone.

    Raises ValueError for a model without an output head.
    """
    taken: list[Tensor] = []

    def take(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        taken.append(args[0][:, -1])
        return (args[0][:, -1:], *args[1:])

    if head is None:
        raise ValueError(
            f"{type(model).__name__} has no output head, whose input is the embedding: give a "
            "language model as the base"
        )
    handle = head.register_forward_pre_hook(take)
    try:
        model(**{name: each for name, each in batch.items() if name != "excluded"})
    finally:
        handle.remove()
    return taken[0]


def compute_pair_losses(
    model: Any, head: nn.Module | None, batch: Mapping[str, Any], *, temperature: float
) -> ItemLosses:
    """Compute each pair's InfoNCE, the mean of both directions, on a batch of `PairCollator`."""
    queries, candidates = embed(model, head, batch).chunk(2)
    there, back = (
        compute_info_nce(*pair, temperature=temperature, excluded=batch["excluded"])
        for pair in ((queries, candidates), (candidates, queries))
    )
    return ItemLosses((there + back) / 2, batch["task_ids"][: len(queries)])


@torch.no_grad()
def embed_pairs(
    loaded: LoadedModel,
    collator: PairCollator,
    samples: Sequence[TextSample],
    **options: Unpack[PredictOptions],
) -> tuple[Float[Tensor, "samples width"], Float[Tensor, "samples width"], float]:
    """Return the embeddings of all prompts and of all answers on the CPU, and the model's seconds.

    Of several processes, all must call it, and each embeds a part of the batches.
    """
    model: Any = loaded.model
    model.eval()
    size, on_routing = options["batch_size"], options.get("on_routing")
    found: dict[int, Tensor] = {}
    seconds = 0.0
    for start in distributed.take_share(range(0, len(samples), size)):
        rows = [samples[row] for row in range(start, min(start + size, len(samples)))]
        batch = prepare_inputs(collator(rows), model)
        started = monotonic()
        with nullcontext() if on_routing is None else observe(model) as tape:
            # On a GPU this waits until the embeddings are there.
            found[start] = embed(model, model.get_output_embeddings(), batch).float().cpu()
        seconds += monotonic() - started
        if on_routing is not None and tape is not None:
            on_routing(tape)
        options.get("on_batch_end", lambda done: None)(min(start + size, len(samples)))
    parts = distributed.all_gather_object((found, seconds))
    together = {start: each for part, _ in parts for start, each in part.items()}
    halves = [together[start].chunk(2) for start in sorted(together)]
    queries, candidates = (torch.cat(each) for each in zip(*halves, strict=True))
    return queries, candidates, sum(took for _, took in parts)
