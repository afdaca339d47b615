"""Parts of a message as OpenAI has them: texts, and pictures and sounds inside the request."""

from collections.abc import Mapping, Sequence
from typing import Any

from coterie.data.row_formats.encoded_media import decode_base64, parse_data_url
from coterie.data.sample import MediaFile
from coterie.modalities.audio import SAMPLE_RATE_HZ
from coterie.modalities.base import find_media_modalities
from coterie.modalities.image import open_image
from coterie.serve.api.api_error import ApiError
from coterie.serve.limits import ServerLimits

TEXTS = ("text", "input_text", "output_text")
NO_VIDEO = "videos are not taken over HTTP: give some of the frames as images"
Part = str | MediaFile


def parse_content(
    content: str | Sequence[Mapping[str, Any]] | None, limits: ServerLimits, field: str
) -> tuple[Part, ...]:
    """Return the parts of a message's content. Raises ApiError, which names `field`."""
    if content is None:
        return ()
    if isinstance(content, str):
        return (check_text(content, field),)
    return tuple(
        _parse_part(part, limits, f"{field}[{number}]") for number, part in enumerate(content)
    )


def check_text(text: object, field: str) -> str:
    """Return a text that can be encoded. Raises ApiError for another."""
    if not isinstance(text, str):
        raise ApiError(f"{field} is no text", param=field)
    try:
        text.encode()
    except UnicodeEncodeError:
        problem = "has half of a character (a lone surrogate), which no text has"
        raise ApiError(f"{field} {problem}", param=field) from None
    return text


def _parse_part(part: Mapping[str, Any], limits: ServerLimits, field: str) -> Part:
    kind = part.get("type")
    if kind in TEXTS:
        return check_text(part.get("text"), f"{field}.text")
    modality = next(
        (name for name, each in find_media_modalities().items() if kind in (name, *each.aliases)),
        None,
    )
    if modality is None:
        given = f"{field}.type is {str(kind)[:40]!r}"
        raise ApiError(f"{given}: give text, image_url or input_audio", param=f"{field}.type")
    if modality == "video":
        raise ApiError(f"{field}: {NO_VIDEO}", param=field)
    # OpenAI's input_image has its address under image_url.
    names = (str(kind), modality, *find_media_modalities()[modality].aliases)
    given = next((part[name] for name in names if part.get(name) is not None), None)
    content = _decode(given, field)
    try:
        _check_size(content, modality, limits)
        return MediaFile(kind=modality, content=content)
    except ValueError as error:
        raise ApiError(f"{field}: the {modality} {error}", param=field) from None


def _decode(given: Any, field: str) -> bytes:
    """Return the bytes of a data URL, {"url": ...} with one, or {"data": base64, "format": ...}.

    Raises ApiError for an address of another kind: nothing is fetched, and no file is read.
    """
    if isinstance(given, Mapping):
        given = given.get("url", given.get("data"))
    if not isinstance(given, str):
        raise ApiError(f"{field} has no media: give a data URL", param=field)
    try:
        if given[:5].lower() == "data:":
            content = parse_data_url(given, field)
        elif ":" in given[:16]:  # base64 has no colon
            raise ApiError(
                f"{field} is the address {given[:40]!r}: addresses are not fetched, and files not "
                "read; give a data URL, as data:image/png;base64,...",
                param=field,
            )
        else:
            content = decode_base64(given, field)
    except ValueError as error:
        raise ApiError(str(error), param=field) from None
    if not content:
        raise ApiError(f"{field} has 0 bytes", param=field)
    return content


def _check_size(content: bytes, modality: str, limits: ServerLimits) -> None:
    """Raise ValueError for too large a picture, or too long a sound."""
    if modality == "image":
        width, height = open_image(content).size
        if width * height > limits.image_pixels:
            problem = f"has {width} x {height} pixels: at most {limits.image_pixels} are read"
            raise ValueError(f"{problem}; shrink it")
        return
    seconds = len(find_media_modalities()[modality].decode(content)) / SAMPLE_RATE_HZ
    if seconds > limits.audio_s:
        raise ValueError(f"lasts {seconds:.0f} s: at most {limits.audio_s:g} s are read; cut it")
