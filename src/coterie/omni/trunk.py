"""Hidden states below the lowest trained layer on disk, so that frozen layers run once a sample."""

import contextlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

from coterie.omni import files
from coterie.omni.cache import digest
from coterie.omni.encoders.base import of_modality
from coterie.omni.features import items, together
from coterie.omni.model import MODALITIES, OmniModel, learns

FAMILIES = ("llama",)
"""Language models whose layers are a list that is run through, and look only backward."""

READ = (
    "hidden_act",
    "rms_norm_eps",
    "rope_parameters",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
)
"""What their layers read of the configuration, beside shapes that the weights have."""


@contextlib.contextmanager
def kept_trunk(model: nn.Module, folder: str | Path) -> Iterator["Trunk | None"]:
    """Within, training takes what comes out of the frozen lower layers from files.

    A sample's hidden states are computed once and alone, so they do not depend on the batch it
    came in. Kept in the dtype they are computed in. Media must come as features, as
    `FeatureCache` has them; other batches, and eval mode, run every layer.

    Args:
        model: an omni model, grafted or not.
        folder: where the files go; processes may share it.

    Yields:
        What answers for the layers that are left out; None where nothing can be, since something
        at or before the first layer learns.
    """
    omni = next(module for module in model.modules() if isinstance(module, OmniModel))
    depth = frozen_depth(omni)
    if depth == 0:
        yield None
        return
    trunk = Trunk(omni, depth, Path(folder))
    handle = omni.register_forward_pre_hook(trunk.take, with_kwargs=True)
    try:
        trunk.attach()
        yield trunk
    finally:
        handle.remove()
        trunk.detach()


def frozen_depth(model: OmniModel) -> int:
    """How many of the language model's first layers give every sample the same, step by step."""
    config = model.config.text_config
    before = [model.get_input_embeddings(), model.connectors, *map(model.tower, model.encoders)]
    if config.model_type not in FAMILIES or config.attention_dropout or any(map(changes, before)):
        return 0
    layers = list(model.language_model.layers)
    return next((i for i, layer in enumerate(layers) if changes(layer)), 0)


def changes(module: nn.Module) -> bool:
    """Whether it learns, or something is grafted into it, which may be random."""
    return learns(module) or any(isinstance(each, BaseTunerLayer) for each in module.modules())


