"""The sources that tasks are built from, and the store of their images and sounds."""

import hashlib
import io
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from coterie_demo.pantry.sounds import Samples, encode_flac

PICTURE = 224
"""Width and height of a generated image, in pixels."""


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """Where something comes from, for the data card."""

    name: str
    licence: str
    fetched: bool = False
    """True if it is no part of coterie, but downloaded by the user's own package client."""


@dataclass(frozen=True, kw_only=True)
class SpeechClip:
    """Words to be spoken."""

    voice: str
    text: str

    @property
    def file(self) -> str:
        said = f"{self.voice}: {self.text}".encode()
        return f"{hashlib.sha256(said).hexdigest()[:20]}.wav"


@dataclass(frozen=True, kw_only=True)
class AssetStore:
    """The folder that is being built, and the packages fetched for it.

    Attributes:
        folder: the folder of `media`.
        fetched: source to the folder that its package was unpacked to.
        clips: what is still to be spoken.
    """

    folder: Path
    fetched: Mapping[Attribution, Path]
    clips: set[SpeechClip] = field(default_factory=set)

    def store_image(self, picture: Image.Image) -> str:
        """Store an image under the hash of its content; returns its path as rows name it."""
        opened = io.BytesIO()
        picture.convert("RGB").save(opened, "JPEG", quality=90, subsampling=0)
        return self.store(opened.getvalue(), "jpg")

    def store_sound(self, samples: Samples) -> str:
        """Store a sound under the hash of its content; returns its path as rows name it."""
        return self.store(encode_flac(samples), "flac")

    def store_file(self, file: Path) -> str:
        """Keeps a file as it is."""
        return self.store(file.read_bytes(), file.suffix.removeprefix("."))

    def request_speech(self, voice: str, text: str) -> str:
        """Has a text spoken later; its path."""
        clip = SpeechClip(voice=voice, text=text)
        self.clips.add(clip)
        return f"../media/{clip.file}"

    def store(self, content: bytes, suffix: str) -> str:
        name = f"{hashlib.sha256(content).hexdigest()[:20]}.{suffix}"
        target = self.folder / "media" / name
        target.parent.mkdir(exist_ok=True)
        if not target.exists():
            target.write_bytes(content)
        return f"../media/{name}"

    def clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
