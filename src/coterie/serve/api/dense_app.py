"""The application of a run with dense tasks: a picture in, a map of each task out."""

import asyncio
import io
import time
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict

from coterie.data.sample import MediaFile
from coterie.report.embedded_media import make_data_uri
from coterie.serve.api.answering import make_busy_error
from coterie.serve.api.api_error import ApiError
from coterie.serve.api.app import guard
from coterie.serve.api.content_parts import parse_content
from coterie.serve.api.error_handlers import FAILURES
from coterie.serve.api.metrics import Metrics
from coterie.serve.api.page import add_page
from coterie.serve.api.run_description import describe_dense_run
from coterie.serve.api.served_models import describe_model
from coterie.serve.dense_engine import DenseEngine, make_picture
from coterie.serve.limits import ServerLimits
from coterie.tasks.dense.task import DenseTask, Output
from coterie.tasks.dense.visualize import Rgb
from coterie.train.run import Run


class MapsRequest(BaseModel):
    """The body of /v1/maps: a picture as a data URL or base64, and tasks; None for all."""

    model_config = ConfigDict(strict=True, extra="forbid")

    image: str
    tasks: list[str] | None = None


class PredictionQueue:
    """Predicts one picture at a time; more than may wait are refused."""

    def __init__(self, engine: DenseEngine, limits: ServerLimits) -> None:
        self.engine, self.limits = engine, limits
        self.predicting = asyncio.Lock()
        self.waiting = 0

    async def predict(self, body: MapsRequest) -> dict[str, Any]:
        """Return the body of the response. Raises ApiError for what cannot be predicted."""
        if self.waiting >= self.limits.waiting:
            raise make_busy_error()
        self.waiting += 1
        try:
            tasks = self._select_tasks(body.tasks)
            picture = await asyncio.to_thread(self._parse_picture, body.image)
            async with asyncio.timeout(self.limits.request_s), self.predicting:
                return await asyncio.to_thread(self._predict, picture, tasks)
        except TimeoutError:
            raise ApiError("the maps took too long", status=504, code="timeout") from None
        finally:
            self.waiting -= 1

    def _select_tasks(self, names: Sequence[str] | None) -> tuple[DenseTask, ...]:
        if names is None:
            return self.engine.select_tasks()
        if not names:
            raise ApiError("tasks is empty: give some, or leave it out for all", param="tasks")
        try:
            return tuple(self.engine.select_tasks(name)[0] for name in dict.fromkeys(names))
        except ValueError as error:
            raise ApiError(str(error), status=404, code="model_not_found", param="tasks") from None

    def _parse_picture(self, image: str) -> MediaFile:
        part = {"type": "image_url", "image_url": {"url": image}}
        [found] = parse_content([part], self.limits, "image")
        assert isinstance(found, MediaFile)
        return found

    def _predict(self, picture: MediaFile, tasks: Sequence[DenseTask]) -> dict[str, Any]:
        started = time.monotonic()
        try:
            [(sample, outputs)] = self.engine.predict([picture], tasks)
        except ValueError as error:
            raise ApiError(str(error), param="image") from None
        seconds = time.monotonic() - started
        return {
            "image": make_picture_uri(sample.image),
            "maps": [describe_map(task, outputs[task.name]) for task in tasks],
            "seconds": round(seconds, 4),
        }


def describe_map(task: DenseTask, output: Output) -> Mapping[str, Any]:
    """Return a task's map as a picture, with what its colours mean."""
    legend = [each._asdict() for each in task.list_legend(output)]
    picture = make_picture_uri(task.visualize(output, None).prediction)
    return {"task": task.name, "picture": picture, "legend": legend}


def make_picture_uri(pixels: Rgb) -> str:
    """Return a picture as a PNG in a data URL."""
    held = io.BytesIO()
    make_picture(pixels).save(held, "PNG")
    return make_data_uri("image/png", held.getvalue())


def make_dense_app(
    engine: DenseEngine, run: Run, *, api_key: str | None = None, limits: ServerLimits | None = None
) -> FastAPI:
    """Return the application of a run with dense tasks; arguments as of `make_app`."""
    limits = limits or ServerLimits()
    queue, started = PredictionQueue(engine, limits), int(time.time())
    metrics = Metrics({"coterie_waiting_answers": lambda: queue.waiting})
    names = [task.name for task in engine.select_tasks()]
    app = FastAPI(title="coterie", docs_url=None, redoc_url=None, responses={**FAILURES})
    app.state.names = tuple(names)

    @app.post("/v1/maps")
    async def predict_maps(body: MapsRequest) -> dict[str, Any]:
        return await queue.predict(body)

    @app.get("/v1/models")
    async def list_models() -> dict[str, Any]:
        return {"object": "list", "data": [describe_model(name, started) for name in names]}

    add_page(app, run, describe_dense_run(engine, run, limits))
    guard(app, api_key=api_key, limits=limits, metrics=metrics)
    return app
