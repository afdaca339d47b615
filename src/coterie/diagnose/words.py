"""Tasks that are answered in words, compared in what a run trained and in a fresh shared LoRA."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
from jaxtyping import Float
from peft import PeftModel
from torch import Tensor, nn

from coterie.data.collate import Collator
from coterie.data.sample import Sample
from coterie.diagnose.gradients import Space, space
from coterie.diagnose.probe import factors, fits_beside, probed, restored, towers
from coterie.diagnose.subject import Subject, parted
from coterie.pretrained import Pretrained
from coterie.tasks.task import Task
from coterie.train.kept import keep_features
from coterie.train.losses import token_losses

AT = ("text.attn", "text.mlp")


class Words(Subject):
    """Each task has rows of its own; losses are of answer tokens, in nats."""

    paired = False

    def __init__(
        self,
        loaded: Pretrained,
        tasks: Sequence[Task],
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
        self.collator = Collator(loaded.processor, ids)

    def drawn(self, batches: int, batch_size: int, *, seed: int) -> list[list[list[Sample]]]:
        return [self._drawn(task, batches, batch_size, seed) for task in self.tasks]

    def _drawn(self, task: Task, batches: int, batch_size: int, seed: int) -> list[list[Sample]]:
        rows = task.samples(self.split, check_media=False)
        order = np.random.default_rng(seed).permutation(len(rows)).tolist()
        has = f"rows in its {self.split!r} split"
        parts = parted(order, batches, batch_size, task=task.name, has=has)
        return [[rows[index] for index in part] for part in parts]

    @contextmanager
    def places(self, *, seed: int) -> Iterator[tuple[nn.Module, Mapping[str, Space]]]:
        host = self.loaded.model
        adapter = host.active_adapters[0] if isinstance(host, PeftModel) else None
        beside = not isinstance(host, PeftModel) or fits_beside(host)
        with restored(host):
            stands = probed(host, self.at, seed=seed) if beside else nullcontext((host, {}))
            with stands as (model, probe), _features_kept(model, self.loaded.processor):
                own = {} if adapter is None else factors(model, adapter)
                found = {"adapter": own, "probe": probe}
                yield (
                    model,
                    {
                        kind: space(named, towers(named, model).__getitem__)
                        for kind, named in found.items()
                        if named
                    },
                )

    def loss(self, model: nn.Module, task: int, batch: Sequence[Sample]) -> Float[Tensor, ""]:
        device = next(model.parameters()).device
        moved = {key: each.to(device) for key, each in self.collator(batch).items()}
        return token_losses(model, _head(self.loaded.model), moved).losses.mean()


@contextmanager
def _features_kept(model: nn.Module, processor: Any) -> Iterator[None]:
    """Inside, an omni model's encoders run once a picture; then the processor is as before."""
    assert isinstance(model, PeftModel)
    before = dict(vars(processor))
    keep_features(model, processor)
    try:
        yield
    finally:
        vars(processor).clear()
        vars(processor).update(before)


def _head(model: Any) -> nn.Module | None:
    """The module that makes logits of hidden states; None if that is not known."""
    host = model.get_base_model() if isinstance(model, PeftModel) else model
    return host.get_output_embeddings()  # pyright: ignore[reportCallIssue]
