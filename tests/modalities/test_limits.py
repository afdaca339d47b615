"""Limits on media come from the environment; a wrong one is refused by its name."""

import pytest

from coterie.modalities.base import get_media_modality
from coterie.modalities.limits import MediaLimits, read_media_limits


def test_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_media_limits() == MediaLimits()
    assert MediaLimits().image_pixels == 8192 * 8192
    assert MediaLimits(audio_s=2).audio_samples == 224_000
    sizes = [get_media_modality(name).get_max_bytes() for name in ("image", "audio")]
    assert sizes == [256 * 2**20, 512 * 2**20]


def test_set_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTERIE_MAX_AUDIO_S", "7.5")
    monkeypatch.setenv("COTERIE_MAX_MEDIA_BYTES", "100")
    assert read_media_limits() == MediaLimits(audio_s=7.5, media_bytes=100)
    assert get_media_modality("image").get_max_bytes() == 100


@pytest.mark.parametrize("text", ["many", "0", "-3", "1.5", "", "inf", "nan"])
def test_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("COTERIE_MAX_VIDEO_FRAMES", text)
    wanted = f"COTERIE_MAX_VIDEO_FRAMES={text!r}: set it to a whole number above 0, or unset it"
    with pytest.raises(ValueError, match=wanted):
        read_media_limits()


def test_pillows_own_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTERIE_MAX_IMAGE_PIXELS", "200000000")
    with pytest.raises(ValueError, match="Pillow reads at most 178956970"):
        read_media_limits()
