"""`ServerLimits`: how much one request may ask of a server."""

from dataclasses import dataclass, fields


@dataclass(frozen=True, kw_only=True)
class ServerLimits:
    """How much one request may ask of a server; what exceeds a limit is refused.

    Attributes:
        body_bytes: of the request's body.
        body_s: seconds within which the body must arrive.
        prompt_characters: of all texts of a prompt.
        messages: of a conversation.
        media: pictures and sounds of a prompt.
        image_pixels: of one picture, which its header says before it is decoded.
        audio_s: seconds of one sound.
        answer_tokens: of one answer; a request that asks for more is refused.
        answers: to one prompt (`n`).
        waiting: answers that may wait for a row of the batch; more are asked to come again.
        request_s: seconds until an answer must be whole.
        shutdown_s: seconds that begun answers have to end when the server is stopped.
    """

    body_bytes: int = 32 * 2**20
    body_s: float = 60.0
    prompt_characters: int = 1_000_000
    messages: int = 256
    media: int = 16
    image_pixels: int = 32_000_000
    audio_s: float = 120.0
    answer_tokens: int = 4096
    answers: int = 8
    waiting: int = 256
    request_s: float = 600.0
    shutdown_s: float = 30.0

    def __post_init__(self) -> None:
        """Raise ValueError for a limit that is not above 0."""
        for each in fields(self):
            value = getattr(self, each.name)
            if not value > 0:
                raise ValueError(f"ServerLimits({each.name}={value!r}): give a number above 0")
