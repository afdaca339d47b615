"""`TextGradientSource`: text tasks, compared in an adapter's parameters and a new shared LoRA."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, Unpack, cast

import numpy as np
import torch
from jaxtyping import Float
from peft import PeftModel
from torch import Tensor, nn
from transformers import PreTrainedModel

from coterie.experts.lora import Lora
from coterie.graft import graft
from coterie.mixture import Mixture
from coterie.models.loading import LoadedModel
from coterie.tasks.gradients import (
    GradientOptions,
    GradientSource,
    OpenSpaces,
    Parameters,
    find_adapter_parameters,
    get_parameter_towers,
    group_parameters,
    preserve_flags,
    split_into_batches,
)
from coterie.tasks.losses import ItemLosses
from coterie.tasks.predictions import Collator
from coterie.tasks.text.batches import TextCollator, compute_token_losses
from coterie.tasks.text.task import TextTask
from coterie.tuner.layer import CoterieLayer

DEFAULT_SITES = ("text.attn", "text.mlp")
"""Where the shared LoRA is added unless `at` names other roles."""
NAME = "coterie_probe"
RANK = 8
ComputeLosses = Callable[[nn.Module, nn.Module | None, dict[str, Any]], ItemLosses]


class TextGradientSource(GradientSource):
    """Each task has rows of its own; losses are means over answer tokens, in nats, or another."""

    paired = False

    def __init__(
        self,
        loaded: LoadedModel,
        tasks: Sequence[TextTask],
        *,
        collator: Collator | None = None,
        compute_losses: ComputeLosses = compute_token_losses,
        **options: Unpack[GradientOptions],
    ) -> None:
        """Compare `tasks` in a model, grafted or not.

        `collator` and `compute_losses` are those of another loss on the same rows, which gets the
        model, its output head and a batch.
        """
        self.loaded, self.tasks, self.options = loaded, tuple(tasks), options
        self.names = tuple(task.name for task in tasks)
        self.at = tuple(DEFAULT_SITES if options["at"] is None else options["at"])
        self.settings = {"at": list(self.at)}
        self.collator = collator or TextCollator(loaded.processor, options["model_tasks"])
        self.compute_losses = compute_losses

    def sample_batches(self, batches: int, batch_size: int, *, seed: int) -> list[list[list[Any]]]:
        split, skip = self.options["split"], self.options["skip_bad_rows"]
        found = []
        for task in self.tasks:
            rows = task.read_samples(split, check_media=False, skip_bad_rows=skip)
            order = np.random.default_rng(seed).permutation(len(rows)).tolist()
            has = f"rows in its {split!r} split"
            parts = split_into_batches(order, batches, batch_size, task=task.name, has=has)
            found.append([[rows[index] for index in part] for part in parts])
        return found

    @contextmanager
    def open_spaces(self, *, seed: int) -> Iterator[OpenSpaces]:
        base = self.loaded.model
        adapter = base.active_adapters[0] if isinstance(base, PeftModel) else None
        probed = nullcontext((base, {}))
        if supports_probe(base):
            probed = probe_lora(base, self.at, seed=seed)
        with preserve_flags(base), probed as (model, probe):
            own = {} if adapter is None else find_adapter_parameters(model, adapter)
            spaces = {
                kind: group_parameters(named, get_parameter_towers(named, model).__getitem__)
                for kind, named in {"adapter": own, "probe": probe}.items()
                if named
            }
            yield model, spaces

    def compute_loss(self, model: nn.Module, task: int, batch: Sequence[Any]) -> Float[Tensor, ""]:
        device = next(model.parameters()).device
        inputs = {key: each.to(device) for key, each in self.collator(batch).items()}
        base: Any = self.loaded.model
        base = base.get_base_model() if isinstance(base, PeftModel) else base
        losses = self.compute_losses(model, base.get_output_embeddings(), inputs).losses
        if not len(losses):
            raise ValueError(
                f"{batch[0].source}: no token of the batch's answers can be predicted, as nothing "
                "is before them: check the chat template"
            )
        return losses.mean()


@contextmanager
def probe_lora(
    model: PreTrainedModel | PeftModel, at: Sequence[str], *, seed: int
) -> Iterator[tuple[nn.Module, Parameters]]:
    """Add a new shared LoRA at the linear layers that `at` names; it changes no output.

    Its second factor (`up`, zero) has the gradient scale * G @ down^T, where G is the gradient of
    the base model's own weight and `down` is random. So inner products are, up to a factor and on
    average, those of the base model's own gradients (a random projection), and at the same time
    exactly those of the first step that a shared LoRA takes: `down` has no gradient there.
    Afterwards the model is what it was, bit for bit, including hooks and flags.

    Args:
        model: a base model, or a grafted one, whose adapters stay active.
        at: roles or patterns, as `Mixture.at`.
        seed: of `down`.

    Yields:
        The model to call, and the second factors by the names of their modules.
    """
    lora = Lora(ranks=(RANK,), alpha=float(RANK))
    mixtures = [Mixture(at=each, experts=lora, gate=None) for each in at]
    with preserve_flags(model), torch.random.fork_rng():
        torch.manual_seed(seed)
        if isinstance(model, PeftModel):
            with _add_probe(model, mixtures):
                yield model, find_adapter_parameters(model, NAME, only="up")
            return
        grafted = graft(model, mixtures, adapter=NAME)
        grafted.eval()  # new modules are in training mode
        try:
            yield grafted, find_adapter_parameters(grafted, NAME, only="up")
        finally:
            grafted.unload()
            # PEFT leaves this attribute, and would take a later graft for a second one.
            vars(model).pop("peft_config", None)


@contextmanager
def _add_probe(model: PeftModel, mixtures: Sequence[Mixture]) -> Iterator[None]:
    before = list(model.active_adapters)
    layers = {module for module in model.modules() if isinstance(module, CoterieLayer)}
    graft(model, mixtures, adapter=NAME)
    tuner = cast(Any, model.base_model)
    try:
        tuner.set_adapter([*before, NAME])
        model.eval()
        yield
    finally:
        model.delete_adapter(NAME)
        # PEFT leaves the layers that only the probe needed in place, empty.
        for parent in list(model.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, CoterieLayer) and child not in layers:
                    setattr(parent, name, child.base_layer)
        model.set_adapter(before[0])
        tuner.set_adapter(before)


def supports_probe(model: nn.Module) -> bool:
    """Return whether a probe can be added to a model: not where experts replace blocks."""
    return all(
        site.mixture.main.attaches_to == "linears"
        for module in model.modules()
        if isinstance(module, CoterieLayer)
        for site in module.coterie_site.values()
    )
