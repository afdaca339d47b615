"""`FeatureCache`: features of frozen encoders on disk, so that each item is encoded once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from coterie import serialization
from coterie.models.omni import files
from coterie.models.omni.encoders.base import Features, join_items, select_modality, split_items
from coterie.models.omni.modeling import OmniModel, is_trainable

Prepare = Callable[[list[Any]], tuple[Tensor, Tensor]]
"""Function from images or audio to the encoders' input and its lengths."""


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

    def get_image_features(self, pictures: list[Any], processor: Any) -> Features:
        """Return features of PIL images."""
        settings = repr(sorted(processor.image_processor.to_dict().items(), key=str)).encode()
        keys = [
            files.compute_digest(settings, f"{each.mode} {each.size}".encode(), each.tobytes())
            for each in pictures
        ]

        def prepare(chosen: list[Any]) -> tuple[Tensor, Tensor]:
            return processor.make_pixel_values(chosen), torch.zeros(len(chosen), dtype=torch.long)

        return self.get_features("image", pictures, keys, prepare)

    def get_audio_features(self, waves: list[Any], processor: Any) -> Features:
        """Return features of audio, float32 samples at 16 kHz."""
        settings = repr(processor.feature_extractor.hop_length).encode()
        keys = [files.compute_digest(settings, wave.tobytes()) for wave in waves]
        return self.get_features("audio", waves, keys, processor.make_log_mels)

    @torch.no_grad()
    def get_features(
        self, modality: str, items: list[Any], keys: list[str], prepare: Prepare
    ) -> Features:
        """Return features of the items with these keys, computing those that are not stored."""
        self.check_frozen()
        device = self.model.device
        encoders = select_modality(self.model.encoders, modality)
        names = {encoder.name for encoder in encoders}
        found = {key: files.read(self.folder, key) or {} for key in keys}
        missing = [keys.index(key) for key, stored in found.items() if stored.keys() != names]
        for start in range(0, len(missing), self.batch_size):
            chosen = missing[start : start + self.batch_size]
            values, lengths = prepare([items[index] for index in chosen])
            encoded = self.model.encode(modality, values.to(device), lengths.to(device))
            features = encoded.cpu().half()
            if not features.isfinite().all():
                raise ValueError(
                    f"features of an {modality} are beyond what float16 holds: train "
                    "without a cache"
                )
            computed = split_items(features, lengths, encoders)
            for key, tensors in zip([keys[index] for index in chosen], computed, strict=True):
                files.write(self.folder, key, tensors)
                found[key] = tensors
        return join_items([found[key] for key in keys], encoders)

    def check_frozen(self) -> None:
        """Raise ValueError if an encoder is being trained: its features would become stale."""
        for encoder in self.model.encoders:
            if is_trainable(self.model.get_tower(encoder)):
                raise ValueError(
                    f"the encoder {encoder.name!r} is being trained, so its features cannot be "
                    "kept: set processor.feature_cache = None, or freeze it"
                )


def compute_fingerprint(model: OmniModel) -> str:
    """Compute the SHA-256 of the encoders' configurations and weights, of any dtype."""
    parts: list[bytes] = []
    for encoder in model.encoders:
        parts.append(serialization.dumps(encoder).encode())
        for name, weights in sorted(model.get_tower(encoder).state_dict().items()):
            plain = weights.detach().dequantize().float().cpu().contiguous()
            parts += [name.encode(), plain.numpy().tobytes()]
    return files.compute_digest(*parts)
