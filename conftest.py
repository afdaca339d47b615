"""Seeds, threads, no network, and the documents as tests: set once, for everything."""

import atexit
import gc
import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"  # before anything imports huggingface_hub, which reads it once

import jaxtyping
import pytest
import torch
from sybil import Sybil

from tests.docs.blocks import PARSERS
from tests.shaped_modules import find_shaped_modules

jaxtyping.install_import_hook(find_shaped_modules(), "beartype.beartype")
torch.set_num_threads(1)
# No test cuts the power, and thousands of small files would each wait for the disk.
os.fsync = lambda opened: None
atexit.register(gc.unfreeze)  # or libraries report what `quick_collections` froze as leaked


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(autouse=True, scope="module")
def quick_collections() -> None:
    """Each training collects garbage, which takes a second among the objects of all imports."""
    gc.collect()
    gc.freeze()  # what lives by now, mostly modules, is passed over from here on


@pytest.fixture
def unchecked() -> Iterator[None]:
    """As users run it: without the type checks that would answer before coterie's own errors."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def enter_project(namespace: dict[str, Any]) -> None:
    """Each document has a folder of its own with a tiny model, rows and a tasks.yaml."""
    from tests.docs.stand_ins import project  # imports transformers

    namespace["_project"] = stack = ExitStack()
    stack.enter_context(project())


def leave_project(namespace: dict[str, Any]) -> None:
    namespace["_project"].close()


pytest_collect_file = Sybil(
    parsers=PARSERS,
    patterns=["README.md", "docs/*.md", "docs/*/*.md"],
    excludes=["docs/_build/*", "docs/reference/*"],
    setup=enter_project,
    teardown=leave_project,
).pytest()
