"""Whatever JSON a body is, the server refuses it or answers, and never fails."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coterie.serve.api.asked import REFUSED
from coterie.serve.api.chat_request import ChatRequest
from coterie.serve.api.responses_request import ResponsesRequest
from tests.serve.api.test_hostile_requests import GOOD, send

PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
JSON = st.recursive(
    PLAIN | st.sampled_from(["user", "text", "image_url", "data:image/png;base64,AAAA", "yes"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["role", "content", "type", "text", "image_url", "url", "input_audio", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
PARTS = st.lists(JSON, max_size=3)
MESSAGE = st.fixed_dictionaries({"role": st.just("user"), "content": JSON | PARTS})
REQUESTS = {
    "/v1/chat/completions": (ChatRequest, GOOD, {"messages": st.lists(MESSAGE, max_size=3)}),
    "/v1/responses": (ResponsesRequest, {"model": "no", "input": "x"}, {"input": PARTS}),
}


def bodies(path: str) -> st.SearchStrategy[Any]:
    """Any JSON, or a good body in which any fields are any JSON."""
    kind, good, shaped = REQUESTS[path]
    names = sorted({*kind.model_fields, *REFUSED})
    changes = st.dictionaries(st.sampled_from(names), JSON, max_size=3)
    near = st.fixed_dictionaries({}, optional=shaped)
    return JSON | st.builds(lambda one, two: good | one | two, changes, near)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(data=st.data(), path=st.sampled_from(sorted(REQUESTS)))
def test_any_json(url: str, data: st.DataObject, path: str) -> None:
    body = data.draw(bodies(path))
    if isinstance(body, dict):
        body.pop("stream", None)  # the events of a stream are no JSON
    status, found = send(url, json.dumps(body), path)
    assert status in (200, 400, 404), (status, found, body)
    assert status == 200 or found["error"]["message"]
