"""The server's application: OpenAI's paths, the server's health and its metrics."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Any, Protocol, TypeVar

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.routing import APIRoute
from starlette.responses import Response

from coterie.data.chat_template import get_tokenizer
from coterie.serve.api.answering import Answering, Numbered
from coterie.serve.api.api_error import ApiError
from coterie.serve.api.bounded_body import BoundedBody
from coterie.serve.api.chat_format import ChatFormat
from coterie.serve.api.chat_request import ChatRequest
from coterie.serve.api.error_handlers import FAILURES, ClientLeftError, add_error_handlers
from coterie.serve.api.event_stream import Event, EventStream, wait_until_left
from coterie.serve.api.gatekeeper import MODEL, Gatekeeper
from coterie.serve.api.metrics import Metrics
from coterie.serve.api.page import add_page
from coterie.serve.api.responses_format import ResponsesFormat
from coterie.serve.api.responses_request import ResponsesRequest
from coterie.serve.api.routing_format import RoutingFormat
from coterie.serve.api.run_description import describe_text_run
from coterie.serve.api.served_models import ServedModels
from coterie.serve.engine import InferenceEngine
from coterie.serve.engine_thread import EngineThread
from coterie.serve.limits import ServerLimits

Found = TypeVar("Found")
STREAMED: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {}}}}
"""Of answers that may come in pieces, for the OpenAPI document."""


class AnswerFormat(Protocol):
    """How answers are written: `ChatFormat` or `ResponsesFormat`."""

    def format_whole(self, answering: Answering) -> dict[str, Any]: ...

    def format_pieces(
        self, pieces: AsyncIterator[Numbered], answering: Answering
    ) -> AsyncIterator[Event]: ...


def make_app(
    engine: InferenceEngine, *, api_key: str | None = None, limits: ServerLimits | None = None
) -> FastAPI:
    """Return the application of an engine, whose thread runs while the application does.

    Args:
        engine: the loaded run.
        api_key: what clients must send as a bearer token; None for no check.
        limits: of requests; None for the defaults.
    """
    limits = limits or ServerLimits()
    served = ServedModels.of(engine, limits)
    scheduler = engine.scheduler
    metrics = Metrics(
        {
            "coterie_waiting_answers": lambda: len(scheduler.waiting),
            "coterie_running_answers": lambda: scheduler.num_running,
        }
    )

    @asynccontextmanager
    async def run_engine(app: FastAPI) -> AsyncIterator[None]:
        thread = EngineThread(scheduler)
        thread.start()
        yield
        await asyncio.to_thread(thread.stop, limits.shutdown_s)

    # FastAPI's pages of documentation load scripts from elsewhere.
    documented = {"docs_url": None, "redoc_url": None, "responses": {**FAILURES}}
    app = FastAPI(title="coterie", lifespan=run_engine, **documented)
    app.state.names = served.names
    _add_paths(app, served, metrics)
    add_page(app, engine.run, describe_text_run(served))
    guard(app, api_key=api_key, limits=limits, metrics=metrics)
    return app


def guard(app: FastAPI, *, api_key: str | None, limits: ServerLimits, metrics: Metrics) -> None:
    """Put what checks keys, bodies and failures, and counts, before an application's paths."""

    @app.get("/healthz")
    async def say_healthy() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/metrics", response_class=PlainTextResponse)
    async def show_metrics() -> PlainTextResponse:
        return PlainTextResponse(metrics.render(), media_type="text/plain; version=0.0.4")

    add_error_handlers(app)
    # Without the report's path, which is a secret.
    paths = [
        route.path
        for route in app.router.routes
        if isinstance(route, APIRoute) and route.include_in_schema
    ]
    app.add_middleware(BoundedBody, limits=limits)  # pyright: ignore[reportArgumentType]
    app.add_middleware(Gatekeeper, api_key=api_key, metrics=metrics, paths=paths)  # pyright: ignore[reportArgumentType]


def _add_paths(app: FastAPI, served: ServedModels, metrics: Metrics) -> None:
    decode = partial(get_tokenizer(served.engine.loaded.processor).decode)
    answer = partial(respond, served=served, metrics=metrics)
    routing = RoutingFormat.of(served.engine.scheduler.model, decode)

    @app.post("/v1/chat/completions", responses=STREAMED)
    async def complete_chat(request: Request, body: ChatRequest) -> Response:
        with_usage = body.stream_options is not None and bool(body.stream_options.include_usage)
        written = ChatFormat(
            model=body.model, decode=decode, routing=routing, includes_usage=with_usage
        )
        return await answer(request, body, written)

    @app.post("/v1/responses", responses=STREAMED)
    async def make_response(request: Request, body: ResponsesRequest) -> Response:
        names = ("instructions", "max_output_tokens", "temperature", "top_p", "top_logprobs")
        settings = {name: getattr(body, name) for name in names}
        written = ResponsesFormat(model=body.model, decode=decode, settings=settings)
        return await answer(request, body, written)

    @app.get("/v1/models")
    async def list_models() -> dict[str, Any]:
        return {"object": "list", "data": [served.describe(name) for name in served.names]}

    @app.get("/v1/models/{name}")
    async def describe_model(name: str) -> dict[str, Any]:
        return served.describe(name)


async def respond(
    request: Request,
    body: ChatRequest | ResponsesRequest,
    written: AnswerFormat,
    *,
    served: ServedModels,
    metrics: Metrics,
) -> Response:
    """Answer a request, whole or in pieces. Raises ApiError, and ClientLeftError."""
    started = time.monotonic()
    deadline_s = asyncio.get_running_loop().time() + served.limits.request_s
    asked = await asyncio.to_thread(body.parse, served.limits)
    request.scope[MODEL] = asked.model if asked.model in served.names else "other"
    answering = await unless_client_leaves(request, Answering.begin(served, asked))
    metrics.count_tokens("prompt", answering.prompt_tokens)
    pieces = count_pieces(answering.read(deadline_s), metrics, started)
    if not body.stream:
        await unless_client_leaves(request, exhaust(pieces))
        return JSONResponse(written.format_whole(answering))
    # An error before the first token is one of the whole response.
    first = await unless_client_leaves(request, anext(pieces))
    return EventStream(stream(written, first, pieces, answering))


async def unless_client_leaves(request: Request, work: Awaitable[Found]) -> Found:
    """Return the result of `work`. Raises ClientLeftError, and cancels it, if the client leaves."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(wait_until_left(request.receive))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientLeftError
        return working.result()
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def count_pieces(
    pieces: AsyncIterator[Numbered], metrics: Metrics, started: float
) -> AsyncIterator[Numbered]:
    """Yield pieces, and count their tokens and the time until the first."""
    is_first = True
    async with aclosing(pieces):  # pyright: ignore[reportArgumentType] - it is a generator
        async for numbered in pieces:
            if is_first:
                metrics.add_first_token(time.monotonic() - started)
                is_first = False
            metrics.count_tokens("completion", numbered.piece.token is not None)
            yield numbered


async def exhaust(pieces: AsyncIterator[Numbered]) -> None:
    """Wait until all answers are whole."""
    async for _ in pieces:
        pass


async def stream(
    written: AnswerFormat, first: Numbered, rest: AsyncIterator[Numbered], answering: Answering
) -> AsyncIterator[Event]:
    """Yield the events of the answers, or of an error; at the end cancel what is left."""

    async def chain() -> AsyncIterator[Numbered]:
        yield first
        async for numbered in rest:
            yield numbered

    try:
        async for event in written.format_pieces(chain(), answering):
            yield event
    except ApiError as error:
        yield "error", error.to_body()
    finally:
        answering.cancel()
