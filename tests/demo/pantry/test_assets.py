"""Images and sounds are stored under the hash of their content, and words to speak are noted."""

from pathlib import Path

from PIL import Image

from coterie_demo.pantry.assets import AssetStore, SpeechClip


def test_equal_content_is_one_file(tmp_path: Path):
    store = AssetStore(folder=tmp_path, fetched={})
    red, again, blue = (
        store.store_image(Image.new("RGB", (4, 4), colour)) for colour in ("red", "red", "blue")
    )
    assert red == again != blue
    assert len([*(tmp_path / "media").iterdir()]) == 2
    assert (tmp_path / "naming" / red).resolve().parent == tmp_path / "media"


def test_words_are_spoken_once_per_voice(tmp_path: Path):
    store = AssetStore(folder=tmp_path, fetched={})
    paths = [store.request_speech(voice, "cat") for voice in ("en-us", "en-us", "en-029+f4")]
    assert paths[0] == paths[1] != paths[2]
    assert store.clips == {SpeechClip(voice=v, text="cat") for v in ("en-us", "en-029+f4")}