class Trunk:
    """The lower layers of a language model, whose answers are kept a file a sample."""

    def __init__(self, model: OmniModel, depth: int, folder: Path) -> None:
        self.model = model
        self.layers = list(model.language_model.layers)[:depth]
        self.plain = [layer.forward for layer in self.layers]
        self.folder = folder / self.fingerprint()[:16]
        self.folder.mkdir(parents=True, exist_ok=True)
        self.batch: Mapping[str, Any] = {}
        self.left_out = False

    def fingerprint(self) -> str:
        """sha256 of all that the hidden states depend on, beside the features."""
        modules = [self.model.get_input_embeddings(), self.model.connectors, *self.layers]
        weights = [weight.detach() for module in modules for weight in module.parameters()]
        config = self.model.config.text_config
        read = repr([(name, getattr(config, name, None)) for name in READ])
        return digest(str(len(self.layers)).encode(), read.encode(), *map(raw, weights))

    def attach(self) -> None:
        """Puts itself in front of the layers, whose hooks still run."""
        for number, layer in enumerate(self.layers):
            layer.forward = self.first if number == 0 else self.passing(number)

    def detach(self) -> None:
        """Leaves the layers as they were."""
        for layer in self.layers:
            vars(layer).pop("forward", None)

    def take(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Sees the batch before the model does."""
        self.batch = kwargs

    def fill(self, batch: Mapping[str, Any]) -> None:
        """Computes what is missing of a batch to train on, and nothing else."""
        self.batch = batch
        if self.usable():
            self.each_hidden()

    def first(self, hidden_states: Tensor, **kwargs: Any) -> Tensor:
        """The first layer's forward: what comes out of the last of them, or its own answer."""
        self.left_out = self.layers[0].training and self.usable()
        if not self.left_out:
            return self.plain[0](hidden_states, **kwargs)
        answer = torch.zeros_like(hidden_states)
        for row, hidden in enumerate(self.each_hidden()):
            answer[row, : len(hidden)] = hidden.to(answer)
        return answer

    def passing(self, number: int) -> Any:
        """The forward of a layer after the first."""

        def forward(hidden_states: Tensor, **kwargs: Any) -> Tensor:
            run = self.plain[number]
            return hidden_states if self.left_out else run(hidden_states, **kwargs)

        return forward

    def usable(self) -> bool:
        """Whether the batch is of tokens, padded behind, with media as features."""
        given = {name for name, value in self.batch.items() if value is not None}
        mask = self.batch.get("attention_mask")
        if "input_ids" not in given or mask is None or mask.ndim != 2:
            return False
        if given & {"pixel_values", "input_features", "position_ids", "past_key_values"}:
            return False
        return bool((mask[:, :-1] >= mask[:, 1:]).all())

    def samples(self) -> Iterator[dict[str, Tensor]]:
        """Each sample's own tokens and features, without padding."""
        ids, rows = self.batch["input_ids"], self.batch["attention_mask"].sum(1).tolist()
        owned = [self.owned(modality) for modality in MODALITIES]
        for row, length in enumerate(rows):
            sample = {"input_ids": ids[row : row + 1, :length]}
            for by_row in owned:
                sample |= by_row.get(row, {})
            yield sample

    def owned(self, modality: str) -> dict[int, dict[str, Tensor]]:
        """Row -> what the batch says of its images or sounds, by the model's names for it."""
        features = self.batch.get(f"{modality}_features")
        if features is None:
            return {}
        encoders = of_modality(self.model.encoders, modality)
        lengths = torch.zeros(len(features), dtype=torch.long)
        if modality == "audio":
            lengths = self.batch["feature_lengths"].cpu()
        tokens = torch.as_tensor(sum(each.tokens(lengths) for each in encoders)).expand(
            len(lengths)
        )
        asked = self.batch["input_ids"] == self.model.config.placeholder(modality)
        owners = torch.searchsorted(asked.sum(1).cumsum(0).cpu(), tokens.cumsum(0))
        each = items(features, lengths, encoders)
        found = {}
        for row in owners.unique().tolist():
            mine = (owners == row).nonzero().flatten().tolist()
            found[row] = {f"{modality}_features": together([each[i] for i in mine], encoders)}
            if modality == "audio":
                found[row]["feature_lengths"] = lengths[mine]
        return found

    def each_hidden(self) -> list[Float[Tensor, "seq width"]]:
        """`hidden` of each sample, on all cores.

        One sample's products are too small to share between cores, so each core has a sample of
        its own. On a GPU they queue.
        """
        threads = torch.get_num_threads()
        cores = threads if self.model.device.type == "cpu" else 1
        with ThreadPoolExecutor(cores, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            try:
                return list(pool.map(self.hidden, self.samples()))
            finally:
                torch.set_num_threads(threads)

    def hidden(self, sample: dict[str, Tensor]) -> Float[Tensor, "seq width"]:
        """What comes out of the last lower layer."""
        parts = [part for name in sorted(sample) for part in (name.encode(), raw(sample[name]))]
        key = digest(*parts)
        path = self.folder / key[:2] / f"{key}.safetensors"
        kept = files.read(path)
        if kept is None:
            kept = {"hidden": self.computed(sample)}
            files.write(path, kept)
        return kept["hidden"]

    @torch.no_grad()
    def computed(self, sample: dict[str, Tensor]) -> Float[Tensor, "seq width"]:
        """The lower layers' answer to one sample alone."""
        media = {
            "image": (None, sample.get("image_features"), None),
            "audio": (None, sample.get("audio_features"), sample.get("feature_lengths")),
        }
        hidden = self.model.embed(sample["input_ids"], media, prefill=True)
        positions = torch.arange(hidden.shape[1], device=hidden.device)[None]
        angles = self.model.language_model.rotary_emb(hidden, position_ids=positions)
        for run in self.plain:
            hidden = run(hidden, position_ids=positions, position_embeddings=angles)
        return hidden[0].cpu()


def raw(tensor: Tensor) -> bytes:
    """A tensor's shape, dtype and bytes."""
    flat = tensor.detach().cpu().contiguous().flatten()
    values = flat.view(torch.uint8).numpy().tobytes()
    return f"{tuple(tensor.shape)} {tensor.dtype}".encode() + values
