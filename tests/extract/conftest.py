"""A run on pictures whose tasks use few of many experts."""

from dataclasses import replace

import pytest

from coterie import Copies, Mixture, TaskGate, TopK
from coterie.tasks.dense.vision_config import VisionConfig
from coterie.train import Run
from tests.evaluate.dense_runs import dense_run, recipe
from tests.extract.dense import PICTURES

MIXTURE = Mixture(
    at="vision.mlp", experts=Copies(count=16), gate=TaskGate(init_std=1.0), router=TopK(k=2)
)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    many = replace(recipe(), mixtures=(MIXTURE,))
    # Vectors as large as tokens, so that a task's tokens are alike and use few of the experts.
    alike = VisionConfig(embedding_std=1.0)
    folder = tmp_path_factory.mktemp("runs") / "squad"
    return dense_run(folder, PICTURES, made_by=many, vision=alike)
