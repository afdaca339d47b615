"""Cache of hidden states below the lowest trained layer: frozen layers run once per sample."""

import contextlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

from coterie.cache_argument import CACHE_NAMES
from coterie.modalities.base import find_media_modalities
from coterie.models.omni import files
from coterie.models.omni.configuration import get_lengths
from coterie.models.omni.encoders.base import join_items, select_modality, split_items
from coterie.models.omni.modeling import OmniModel, is_trainable

FAMILIES = ("llama",)
"""Supported language models: causal, with a sequential list of layers."""

FORWARD_ARGUMENTS = (
    "hidden_act", "rms_norm_eps", "rope_parameters", "num_attention_heads", "num_key_value_heads",
    "head_dim",
)  # fmt: skip
"""Configuration values that their layers use, apart from the weights' shapes."""


@contextlib.contextmanager
def use_hidden_state_cache(
    model: nn.Module, folder: str | Path
) -> Iterator["HiddenStateCache | None"]:
    """Read the outputs of an omni model's frozen lower layers from files while training.

    A sample's hidden states are computed once and alone, so they do not depend on its batch. They
    are stored in the dtype of the computation, in a folder that processes may share. Media must be
    passed as features of `FeatureCache`; other batches, eval mode and accelerators run every layer.

    Yields the cache; None if something at or before the first layer is trained.
    """
    omni = next(module for module in model.modules() if isinstance(module, OmniModel))
    depth = count_frozen_layers(omni)
    if depth == 0:
        yield None
        return
    cache = HiddenStateCache(omni, depth, Path(folder))
    handle = omni.register_forward_pre_hook(cache.capture_batch, with_kwargs=True)
    try:
        for number, layer in enumerate(cache.layers):
            layer.forward = partial(cache.run_layer, number)  # the layers' hooks still run
        yield cache
    finally:
        handle.remove()
        for layer in cache.layers:
            vars(layer).pop("forward", None)


def count_frozen_layers(model: OmniModel) -> int:
    """Count the first layers whose outputs for a sample do not change during training."""
    config = model.config.text_config
    before = [model.get_input_embeddings(), model.connectors, *map(model.get_tower, model.encoders)]
    if (
        config.model_type not in FAMILIES
        or config.attention_dropout
        or any(map(is_trainable_or_grafted, before))
    ):
        return 0
    layers = list(model.language_model.layers)
    return next((i for i, layer in enumerate(layers) if is_trainable_or_grafted(layer)), 0)


def is_trainable_or_grafted(module: nn.Module) -> bool:
    """Return whether a module is trained, or grafted and thus possibly random."""
    is_grafted = any(isinstance(each, BaseTunerLayer) for each in module.modules())
    return is_grafted or is_trainable(module)


class HiddenStateCache:
    """The lower layers of a language model, with their output stored in one file per sample."""

    def __init__(self, model: OmniModel, depth: int, folder: Path) -> None:
        self.model = model
        self.layers = list(model.language_model.layers)[:depth]
        self.original_forwards = [layer.forward for layer in self.layers]
        self.batch: Mapping[str, Any] = {}
        self.is_skipping = False
        # All that hidden states depend on except the features.
        modules = [model.get_input_embeddings(), model.connectors, *self.layers]
        weights = [weight for module in modules for weight in module.parameters()]
        config = model.config.text_config
        read = repr([(name, getattr(config, name, None)) for name in FORWARD_ARGUMENTS])
        read += repr(model.config.encoders)  # heads of a connector, say, have no weights
        parts = [str(depth).encode(), read.encode(), *map(files.serialize_tensor, weights)]
        self.folder = folder / files.compute_digest(*parts)[:16]
        self.folder.mkdir(parents=True, exist_ok=True)

    def capture_batch(
        self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        """Store the batch before the model's forward pass."""
        self.batch = kwargs

    def precompute(self, batch: Mapping[str, Any]) -> None:
        """Compute and store the missing hidden states of a training batch."""
        self.batch = batch
        if self.can_use():
            self.get_hidden_states()

    def run_layer(self, number: int, hidden_states: Tensor, **kwargs: Any) -> Tensor:
        """Run a layer, or return the cached output of the last one, which later ones pass on."""
        if number == 0:
            self.is_skipping = self.layers[0].training and self.can_use()
        if not self.is_skipping:
            return self.original_forwards[number](hidden_states, **kwargs)
        if number > 0:
            return hidden_states
        output = torch.zeros_like(hidden_states)
        for row, hidden in enumerate(self.get_hidden_states()):
            output[row, : len(hidden)] = hidden.to(output)
        return output

    def can_use(self) -> bool:
        """Return whether the batch is on a CPU, padded on the right, and has media as features.

        An accelerator runs a batch through the layers faster than their outputs are read.
        """
        given = {name for name, value in self.batch.items() if value is not None}
        mask = self.batch.get("attention_mask")
        if "input_ids" not in given or mask is None or mask.ndim != 2:
            return False
        if mask.device.type != "cpu":
            return False
        values = {each.values for each in find_media_modalities().values()}
        if given & {*values, "position_ids", *CACHE_NAMES}:
            return False
        return bool((mask[:, :-1] >= mask[:, 1:]).all())

    def split_samples(self) -> list[dict[str, Tensor]]:
        """Return the model's keyword arguments for each sample, without padding."""
        ids, rows = self.batch["input_ids"], self.batch["attention_mask"].sum(1).tolist()
        samples = [{"input_ids": ids[row : row + 1, :size]} for row, size in enumerate(rows)]
        for name, modality in find_media_modalities().items():
            features = self.batch.get(modality.features)
            if features is None:
                continue
            encoders = select_modality(self.model.encoders, name)
            lengths = get_lengths(modality, self.batch, len(features)).cpu()
            owners = self.model.config.find_media_owners(name, ids, lengths)
            items = split_items(features, lengths, encoders)
            for row, sample in enumerate(samples):
                if own := (owners == row).nonzero().flatten().tolist():
                    own_items = [items[index] for index in own]
                    sample[modality.features] = join_items(own_items, encoders)
                    if modality.lengths is not None and modality.lengths in self.batch:
                        sample[modality.lengths] = lengths[own]
        return samples

    def get_hidden_states(self) -> list[Float[Tensor, "seq width"]]:
        """Return each sample's hidden states; its small matrix products run on one CPU core."""
        threads = torch.get_num_threads()
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            try:
                return list(pool.map(self.get_hidden_state, self.split_samples()))
            finally:
                torch.set_num_threads(threads)

    @torch.no_grad()
    def get_hidden_state(self, sample: dict[str, Tensor]) -> Float[Tensor, "seq width"]:
        """Return the output of the last lower layer, from a file or computed."""
        parts = [(name.encode(), files.serialize_tensor(sample[name])) for name in sorted(sample)]
        key = files.compute_digest(*(part for pair in parts for part in pair))
        if stored := files.read(self.folder, key):
            return stored["hidden"]
        hidden = self.model.embed_with_media(sample["input_ids"], sample, prefill=True)
        positions = torch.arange(hidden.shape[1], device=hidden.device)[None]
        angles = self.model.language_model.rotary_emb(hidden, position_ids=positions)
        for run in self.original_forwards:
            hidden = run(hidden, position_ids=positions, position_embeddings=angles)
        state = hidden[0].cpu()
        files.write(self.folder, key, {"hidden": state})
        return state
