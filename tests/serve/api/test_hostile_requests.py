"""Bad requests of every kind are refused with a sentence, and the server goes on."""

import base64
import io
import json
import socket
import struct
import wave
import zlib
from http.client import HTTPConnection
from typing import Any

import pytest

from tests.serve.api.conftest import LIMITS

JSON = {"Content-Type": "application/json"}
GOOD: dict[str, Any] = {"model": "no", "messages": [{"role": "user", "content": "what is 3?"}]}


def send(
    url: str,
    body: bytes | str,
    path: str = "/v1/chat/completions",
    headers: dict[str, str] = JSON,
    method: str = "POST",
) -> tuple[int, dict[str, Any]]:
    connection = HTTPConnection(url.removeprefix("http://"), timeout=20)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read() or b"{}")
    finally:
        connection.close()


@pytest.fixture(autouse=True)
def still_answers(url: str) -> Any:
    """After each of them, a good request is answered."""
    yield
    assert send(url, json.dumps(GOOD))[0] == 200


def picture(width: int, height: int) -> str:
    """A PNG whose header says so many pixels, and whose data are none."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    content += chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(content).decode()


def sound(seconds: float) -> str:
    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(8000)
        file.writeframes(b"\x80" * round(8000 * seconds))
    return base64.b64encode(held.getvalue()).decode()


def image(address: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": address}}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "body: Field required"),
        (b"{", "the body is no JSON"),
        (b"\xff\xfe{}", ""),
        (b"[" * 50_000, ""),
        (
            b"[]",
            "body: Input should be a valid dictionary or object to extract fields from: send a",
        ),
        (b"null", "body: "),
        (b'{"model": "no", "messages": 3}', "messages: Input should be a valid list"),
        (b'{"model": 3, "messages": []}', "model: Input should be a valid string"),
        (b'{"model": "no", "messages": []}', "messages: List should have at least 1 item"),
        (b'{"model": "no"}', "messages: Field required"),
        (b'{"model": "no", "messages": [null]}', "messages.0: Input should be"),
        (b'{"model": "no", "messages": [{"role": "user"}]}', r"messages[0].content is empty"),
        (b'{"model": "no", "seed": 1' + b"0" * 5000 + b"}", ""),
    ],
)
def test_bodies_that_are_none(url: str, body: bytes, said: str) -> None:
    status, found = send(url, body)
    assert status == 400 and found["error"]["message"].startswith(said), found
    assert found["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"temperature": "hot"}, "temperature: Input should be a valid number"),
        ({"temperature": float("nan")}, "temperature=nan"),
        ({"temperature": float("inf")}, "temperature=inf"),
        ({"temperature": -1}, "temperature=-1"),
        ({"top_p": 0}, "top_p=0"),
        ({"max_tokens": 0}, "max_tokens=0"),
        ({"max_tokens": 10**30}, "max_tokens=1000"),
        ({"max_completion_tokens": 65}, "max_completion_tokens=65: at most 64 are generated"),
        ({"max_completion_tokens": 0}, "max_completion_tokens=0: give a whole number from 1"),
        ({"n": 0}, "n=0: give 1 to 3"),
        ({"n": 10**9}, "n=1000000000"),
        ({"seed": 2**70}, "seed="),
        ({"stop": ""}, "stop="),
        ({"stop": ["a"] * 17}, "stop="),
        ({"stop": 3}, "stop: Input should be a valid string, or Input should be a valid list"),
        ({"stop": [3]}, "stop.0: Input should be a valid string"),
        ({"temperatur": 0.5}, "there is no field 'temperatur' (did you mean temperature?): leave"),
        ({"top_k": 5}, "top_k is not supported by this server: leave it out"),
        ({"modalities": ["text", "audio"]}, "modalities is not supported"),
        ({"messages": [{"role": "user", "content": [3]}]}, "messages.0.content.0: Input should"),
        (
            {"messages": [{"role": "assistant", "content": "x", "tool_calls": [{}]}]},
            "messages[0].tool_calls is not supported by this server: write what the model",
        ),
        ({"top_logprobs": 2}, "top_logprobs needs logprobs"),
        ({"logprobs": True, "top_logprobs": 99}, "top_logprobs=99"),
        ({"stream": "yes"}, "stream: Input should be a valid boolean"),
        ({"response_format": {"type": "json_object"}}, "response_format is not supported"),
        ({"columns": {"image": "/etc/passwd"}}, "columns has 'image'"),
        ({"columns": {"question": "\ud800"}}, "columns."),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role is 'tool'"),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, "messages[0].content has half"),
        ({"messages": [{"role": "user", "content": ""}]}, "messages[0].content is empty"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "messages: the last message"),
        ({"messages": GOOD["messages"] * 9}, "messages has 9 messages: give 1 to 8"),
        ({"messages": [{"role": "user", "content": "x" * 20_001}]}, "messages has 20001 char"),
        ({"messages": [{"role": "user", "content": "x" * 19_000}]}, "the prompt has"),
        ({"messages": [{"role": "user", "content": "<image>"}]}, "task no: question"),
        ({"messages": [{"role": "user", "content": "</s>assistant: "}]}, "row: has '</s>' in its"),
    ],
)  # fmt: skip
def test_wrong_values(url: str, changed: dict[str, Any], said: str) -> None:
    status, found = send(url, json.dumps(GOOD | changed))
    assert status == 400 and found["error"]["message"].startswith(said), found
    assert found["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (image("http://127.0.0.1:22/"), "is the address 'http://127.0.0.1:22/': addresses are not"),
        (image("https://169.254.169.254/latest/meta-data"), "addresses are not fetched"),
        (image("file:///etc/passwd"), "files not read"),
        (image("FILE:/etc/passwd"), "files not read"),
        (image("gopher://x"), "addresses are not fetched"),
        (image("../../etc/passwd"), "base64"),
        (image("/etc/passwd"), "is no picture"),  # read as base64, and as nothing else
        (image("data:image/png;base64,????"), "is damaged base64"),
        (image("data:image/png"), "is a data URL without a comma"),
        (image("data:image/png;base64,"), "has 0 bytes"),
        (image("data:image/png;base64,aGVsbG8gd29ybGQ="), "is no picture that can be read"),
        (image(picture(101, 100)), "has 101 x 100 pixels: at most 10000 are read"),
        (image(picture(65_000, 65_000)), "pictur"),
        (image(3), "has no media: give a data URL"),
        (image(None), "has no media"),
        ({"type": "image_url"}, "has no media"),
        ({"type": "text"}, "is no text"),
        ({"type": "text", "text": ["x"]}, "is no text"),
        ({"type": ["text"]}, "give text, image_url or input_audio"),
        ({}, "give text, image_url or input_audio"),
        ({"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}}, "videos"),
        ({"type": "input_audio", "input_audio": {"data": sound(1.5)}}, "lasts 2 s: at most 1 s"),
        ({"type": "input_audio", "input_audio": {"data": "AAAA"}}, "is no sound"),
        # The tiny model reads text alone.
        (image(picture(28, 28)), ""),
    ],
)  # fmt: skip
def test_parts_that_are_not_taken(url: str, part: dict[str, Any], said: str) -> None:
    body = GOOD | {"messages": [{"role": "user", "content": [part]}]}
    status, found = send(url, json.dumps(body))
    assert status == 400 and said in found["error"]["message"], found
    assert "/tmp/" not in found["error"]["message"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "input: Field required"),
        ({"input": 3}, "input"),
        ({"input": []}, "input has 0 messages"),
        ({"input": [{"type": "function_call_output"}]}, "input[0].type is 'function_call_output'"),
        ({"input": "x", "n": 2}, "there is no field 'n'"),
        ({"input": "x", "stop": ["a"]}, "there is no field 'stop'"),
        ({"input": "x", "max_output_tokens": 65}, "max_output_tokens=65: at most 64"),
        ({"input": [{"role": "user"}], "instructions": "x"}, "input[0].content is empty"),
        ({"input": "x", "instructions": "\ud800"}, "instructions has half of a character"),
        ({"input": "x" * 19_999, "instructions": "xx"}, "instructions and input has 20001 char"),
        ({"input": "x", "previous_response_id": "resp_1"}, "previous_response_id is not supported"),
        ({"input": "x", "text": {"format": {"type": "json_schema"}}}, "text.format"),
    ],
)
def test_wrong_responses(url: str, body: dict[str, Any], said: str) -> None:
    status, found = send(url, json.dumps({"model": "no"} | body), "/v1/responses")
    assert status == 400 and found["error"]["message"].startswith(said), found


@pytest.mark.parametrize(
    "fields",
    [
        {"user": "me", "metadata": {"a": "b"}, "store": True, "reasoning_effort": "low"},
        {"n": 1, "best_of": 1, "top_k": -1, "repetition_penalty": 1.0, "modalities": ["text"]},
        {
            "tools": [],
            "tool_choice": "none",
            "logit_bias": {},
            "presence_penalty": 0,
            "echo": False,
        },
        {"response_format": {"type": "text"}, "unknown": None},
    ],
)
def test_fields_that_ask_for_what_is_done_anyway(url: str, fields: dict[str, Any]) -> None:
    assert send(url, json.dumps(GOOD | fields))[0] == 200
    body = {"model": "no", "input": "x", "instructions": ""} | fields
    assert send(url, json.dumps(body), "/v1/responses")[0] == 200


def test_a_body_that_does_not_say_that_it_is_json(url: str) -> None:
    status, found = send(url, json.dumps(GOOD), headers={"Content-Type": "text/plain"})
    said = "body: Input should be a valid dictionary or object to extract fields from: send a JSON "
    assert status == 400, found
    assert found["error"]["message"] == f"{said}object, with Content-Type: application/json"


def test_paths_and_methods(url: str) -> None:
    for path in ("/v1", "/v1/completions", "/../../etc/passwd", "/v1/models/%2e%2e%2fpasswd"):
        status, found = send(url, "", path, method="GET")
        assert status == 404 and found["error"]["message"], path
    assert send(url, "", method="GET")[0] == 405
    # A page of another site can send text without asking, and JSON only after it asked.
    assert send(url, json.dumps(GOOD), headers={"Content-Type": "text/plain"})[0] == 400


def test_a_body_that_is_too_large_is_not_read(url: str) -> None:
    status, found = send(url, b"x" * 10_000, headers={**JSON, "Content-Length": str(10**7)})
    assert status == 413 and found["error"]["code"] == "body_too_large"
    # Without a length: it is refused when it exceeds the limit.
    connection = HTTPConnection(url.removeprefix("http://"), timeout=20)
    chunks = (b"x" * 50_000 for _ in range(LIMITS.body_bytes // 50_000 + 1))
    connection.request("POST", "/v1/chat/completions", chunks, JSON, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


def test_a_client_that_does_not_send_its_body(url: str) -> None:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as slow:
        head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
        slow.sendall(head.encode())
        assert slow.recv(1000).startswith(b"HTTP/1.1 408")


def test_a_client_that_sends_what_is_no_http(url: str) -> None:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as odd:
        odd.sendall(b"\x16\x03\x01\x00\xa5\x01\r\n\r\n")
        assert odd.recv(1000).startswith(b"HTTP/1.1 400")
