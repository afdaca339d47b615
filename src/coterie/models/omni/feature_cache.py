"""`FeatureCache`: features of frozen encoders on disk, so that each item is encoded once."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from coterie import serialization
from coterie.encoding.connector import Features
from coterie.encoding.encoder import Encoder, Lengths
from coterie.modalities.base import get_media_modality
from coterie.models.omni import files
from coterie.models.omni.encoders.base import join_items, select_modality, split_items
from coterie.models.omni.modeling import OmniModel, is_trainable

LENGTH = "0"
"""The name of an item's length among its features, which no encoder can have."""


class FeatureCache:
    """A cache of pooled encoder outputs before the connector, one small file per item.

    Assign one to `processor.feature_cache`. File names hash the item (decoded pixels or samples
    and preprocessing settings) and the encoders (configuration and weights). Writes are atomic, so
    processes may share a folder and be killed; a damaged file is recomputed.

    Stored as float16, half the size: features are within a few hundred, rounding changes them by
    1/2000, and the connector's norm follows. A value beyond float16 is an error.

    Args:
        model: an omni model, with or without head, whose frozen encoders compute missing features.
        batch_size: number of items encoded at once.
    """

    def __init__(self, model: Any, folder: str | Path, *, batch_size: int = 16):
        self.model: OmniModel = model.base_model
        self.batch_size = batch_size
        self.check_frozen()
        self.folder = Path(folder) / compute_fingerprint(self.model)[:16]
        self.folder.mkdir(parents=True, exist_ok=True)

    def __deepcopy__(self, memo: dict[int, Any]) -> "FeatureCache":
        return self  # a processor deep-copies itself to be printed or saved

    @torch.no_grad()
    def get_features(
        self,
        modality: str,
        items: list[Any],
        processor: Any,
        options: Mapping[str, Any] = MappingProxyType({}),
    ) -> tuple[Features, Lengths]:
        """Return features of decoded items, computing those that are not stored, and their lengths.

        `options` are those of the processor's call for the modality.
        """
        self.check_frozen()
        device = self.model.device
        encoders = select_modality(self.model.encoders, modality)
        wanted = {*(encoder.name for encoder in encoders), LENGTH}
        keys = compute_keys(modality, items, encoders[0], processor, options)
        found = {key: files.read(self.folder, key) or {} for key in keys}
        missing = [keys.index(key) for key, stored in found.items() if stored.keys() != wanted]
        for start in range(0, len(missing), self.batch_size):
            chosen = missing[start : start + self.batch_size]
            values, lengths = encoders[0].prepare([items[i] for i in chosen], processor, options)
            encoded = self.model.encode(modality, values.to(device), lengths.to(device))
            features = encoded.cpu().half()
            if not features.isfinite().all():
                raise ValueError(
                    f"features of an {modality} are beyond what float16 holds: train "
                    "without a cache"
                )
            computed = split_items(features, lengths, encoders)
            for index, tensors, length in zip(chosen, computed, lengths, strict=True):
                found[keys[index]] = tensors | {LENGTH: length}
                files.write(self.folder, keys[index], found[keys[index]])
        stored = [found[key] for key in keys]
        return join_items(stored, encoders), torch.stack([each[LENGTH] for each in stored])

    def check_frozen(self) -> None:
        """Raise ValueError if an encoder is being trained: its features would become stale."""
        for encoder in self.model.encoders:
            if is_trainable(self.model.get_tower(encoder)):
                raise ValueError(
                    f"the encoder {encoder.name!r} is being trained, so its features cannot be "
                    "kept: set processor.feature_cache = None, or freeze it"
                )


def compute_keys(
    modality: str,
    items: Sequence[Any],
    encoder: Encoder,
    processor: Any,
    options: Mapping[str, Any],
) -> list[str]:
    """Compute the names of the files of items: of what they are, and how they are prepared."""
    serialize = get_media_modality(modality).serialize
    settings = f"{encoder.describe_preparation(processor)} {sorted(options.items(), key=str)}"
    return [files.compute_digest(settings.encode(), serialize(each)) for each in items]


def compute_fingerprint(model: OmniModel) -> str:
    """Compute the SHA-256 of the encoders' configurations and weights, of any dtype."""
    parts: list[bytes] = []
    for encoder in model.encoders:
        parts.append(serialization.dumps(encoder).encode())
        for name, weights in sorted(model.get_tower(encoder).state_dict().items()):
            plain = weights.detach().dequantize().float().cpu().contiguous()
            parts += [name.encode(), plain.numpy().tobytes()]
    return files.compute_digest(*parts)
