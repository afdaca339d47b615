"""One engine, and one server of it, for the tests of this folder, which need the extra `serve`."""

from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from coterie.serve.engine import InferenceEngine
from coterie.serve.limits import ServerLimits
from tests.serve.engines import load, two_tasks

HAS_EXTRA = all(map(find_spec, ("fastapi", "uvicorn")))
collect_ignore_glob = [] if HAS_EXTRA else ["test_*.py"]

LIMITS = ServerLimits(
    body_bytes=200_000, body_s=2.0, prompt_characters=20_000, messages=8, media=2,
    image_pixels=10_000, audio_s=1.0, answer_tokens=64, answers=3, waiting=24, request_s=20.0,
    shutdown_s=5.0,
)  # fmt: skip


@pytest.fixture(scope="package")
def engine(tmp_path_factory: pytest.TempPathFactory) -> InferenceEngine:
    made = two_tasks(tmp_path_factory.mktemp("served"))
    return load(made, max_rows=4, max_waiting=LIMITS.waiting)


@pytest.fixture(scope="package")
def url(engine: InferenceEngine) -> Iterator[str]:
    from tests.serve.api.servers import running

    with running(engine, limits=LIMITS) as address:
        yield address
