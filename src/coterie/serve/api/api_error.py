"""`ApiError`: a refusal in the format of OpenAI's interface."""

from collections.abc import Mapping
from typing import Any

KINDS: Mapping[int, str] = {401: "authentication_error", 429: "rate_limit_error"}


class ApiError(Exception):
    """A refusal of a request.

    Attributes:
        status: of HTTP.
        code: a word for programs, as "model_not_found".
        param: the field of the request that is wrong.
        headers: more of the response.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param
        self.headers = dict(headers or {})

    def to_body(self) -> dict[str, Any]:
        """Return the body of the response."""
        default = "server_error" if self.status >= 500 else "invalid_request_error"
        kind = KINDS.get(self.status, default)
        error = {"message": str(self), "type": kind, "param": self.param, "code": self.code}
        return {"error": error}
