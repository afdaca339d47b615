"""Images and sounds as data URIs, small enough for the page."""

import base64
import io
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SIDE_PX = 256
MAX_AUDIO_BYTES = 60 * 1024
AUDIO_TYPES = {
    b"RIFF": "audio/wav",
    b"ID3": "audio/mpeg",
    b"\xff\xfb": "audio/mpeg",
    b"OggS": "audio/ogg",
    b"fLaC": "audio/flac",
}
"""First bytes of the sound formats that browsers play -> their media type."""
RATE_HZ = 16_000


@dataclass(frozen=True, kw_only=True)
class EmbeddedMedia:
    """An image or sound on the page; `uri` is empty where only a note can be shown."""

    kind: str
    uri: str = ""
    note: str = ""
    width: int = 0
    height: int = 0


def embed_media(media: Any, roots: Sequence[Path]) -> EmbeddedMedia:
    """Embed a `coterie.data.sample.MediaFile`; what cannot be read leaves a note.

    A run may come from someone else, and its rows name any file of this machine, while the page
    may be sent on: files outside of the folders `roots` are named, not shown.
    """
    if outside := find_outside(media, roots):
        note = f"{media.kind} {outside} lies outside of the rows' folder: shown with --media-root"
        return EmbeddedMedia(kind=media.kind, note=note)
    try:
        return encode_image(media.load()) if media.kind == "image" else encode_audio(media)
    except (ValueError, OSError) as error:
        return EmbeddedMedia(kind=media.kind, note=f"{media.kind} could not be read: {error}")


def find_outside(media: Any, roots: Sequence[Path]) -> Path | None:
    """Return a file of `media`, links followed, that lies in none of the folders; None for none."""
    files = [each.path for each in (media, *media.frames) if each.path]
    allowed = [root.resolve() for root in roots]
    for file in (Path(each).resolve() for each in files):
        if not any(file.is_relative_to(root) for root in allowed):
            return file
    return None


def encode_image(image: Any) -> EmbeddedMedia:
    """Encode as JPEG of at most SIDE_PX a side: no metadata of the file is copied."""
    image = image.convert("RGB")
    image.thumbnail((SIDE_PX, SIDE_PX))
    held = io.BytesIO()
    image.save(held, "JPEG", quality=82, optimize=True)
    uri = make_data_uri("image/jpeg", held.getvalue())
    return EmbeddedMedia(kind="image", uri=uri, width=image.width, height=image.height)


def encode_audio(media: Any) -> EmbeddedMedia:
    """Embed the file's bytes if they fit, else mono MP3 if soundfile is installed and that fits."""
    content = media.read_bytes()
    kind = next((name for magic, name in AUDIO_TYPES.items() if content.startswith(magic)), "")
    if kind and len(content) <= MAX_AUDIO_BYTES:
        return EmbeddedMedia(kind="audio", uri=make_data_uri(kind, content))
    samples, held = media.load(), io.BytesIO()
    with suppress(ImportError, RuntimeError, ValueError):  # soundfile is missing, or has no MP3
        import soundfile

        soundfile.write(held, samples, RATE_HZ, format="MP3")
        if len(packed := held.getvalue()) <= MAX_AUDIO_BYTES:
            return EmbeddedMedia(kind="audio", uri=make_data_uri("audio/mpeg", packed))
    length = f"Sound of {len(samples) / RATE_HZ:.1f} s"
    note = f"{length}, left out: more than {MAX_AUDIO_BYTES // 1024} KB"
    return EmbeddedMedia(kind="audio", note=note)


def make_data_uri(kind: str, content: bytes) -> str:
    """Make a data URI."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
