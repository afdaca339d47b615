"""Texts, pictures and sounds of a message, and how their limits are named."""

import base64
import io
from typing import Any

import pytest
from PIL import Image

from coterie.data.sample import MediaFile
from coterie.serve.api.api_error import ApiError
from coterie.serve.api.content_parts import parse_content
from coterie.serve.limits import ServerLimits
from tests.serve.api.test_hostile_requests import sound

LIMITS = ServerLimits(image_pixels=100, audio_s=1.0)


def picture(side: int) -> bytes:
    held = io.BytesIO()
    Image.new("RGB", (side, side)).save(held, "PNG")
    return held.getvalue()


def test_parts_in_their_order() -> None:
    content, heard = picture(10), sound(1.0)
    url = "data:image/png;base64," + base64.b64encode(content).decode()
    given: list[dict[str, Any]] = [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": url, "detail": "high"}},
        {"type": "input_image", "image_url": url},
        {"type": "input_audio", "input_audio": {"data": heard, "format": "wav"}},
        {"type": "input_text", "text": "and listen"},
    ]
    look, first, second, speech, listen = parse_content(given, LIMITS, "content")
    assert (look, listen) == ("look", "and listen")
    assert first == second == MediaFile(kind="image", content=content)
    assert isinstance(speech, MediaFile) and speech.kind == "audio"
    assert parse_content("text", LIMITS, "content") == ("text",)
    assert parse_content(None, LIMITS, "content") == ()


def test_the_place_of_what_is_wrong() -> None:
    url = "data:image/png;base64," + base64.b64encode(picture(11)).decode()
    parts = [{"type": "text", "text": "x"}, {"type": "image", "image": url}]
    with pytest.raises(ApiError, match=r"content\[1\]: the image has 11 x 11 pixels") as raised:
        parse_content(parts, LIMITS, "content")
    assert (raised.value.param, raised.value.status) == ("content[1]", 400)
