"""Every failure has the body of an ApiError, and the OpenAPI document says so."""

import json
from http.client import HTTPConnection

from starlette.exceptions import HTTPException

from coterie.serve.api.error_handlers import explain_http
from tests.serve.api.test_page import get_json


def test_a_method_that_a_path_has_not(url: str) -> None:
    connection = HTTPConnection(url.removeprefix("http://"), timeout=10)
    connection.request("DELETE", "/v1/run")
    response = connection.getresponse()
    body = json.loads(response.read())
    connection.close()
    assert response.status == 405 and response.headers["Allow"] == "GET"  # RFC 9110, 15.5.6
    assert body["error"]["message"] == "Method Not Allowed"


def test_headers_of_the_framework_are_kept() -> None:
    error = explain_http(HTTPException(404, headers={"A": "b"}))
    assert (error.status, error.headers, str(error)) == (404, {"A": "b"}, "Not Found")
    assert explain_http(HTTPException(404)).headers == {}


def test_the_document_has_failures_and_no_page(url: str) -> None:
    document = get_json(url, "/openapi.json")
    assert set(document["paths"]) == {
        "/v1/chat/completions", "/v1/responses", "/v1/models", "/v1/models/{name}", "/v1/run",
        "/healthz", "/metrics",
    }  # fmt: skip
    for path in document["paths"].values():
        for operation in path.values():
            assert {"200", "4XX", "5XX"} == operation["responses"].keys()
    chat = document["paths"]["/v1/chat/completions"]["post"]["responses"]["200"]["content"]
    assert set(chat) == {"application/json", "text/event-stream"}
