"""Pictures in requests: answers are those of the files, in one batch with other questions."""

import base64
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import coterie
from coterie.serve.engine import InferenceEngine
from coterie.serve.sampling import Sampling
from tests.cli.folders import llava_folder, ten_rows
from tests.serve.api.servers import running
from tests.serve.api.test_hostile_requests import sound
from tests.tuner.checks import awake

openai = pytest.importorskip("openai")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten pictures, and a run of a tiny LLaVA on them whose gates read tokens."""
    folder = tmp_path_factory.mktemp("pictures")
    llava_folder(folder / "model")
    tasks = coterie.read_tasks(ten_rows(folder / "data"))
    recipe = coterie.recipes.rode(ranks=(2, 4))
    base, out = folder / "model", folder / "run"
    coterie.train(recipe, base=base, tasks=tasks, out=out, steps=1, batch_size=2, device="cpu")
    return folder


def make_url(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def test_pictures_of_a_question_and_of_a_conversation(folder: Path) -> None:
    engine = InferenceEngine.from_run(folder / "run", device="cpu", max_rows=4)
    awake(engine.loaded.model, scale=0.3)
    pictures = [folder / "data" / "pictures" / f"{number}.png" for number in range(4)]
    question, sampling = "what colour is it?", Sampling(max_tokens=6)
    wanted = [
        engine.ask(question, media={"image": [str(each)]}, sampling=sampling) for each in pictures
    ]
    with running(engine) as url, openai.OpenAI(base_url=f"{url}/v1", api_key="none") as client:

        def call(picture: Path, model: str = "colour", *before: Any) -> str:
            image = {"type": "image_url", "image_url": {"url": make_url(picture)}}
            parts = [image, {"type": "text", "text": question}]
            messages = [*before, {"role": "user", "content": parts}]
            found = client.chat.completions.create(model=model, messages=messages, max_tokens=6)
            return found.choices[0].message.content

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(call, pictures)) == wanted
        assert len(set(wanted)) > 1
        # The one task's prompt is the question itself, so that "auto" answers as it does.
        assert call(pictures[0], "auto") == wanted[0]
        assert [model.id for model in client.models.list()] == ["colour", "auto"]
        short = {"role": "system", "content": "be short"}
        assert isinstance(call(pictures[0], "auto", short), str)
        image = {"type": "input_image", "image_url": make_url(pictures[1])}
        content = [image, {"type": "input_text", "text": question}]
        found = client.responses.create(
            model="colour", input=[{"role": "user", "content": content}], max_output_tokens=6
        )
        assert found.output_text == wanted[1]
        with pytest.raises(openai.BadRequestError, match="audio: the model does not read it"):
            heard = {"type": "input_audio", "input_audio": {"data": sound(0.1), "format": "wav"}}
            messages = [{"role": "user", "content": [heard, {"type": "text", "text": "?"}]}]
            client.chat.completions.create(model="colour", messages=messages)
