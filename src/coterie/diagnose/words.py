"""Tasks that are answered in words, compared in what a run trained and in a fresh shared LoRA."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
from jaxtyping import Float
from peft import PeftModel
from torch import Tensor, nn

from coterie.data.sample import TextSample
from coterie.diagnose.gradients import ParameterSpace, group_parameters
from coterie.diagnose.probe import (
    find_adapter_parameters,
    get_parameter_towers,
    preserve_flags,
    probe_lora,
    supports_probe,
)
from coterie.diagnose.spaces import GradientSource, split_into_batches
from coterie.models.loading import LoadedModel
from coterie.tasks.text.collator import TextCollator
from coterie.tasks.text.loss import compute_token_losses
from coterie.tasks.text.task import TextTask
from coterie.train.frozen_caches import cache_encoder_features

DEFAULT_MODULES = ("text.attn", "text.mlp")


class TextGradientSource(GradientSource):
    """Each task has rows of its own; losses are of answer tokens, in nats."""

    paired = False

    def __init__(
        self,
        loaded: LoadedModel,
        tasks: Sequence[TextTask],
        *,
        ids: Sequence[str],
        split: str,
        at: Sequence[str],
    ) -> None:
        """
        Args:
            loaded: grafted or not.
            tasks: what is compared.
            ids: the names that the model's task ids count.
            split: which rows.
            at: roles or patterns, where the LoRA is put.
        """
        self.loaded, self.tasks, self.split, self.at = loaded, tuple(tasks), split, tuple(at)
        self.names = tuple(task.name for task in tasks)
        self.settings = {"at": list(at)}
        self.collator = TextCollator(loaded.processor, ids)

    def sample_batches(
        self, batches: int, batch_size: int, *, seed: int
    ) -> list[list[list[TextSample]]]:
        return [self._sample_task_batches(task, batches, batch_size, seed) for task in self.tasks]

    def _sample_task_batches(
        self, task: TextTask, batches: int, batch_size: int, seed: int
    ) -> list[list[TextSample]]:
        rows = task.read_samples(self.split, check_media=False)
        order = np.random.default_rng(seed).permutation(len(rows)).tolist()
        has = f"rows in its {self.split!r} split"
        parts = split_into_batches(order, batches, batch_size, task=task.name, has=has)
        return [[rows[index] for index in part] for part in parts]

    @contextmanager
    def open_spaces(self, *, seed: int) -> Iterator[tuple[nn.Module, Mapping[str, ParameterSpace]]]:
        host = self.loaded.model
        adapter = host.active_adapters[0] if isinstance(host, PeftModel) else None
        beside = not isinstance(host, PeftModel) or supports_probe(host)
        with preserve_flags(host):
            stands = probe_lora(host, self.at, seed=seed) if beside else nullcontext((host, {}))
            with stands as (model, probe), _cache_features(model, self.loaded.processor):
                own = {} if adapter is None else find_adapter_parameters(model, adapter)
                found = {"adapter": own, "probe": probe}
                yield (
                    model,
                    {
                        kind: group_parameters(
                            named, get_parameter_towers(named, model).__getitem__
                        )
                        for kind, named in found.items()
                        if named
                    },
                )

    def compute_loss(
        self, model: nn.Module, task: int, batch: Sequence[TextSample]
    ) -> Float[Tensor, ""]:
        device = next(model.parameters()).device
        moved = {key: each.to(device) for key, each in self.collator(batch).items()}
        return compute_token_losses(model, _find_lm_head(self.loaded.model), moved).losses.mean()


@contextmanager
def _cache_features(model: nn.Module, processor: Any) -> Iterator[None]:
    """Inside, an omni model's encoders run once a picture; then the processor is as before."""
    assert isinstance(model, PeftModel)
    before = dict(vars(processor))
    cache_encoder_features(model, processor)
    try:
        yield
    finally:
        vars(processor).clear()
        vars(processor).update(before)


def _find_lm_head(model: Any) -> nn.Module | None:
    """The module that makes logits of hidden states; None if that is not known."""
    host = model.get_base_model() if isinstance(model, PeftModel) else model
    return host.get_output_embeddings()  # pyright: ignore[reportCallIssue]
