"""Routing in answers: numbers by hand, and over HTTP that of the prompt and answer alone."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import coterie
from coterie.serve.api.routing_format import RoutingFormat
from coterie.serve.engine import InferenceEngine
from coterie.serve.routing_record import RoutedLayer, RoutingPass
from coterie.tasks.text.routing_trace import trace_routing
from tests.evaluate.runs import run, says, task
from tests.serve.api.servers import running
from tests.serve.engines import load

openai = pytest.importorskip("openai")
QUESTION = [{"role": "user", "content": "what is 3?"}]
BY_TOKEN, BY_TASK = RoutedLayer("a", 2, by_token=True), RoutedLayer("b", 3, by_token=False)


def test_numbers_by_hand() -> None:
    written = RoutingFormat(decode=lambda ids: f"<{ids[0]}>", modalities={7: "image"})
    fixed = torch.tensor([[0.5, 0.25, 0.25]])
    first = RoutingPass(
        ids=(5, 7), weights={BY_TOKEN: torch.tensor([[1.0, 0.0], [0.33333, 0.66667]]),
                             BY_TASK: fixed},
    )  # fmt: skip
    # The second has one token more than weights, of which there are only so many.
    second = RoutingPass(ids=(9,), weights={BY_TOKEN: torch.zeros(0, 2), BY_TASK: fixed})
    layers = [
        {"name": "a", "experts": 2, "decides_by": "token"},
        {"name": "b", "experts": 3, "decides_by": "prompt", "weights": [0.5, 0.25, 0.25]},
    ]
    tokens = [
        {"text": "<5>", "modality": "text", "weights": [[1.0, 0.0]]},
        {"text": "<7>", "modality": "image", "weights": [[0.3333, 0.6667]]},
        {"text": "<9>", "modality": "text", "weights": None},
    ]
    assert written.format_pass(first, is_first=True) == {"layers": layers, "tokens": tokens[:2]}
    assert written.format_pass(second, is_first=False) == {"tokens": tokens[2:]}
    assert written.format_all([first, second]) == {"layers": layers, "tokens": tokens}


@pytest.fixture(scope="module")
def by_token(tmp_path_factory: pytest.TempPathFactory) -> InferenceEngine:
    folder = tmp_path_factory.mktemp("by-token")
    recipe = coterie.recipes.soft_lora(experts=2, rank=2)
    tasks = (task(folder, "yes", says("yes")),)
    return load(run(folder / "run", tasks, recipe=recipe), max_rows=4)


def test_it_is_the_trace_that_evaluation_writes(by_token: InferenceEngine) -> None:
    sample = by_token.make_prompt("yes").ask("what is 3?")
    trace = trace_routing(by_token.loaded, by_token.collator, sample)
    assert trace is not None
    with (
        running(by_token) as url,
        openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client,
    ):
        asked = {"model": "yes", "messages": QUESTION, "max_tokens": 4}
        plain = client.chat.completions.create(**asked).choices[0]
        assert not hasattr(plain, "routing")
        body = {"extra_body": {"routing": True}}
        whole = client.chat.completions.create(**asked, **body).choices[0]
        events = list(client.chat.completions.create(**asked, **body, stream=True))
        with pytest.raises(openai.BadRequestError, match="routing comes with answers of /v1/chat"):
            client.responses.create(model="yes", input="what is 3?", extra_body={"routing": True})
    assert whole.message.content == plain.message.content
    found: dict[str, Any] = whole.routing
    assert [each["name"] for each in found["layers"]] == list(trace.layers)
    assert len(found["tokens"]) == len(trace.tokens) + 3  # the fourth is not read any more
    for number, text in enumerate(trace.tokens):
        token = found["tokens"][number]
        assert token["text"] == text and token["modality"] == trace.modalities[number]
        for layer, weights in zip(trace.layers.values(), token["weights"], strict=True):
            assert weights == pytest.approx(layer[number], abs=2e-3)  # three decimals, and four
            assert sum(weights) == pytest.approx(1, abs=1e-3)  # a softmax
    parts = [part for each in events if (part := getattr(each.choices[0], "routing", None))]
    assert [token for part in parts for token in part["tokens"]] == found["tokens"]
    assert ["layers" in part for part in parts] == [True, False, False, False]
    assert json.loads(json.dumps(parts[0]["layers"])) == found["layers"]


def test_two_answers_have_their_own(by_token: InferenceEngine, tmp_path: Path) -> None:
    with (
        running(by_token) as url,
        openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client,
    ):
        asked = {"model": "yes", "messages": QUESTION, "max_tokens": 6, "n": 2, "seed": 1}
        hot = client.chat.completions.create(**asked, temperature=1.8, extra_body={"routing": True})
    one, other = (choice.routing["tokens"] for choice in hot.choices)
    assert one != other and len(one) == len(other)
