"""What an application answers when a request fails: the format of OpenAI's interface, always."""

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response

from coterie.serve.api.api_error import ApiError

CLIENT_LEFT = 499
"""The status of requests that nobody waits for, as nginx counts them; nobody receives it."""

TEXT = {"type": ["string", "null"]}
ERROR_SCHEMA = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"}, "type": {"type": "string"}, "param": TEXT,
                "code": TEXT,
            },
        }
    },
}  # fmt: skip
FAILURES: Mapping[int | str, dict[str, Any]] = {
    status: {"description": what, "content": {"application/json": {"schema": ERROR_SCHEMA}}}
    for status, what in (("4XX", "the request is refused"), ("5XX", "the server failed"))
}
"""Responses of every path, for the OpenAPI document; see `ApiError.to_body`."""


class ClientLeftError(Exception):
    """The client closed the connection before the answer was whole."""


def add_error_handlers(app: FastAPI) -> None:
    """Have an application answer every failure with the body of an ApiError."""

    def reply(error: ApiError) -> Response:
        headers = error.headers
        return JSONResponse(error.to_body(), status_code=error.status, headers=headers)

    def add(kind: type[Exception], explain: Callable[[Any], Response]) -> None:
        async def handle(request: Request, error: Exception) -> Response:
            return explain(error)

        app.add_exception_handler(kind, handle)

    add(ApiError, reply)
    add(RequestValidationError, lambda error: reply(explain_invalid(error)))
    add(HTTPException, lambda error: reply(explain_http(error)))
    add(ClientLeftError, lambda error: Response(status_code=CLIENT_LEFT))
    # Starlette logs it, and answers for what is no fault of the client.
    add(Exception, lambda error: reply(ApiError("the server failed", status=500)))


def explain_http(error: HTTPException) -> ApiError:
    """Return a refusal of the framework, such as of a path or a method, with its headers."""
    return ApiError(str(error.detail), status=error.status_code, headers=error.headers)


def explain_invalid(error: RequestValidationError) -> ApiError:
    """Return the refusal of a body, by the first thing that is wrong with it."""
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return ApiError(f"the body is no JSON: {first.get('ctx', {}).get('error', '')}")
    place = ".".join(str(each)[:100] for each in first["loc"][1:])
    return ApiError(f"{place or 'body'}: {first['msg']}", param=place or None)
