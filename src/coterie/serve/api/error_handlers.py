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
    """Return the refusal of a body, by the first field that is wrong.

    Of a field with values of several kinds, by the kind that most of it is.
    """
    found = error.errors()
    if found[0]["type"] == "json_invalid":
        return ApiError(f"the body is no JSON: {found[0].get('ctx', {}).get('error', '')}")
    own = [each for each in found if each["loc"][:2] == found[0]["loc"][:2]]
    places = [find_place(each, error.body) for each in own]
    place = max(places, key=len)
    problems = [
        "there is no such field" if each["type"] == "extra_forbidden" else each["msg"]
        for each, where in zip(own, places, strict=True)
        if where == place
    ]
    problem = ", or ".join(dict.fromkeys(problems))
    if not place:
        problem += ": send a JSON object, with Content-Type: application/json"
    name = ".".join(str(each)[:100] for each in place)
    return ApiError(f"{name or 'body'}: {problem}", param=name or None)


def find_place(error: Mapping[str, Any], body: Any) -> list[str | int]:
    """Return the path in a body without pydantic's names of the kinds of a value, as `stop.str`."""
    steps, found, here = error["loc"][1:], [], body
    for number, step in enumerate(steps, 1):
        try:
            here = here[step]
        except (LookupError, TypeError):
            if error["type"] != "missing" or number < len(steps):  # what is missing is in no body
                continue
        found.append(step)
    return found
