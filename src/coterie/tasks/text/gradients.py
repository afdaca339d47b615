"""`TextGradientSource`: text tasks, compared in an adapter's parameters and a new shared LoRA."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext

import numpy as np
from jaxtyping import Float
from peft import PeftModel
from torch import Tensor, nn

from coterie.data.sample import TextSample
from coterie.models.loading import LoadedModel
from coterie.tasks.gradients.lora_probe import probe_lora, supports_probe
from coterie.tasks.gradients.parameter_space import (
    ParameterSpace,
    find_adapter_parameters,
    get_parameter_towers,
    group_parameters,
    preserve_flags,
)
from coterie.tasks.gradients.source import GradientSource, split_into_batches
from coterie.tasks.text.collator import TextCollator
from coterie.tasks.text.loss import compute_token_losses, get_output_head
from coterie.tasks.text.task import TextTask

DEFAULT_SITES = ("text.attn", "text.mlp")
"""Where the shared LoRA is added unless `at` names other roles."""


class TextGradientSource(GradientSource):
    """Each task has rows of its own; losses are means over answer tokens, in nats."""

    paired = False

    def __init__(
        self,
        loaded: LoadedModel,
        tasks: Sequence[TextTask],
        *,
        model_tasks: Sequence[str],
        split: str,
        at: Sequence[str],
        skip_bad_rows: bool = False,
    ) -> None:
        """
        Args:
            loaded: grafted or not.
            tasks: those to compare.
            model_tasks: names of the model's tasks, in the order of its task ids.
            split: whose rows are used.
            at: roles or patterns at which the shared LoRA is added, as `Mixture.at`.
            skip_bad_rows: leave out rows that cannot be read.
        """
        self.loaded, self.tasks, self.split, self.at = loaded, tuple(tasks), split, tuple(at)
        self.skip_bad_rows = skip_bad_rows
        self.names = tuple(task.name for task in tasks)
        self.settings = {"at": list(at)}
        self.collator = TextCollator(loaded.processor, model_tasks)

    def sample_batches(
        self, batches: int, batch_size: int, *, seed: int
    ) -> list[list[list[TextSample]]]:
        return [self._sample_task_batches(task, batches, batch_size, seed) for task in self.tasks]

    def _sample_task_batches(
        self, task: TextTask, batches: int, batch_size: int, seed: int
    ) -> list[list[TextSample]]:
        rows = task.read_samples(self.split, check_media=False, skip_bad_rows=self.skip_bad_rows)
        order = np.random.default_rng(seed).permutation(len(rows)).tolist()
        has = f"rows in its {self.split!r} split"
        parts = split_into_batches(order, batches, batch_size, task=task.name, has=has)
        return [[rows[index] for index in part] for part in parts]

    @contextmanager
    def open_spaces(self, *, seed: int) -> Iterator[tuple[nn.Module, Mapping[str, ParameterSpace]]]:
        base = self.loaded.model
        adapter = base.active_adapters[0] if isinstance(base, PeftModel) else None
        can_probe = not isinstance(base, PeftModel) or supports_probe(base)
        with preserve_flags(base):
            probed = probe_lora(base, self.at, seed=seed) if can_probe else nullcontext((base, {}))
            with probed as (model, probe):
                own = {} if adapter is None else find_adapter_parameters(model, adapter)
                spaces = {
                    kind: group_parameters(named, get_parameter_towers(named, model).__getitem__)
                    for kind, named in {"adapter": own, "probe": probe}.items()
                    if named
                }
                yield model, spaces

    def compute_loss(
        self, model: nn.Module, task: int, batch: Sequence[TextSample]
    ) -> Float[Tensor, ""]:
        device = next(model.parameters()).device
        inputs = {key: each.to(device) for key, each in self.collator(batch).items()}
        loaded = self.loaded.model
        base_model = loaded.get_base_model() if isinstance(loaded, PeftModel) else loaded
        return compute_token_losses(model, get_output_head(base_model), inputs).losses.mean()
