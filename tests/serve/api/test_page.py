"""The page as the server sends it: its policy, its files, the run and its report."""

import json
import re
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import pytest

from coterie.report import build
from coterie.serve.api import page
from coterie.serve.engine import InferenceEngine
from tests.serve.api.servers import running


def get(url: str, path: str, key: str = "") -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection(url.removeprefix("http://"), timeout=20)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


def get_json(url: str, path: str, key: str = "") -> Any:
    return json.loads(get(url, path, key)[1])


def test_the_page_and_its_files(url: str) -> None:
    response, body = get(url, "/")
    assert response.status == 200 and body.startswith(b"<!doctype html>")
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    named = re.findall(r'(?:href|src)="(page/[^"]+)"', body.decode())
    assert named == ["page/page.css", "page/main.js"]
    for name in page.read_files():
        response, content = get(url, f"/page/{name}")
        assert response.status == 200 and content == (page.FOLDER / name).read_bytes()
        imported = re.findall(r'^import .* from "\./(.*)";$', content.decode(), re.MULTILINE)
        assert set(imported) <= page.read_files().keys()
        assert response.headers["Content-Security-Policy"] == policy


def test_it_loads_nothing_from_elsewhere() -> None:
    for file in page.FOLDER.iterdir():
        text = file.read_text(encoding="utf-8")
        assert file.suffix in page.MEDIA_TYPES and text.isascii(), file
        assert not re.search(r"(https?:)?//[a-z0-9.-]+\.[a-z]{2,}", text), file
        # What the policy would refuse: programs and styles in the markup.
        assert not re.search(r"""<script>|\son[a-z]+=|\sstyle=|innerHTML|eval\(""", text), file


@pytest.mark.parametrize("name", ["../page.py", "%2e%2e/page.py", "..%2fpage.py", "no.js", ""])
def test_no_other_file_is_sent(url: str, name: str) -> None:
    assert get(url, f"/page/{name}")[0].status == 404


def test_the_run(url: str) -> None:
    found = get_json(url, "/v1/run")
    assert (found["kind"], found["models"]) == ("text", ["yes", "no"])
    assert found["recipe"] == "moelora" and found["has_gates"] and found["reads"] == []
    assert found["tasks"][0] == {
        "name": "yes", "reads": [], "asks": True, "columns": [], "prompt": "{question}",
        "max_new_tokens": 3,
    }  # fmt: skip


def test_a_key_is_needed_for_all_but_the_page(engine: InferenceEngine) -> None:
    with running(engine, api_key="secret") as url:
        assert [get(url, path)[0].status for path in ("/", "/page/main.js")] == [200, 200]
        assert get(url, "/v1/run")[0].status == 401
        address = get_json(url, "/v1/run", "secret")["report"]
        response, body = get(url, address)  # a link sends no key, but nobody guesses its address
        assert response.status == 200 and b"coterie report" in body
        assert "sandbox allow-scripts" in response.headers["Content-Security-Policy"]
        assert get(url, "/report/guess")[0].status == 404
        assert address not in get(url, "/metrics", "secret")[1].decode()


def test_a_report_of_the_folder_is_not_sent(engine: InferenceEngine) -> None:
    other = Path(engine.run.folder) / "report.html"
    other.write_text("<script>steal()</script>", encoding="utf-8")
    with running(engine) as url:
        assert b"steal" not in get(url, get_json(url, "/v1/run")["report"])[1]
    other.unlink()


def test_a_report_that_cannot_be_made_says_why(
    engine: InferenceEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(runs: Any) -> str:
        raise ValueError("this needs jinja2: pip install 'coterie[report]'")

    monkeypatch.setattr(build, "render_runs", fail)
    with running(engine) as url:
        response, body = get(url, get_json(url, "/v1/run")["report"])
        assert response.status == 503
        assert b"could not be made: this needs jinja2: pip install 'coterie[report]'" in body
