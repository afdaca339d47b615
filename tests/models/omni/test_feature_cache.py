"""Features on disk: found again, computed once, never half written, never of trained encoders."""

import copy
import dataclasses
import os

import pytest
import torch

from coterie.models.omni.encoders.image import compute_pixels
from coterie.models.omni.feature_cache import FeatureCache
from tests.models.omni.test_mixed_media import KINDS, clip
from tests.tinies.base import pictures
from tests.tinies.omni import omni_model, omni_processor, waves

PICTURES = pictures((28, 28), (20, 40), (28, 28))


@pytest.fixture
def parts(tmp_path):
    processor = omni_processor()
    model = omni_model(processor)
    return processor, model, FeatureCache(model, tmp_path, batch_size=2)


def counted(cache, monkeypatch):
    """How many items were encoded in each call."""
    calls, encode = [], cache.model.encode

    def spy(modality, values, lengths):
        calls.append(len(values))
        return encode(modality, values, lengths)

    monkeypatch.setattr(cache.model, "encode", spy)
    return calls


def test_each_item_is_encoded_once_in_batches(parts, monkeypatch) -> None:
    processor, model, cache = parts
    calls = counted(cache, monkeypatch)
    first = cache.get_features("image", [*PICTURES, PICTURES[0]], processor)[0]
    assert calls == [2, 1] and first.dtype == torch.float16
    assert torch.equal(cache.get_features("image", [*PICTURES, PICTURES[0]], processor)[0], first)
    assert calls == [2, 1]
    pixels = compute_pixels(PICTURES, processor, {})
    wanted = model.model.encode("image", pixels, torch.zeros(3, dtype=torch.long))
    torch.testing.assert_close(first[:3].float(), wanted, atol=1e-3, rtol=1e-3)


def test_sounds_of_several_lengths(parts, monkeypatch) -> None:
    processor, _, cache = parts
    calls = counted(cache, monkeypatch)
    sounds = waves(0.2, 0.6)
    found = cache.get_features("audio", sounds, processor)[0]
    assert found.shape == (2, 8, 32) and found[0, 4:].eq(0).all()  # 32 and 64 frames
    assert torch.equal(
        cache.get_features("audio", sounds[:1], processor)[0], found[:1, :4]
    ) and calls == [2]


def test_other_weights_or_settings_have_other_files(parts, tmp_path, monkeypatch) -> None:
    processor, model, cache = parts
    cache.get_features("image", PICTURES[:1], processor)[0]
    model.model.vision_tower.embeddings.cls_token.data += 1
    other = FeatureCache(model, tmp_path)
    assert other.folder != cache.folder
    calls = counted(cache, monkeypatch)
    processor.image_processor.do_normalize = False
    cache.get_features("image", PICTURES[:1], processor)[0]
    assert calls == [1]


def test_every_setting_of_every_modality_is_seen(tmp_path, monkeypatch) -> None:
    processor = omni_processor(KINDS)
    cache = FeatureCache(omni_model(processor), tmp_path)
    calls = counted(cache, monkeypatch)
    items = {"image": PICTURES[1], "audio": waves(0.1)[0], "sound": waves(0.1)[0], "video": clip(2)}

    def get(modality: str, **options) -> None:
        cache.get_features(modality, [items[modality]], processor, options)

    for modality in items:
        get(modality)
        get(modality)
    assert len(calls) == 4
    get("image", do_rescale=False)
    processor.image_processor.image_mean = [0.1, 0.2, 0.3]
    get("image")
    get("video")
    processor.feature_extractor.dither = 0.5
    get("sound")
    get("audio")
    items["video"] = clip(2) ^ 1  # other pixels
    get("video")
    assert len(calls) == 10


def test_settings_of_an_encoder_are_another_folder(tmp_path) -> None:
    folders = {
        FeatureCache(omni_model(omni_processor((*KINDS[:3], video))), tmp_path).folder
        for video in (KINDS[3], dataclasses.replace(KINDS[3], max_frames=1))
    }
    assert len(folders) == 2


def test_damaged_files_are_computed_again(parts, monkeypatch) -> None:
    processor, _, cache = parts
    first = cache.get_features("image", PICTURES[:1], processor)[0]
    (path,) = cache.folder.rglob("*.safetensors")
    calls = counted(cache, monkeypatch)
    for content in (b"", path.read_bytes()[:-10]):
        path.write_bytes(content)
        assert torch.equal(cache.get_features("image", PICTURES[:1], processor)[0], first)
    assert calls == [1, 1]


def test_an_interrupted_write_leaves_nothing(parts, monkeypatch) -> None:
    processor, _, cache = parts

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        cache.get_features("image", PICTURES[:1], processor)[0]
    assert not [path for path in cache.folder.rglob("*") if path.is_file()]


def test_trained_encoders_are_refused(parts, tmp_path) -> None:
    processor, model, cache = parts
    model.model.audio_tower.requires_grad_(True)
    for call in (
        lambda: FeatureCache(model, tmp_path),
        lambda: cache.get_features("image", [], processor),
    ):
        with pytest.raises(ValueError, match="'audio' is being trained, so its features cannot"):
            call()


def test_what_float16_cannot_hold_is_refused(parts, monkeypatch) -> None:
    processor, _, cache = parts
    monkeypatch.setattr(cache.model, "encode", lambda *_: torch.full((1, 5, 64), 1e5))
    with pytest.raises(ValueError, match="image are beyond what float16 holds"):
        cache.get_features("image", PICTURES[:1], processor)[0]


def test_copies_share_the_cache(parts) -> None:
    assert copy.deepcopy(parts[2]) is parts[2]
