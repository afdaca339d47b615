"""Maps over HTTP: those of the engine, with legends; bad requests are refused with a sentence."""

import asyncio
import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from coterie.data.sample import MediaFile
from coterie.serve.api.api_error import ApiError
from coterie.serve.api.dense_app import MapsRequest, PredictionQueue, make_dense_app
from coterie.serve.api.server import load_app
from coterie.serve.dense_engine import DenseEngine, make_picture
from coterie.train.run import Run
from tests.evaluate.dense_runs import RandomPictures, dense_run
from tests.serve.api.conftest import LIMITS
from tests.serve.api.servers import serving
from tests.serve.api.test_hostile_requests import JSON, picture, send
from tests.serve.api.test_page import get_json
from tests.serve.engines import two_tasks


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return dense_run(tmp_path_factory.mktemp("dense") / "squad", RandomPictures())


@pytest.fixture(scope="module")
def engine(made: Run) -> DenseEngine:
    return DenseEngine.from_run(made, device="cpu")


@pytest.fixture(scope="module")
def address(made: Run, engine: DenseEngine) -> Iterator[str]:
    with serving(make_dense_app(engine, made, limits=LIMITS)) as found:
        yield found


def draw() -> bytes:
    pixels = np.random.RandomState(0).randint(0, 255, (28, 28, 3), dtype=np.uint8)
    held = io.BytesIO()
    Image.fromarray(pixels).save(held, "PNG")
    return held.getvalue()


def to_url(content: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(content).decode()


def test_maps_are_those_of_the_engine(address: str, engine: DenseEngine) -> None:
    content = draw()
    status, found = send(address, json.dumps({"image": to_url(content)}), "/v1/maps")
    assert status == 200 and found["image"].startswith("data:image/png;base64,")
    [(_, outputs)] = engine.predict([MediaFile(kind="image", content=content)])
    assert [each["task"] for each in found["maps"]] == list(outputs)
    for task, each in zip(engine.select_tasks(), found["maps"], strict=True):
        decoded = base64.b64decode(each["picture"].partition(",")[2])
        with Image.open(io.BytesIO(decoded)) as shown:
            wanted = make_picture(task.visualize(outputs[task.name], None).prediction)
            assert np.array_equal(np.asarray(shown), np.asarray(wanted))
    legends = {each["task"]: each["legend"] for each in found["maps"]}
    assert [each["label"] for each in legends["depth"]] == ["low", "high"]
    assert legends["depth"][0]["color"] == "#440154"  # 68, 1, 84, where viridis begins
    classes = outputs["classes"].argmax(0).unique().tolist()
    assert [each["label"] for each in legends["classes"]] == [f"class {n}" for n in classes]


def test_one_task_and_the_run(address: str) -> None:
    body = {"image": to_url(draw()), "tasks": ["classes"]}
    status, found = send(address, json.dumps(body), "/v1/maps")
    assert status == 200 and [each["task"] for each in found["maps"]] == ["classes"]
    described = get_json(address, "/v1/run")
    assert (described["kind"], described["reads"]) == ("dense", ["image"])
    assert described["models"] == ["depth", "classes", "scene"]
    models = get_json(address, "/v1/models")["data"]
    assert [each["id"] for each in models] == described["models"]


def test_a_served_folder_has_the_application_of_its_tasks(made: Run, tmp_path: Path) -> None:
    options: dict[str, Any] = {"api_key": None, "batch_size": 2, "limits": LIMITS, "device": "cpu"}
    assert load_app(made.folder, **options).state.names == ("depth", "classes", "scene")
    assert load_app(two_tasks(tmp_path), **options).state.names == ("yes", "no")


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 400, "image: Field required"),
        ({"image": "https://example.org/a.png"}, 400, "addresses are not fetched"),
        ({"image": "data:image/png;base64,AAAA"}, 400, ""),
        ({"image": picture(4000, 4000)}, 400, "pixels: at most 10000 are read"),
        ({"image": to_url(draw()), "tasks": []}, 400, "tasks is empty: give some"),
        ({"image": to_url(draw()), "task": "depth"}, 400, "task: there is no such field"),
        ({"image": to_url(draw()), "tasks": ["deep"]}, 404, "there is no task 'deep'"),
    ],
)
def test_what_is_refused(address: str, body: Any, status: int, said: str) -> None:
    found, answer = send(address, json.dumps(body), "/v1/maps")
    assert found == status and said in answer["error"]["message"]
    assert send(address, "{", "/v1/maps", JSON)[0] == 400


def test_more_than_may_wait_come_again(engine: DenseEngine) -> None:
    async def ask() -> None:
        queue = PredictionQueue(engine, LIMITS)
        queue.waiting = LIMITS.waiting
        with pytest.raises(ApiError, match="too many answers wait"):
            await queue.predict(MapsRequest(image=to_url(draw())))

    asyncio.run(ask())
