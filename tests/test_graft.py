"""`observe` records the passes of its own block."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

import coterie
from coterie import Mixture
from coterie.tuner.runtime import RUNTIME
from tests.tiny import TINY
from tests.tuner.checks import grafted, logits


def test_a_block_within_another_has_a_tape_of_its_own() -> None:
    tiny = TINY["llama"]()
    model = grafted(tiny, Mixture(at="text.mlp"))
    with coterie.observe(model) as outer:
        with coterie.observe(model) as inner:
            logits(model, tiny.batch)
        assert len(inner) == 6 and not outer  # two layers of three linear ones
        logits(model, tiny.batch)
    assert len(outer) == 6


def test_blocks_of_coroutines_that_overlap_are_refused() -> None:
    tiny = TINY["llama"]()
    model = grafted(tiny, Mixture(at="text.mlp"))

    async def run() -> None:
        with coterie.observe(model):
            await asyncio.sleep(0)  # the other one enters its block
            logits(model, tiny.batch)

    async def run_both() -> list[object]:
        return await asyncio.gather(run(), run(), return_exceptions=True)

    for error in asyncio.run(run_both()):
        assert isinstance(error, ValueError) and "overlap" in str(error)
    assert RUNTIME.tape is None


def test_a_model_that_ran_in_another_thread_is_warned_of() -> None:
    tiny = TINY["llama"]()
    model = grafted(tiny, Mixture(at="text.mlp"))
    with (
        pytest.warns(UserWarning, match="ran in another thread"),
        coterie.observe(model) as tape,
        ThreadPoolExecutor(1) as pool,
    ):
        pool.submit(logits, model, tiny.batch).result()
    assert not tape
    with coterie.observe(model):
        pass
