"""Tasks on pictures: gradients that agree or contradict exactly; runs with experts or none."""

from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch

from coterie.data.dataset import BadRow
from coterie.diagnose import Conflict, diagnose
from coterie.models.loading import LoadedModel, load
from coterie.tasks.dense.collator import DenseCollator
from coterie.tasks.dense.dataset import DenseDataset, DenseSample, DenseSamples
from coterie.tasks.dense.gradients import DenseGradientSource, use_float32
from coterie.tasks.dense.kinds.regression import Regression
from coterie.tasks.dense.kinds.segmentation import Segmentation
from coterie.tasks.dense.task import DenseTask
from coterie.tasks.dense.task_set import DenseTasks
from coterie.tasks.dense.vision_config import VisionConfig
from coterie.train.run import Run
from tests.evaluate import runs
from tests.evaluate.dense_runs import RandomPictures, base, dense_run, recipe
from tests.tasks.dense.tiny import model
from tests.tasks.text.test_gradients import state

SMALL: dict[str, Any] = {"batches": 2, "batch_size": 2, "split": "test"}
FAR = 100.0
LABELS = {"up": FAR, "down": -FAR, "again": FAR}


@dataclass(frozen=True, kw_only=True)
class Contrary(DenseDataset):
    """Eight pictures, each task's label the same number at all pixels."""

    names: tuple[str, ...] = tuple(LABELS)

    @property
    def tasks(self) -> tuple[DenseTask, ...]:
        return tuple(Regression(name=name, weight=2.0) for name in self.names)

    def load_split(self, split: str, *, skip_bad_rows: bool = False) -> DenseSamples:
        return ContraryRows()


class ContraryRows(DenseSamples):
    bad_rows: tuple[BadRow, ...] = ()

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> DenseSample:
        lots = torch.Generator().manual_seed(index)
        image = torch.randint(256, (3, 28, 28), generator=lots).byte()
        labels = {name: torch.full((1, 28, 28), value) for name, value in LABELS.items()}
        return DenseSample(image=image, labels=labels, source=f"{index}")


def contrary() -> LoadedModel:
    """A model whose heads are all the same, so that only the labels tell the tasks apart."""
    tasks = [{"name": name, "channels": 1, "whole_picture": False} for name in LABELS]
    host = model(tasks=tasks, task_embedding=False)
    for head in host.heads:
        head.load_state_dict(host.heads[0].state_dict())
    return LoadedModel(host, DenseCollator(Contrary().tasks), "tiny")


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return dense_run(tmp_path_factory.mktemp("runs") / "squad", RandomPictures(count=8))


def test_opposite_gradients_are_at_minus_1_and_equal_ones_at_1(tmp_path: Path) -> None:
    # The loss is 2 |said - label|, and all that is said lies between the labels: its derivative
    # is -2 for labels above and 2 for those below, times the same derivatives of what is said.
    loaded = contrary()
    told, held = state(loaded.model), {k: v.clone() for k, v in loaded.model.state_dict().items()}
    found = diagnose(loaded, Contrary(), **SMALL)
    assert found.tasks == ("up", "down", "again") and found.space == "blocks"
    assert found.groups == ("vision layer 0", "vision layer 1") and found.shared is None
    for cosines in (found.overall, *found.cosine):
        assert cosines[0] == pytest.approx([1, -1, 1], abs=1e-5)
    assert set(found.conflicting_pairs) == {
        (0, 1),
        (1, 2),
    } and found.negative_share == pytest.approx(2 / 3)
    # What a step takes from the first's loss, of about 200, it adds to the second's.
    assert found.losses == pytest.approx([200] * 3, rel=0.05)
    taken = found.transfer[0][0]
    assert taken < 0 and found.transfer[0] == pytest.approx([taken, -taken, taken], rel=1e-3)
    assert found.transfer[0][2] == found.transfer[0][0]
    # It left no trace, and is read as it was saved.
    assert state(loaded.model) == told
    after = loaded.model.state_dict()
    assert all(torch.equal(each, after[name]) for name, each in held.items())
    assert Conflict.read(found.save(tmp_path)) == found


def test_of_a_base_the_blocks_that_may_hold_experts_are_measured() -> None:
    vision = VisionConfig(shared_layers=1, size=(14, 14))
    tasks = DenseTasks(dataset=RandomPictures(count=8), vision=vision)
    found = diagnose(str(base()), tasks, **SMALL)
    assert found.tasks == ("depth", "classes", "scene") and found.groups == ("vision layer 1",)
    assert found.settings["shared_layers"] == 1 and "at" not in found.settings
    again = diagnose(base(), tasks, **SMALL)
    assert again.overall == found.overall and again.transfer == found.transfer
    other = diagnose(base(), tasks, seed=1, **SMALL)
    assert other.overall != found.overall


def test_of_a_run_the_experts_and_what_tasks_still_share_are_measured(learned: Run) -> None:
    found = diagnose(learned.folder, **SMALL)
    assert found.tasks == learned.task_names and found.space == "adapter"
    assert len(found.transfer) == 3 and all(found.transfer[i][i] < 0 for i in range(3))
    assert found.shared is not None and found.shared.space == "blocks"
    assert not found.shared.transfer and found.shared.groups == found.groups
    # Other tasks of its own are compared the same, whichever are asked for.
    two = diagnose(learned, RandomPictures(names=("scene", "depth"), count=8), **SMALL)
    assert two.tasks == ("scene", "depth")
    assert two.overall[0][1] == pytest.approx(found.overall[0][2], abs=1e-5)


def test_a_run_without_experts_has_its_blocks_alone(tmp_path: Path) -> None:
    pictures = RandomPictures(names=("depth", "scene"), count=8)
    run = dense_run(tmp_path / "dense", pictures, made_by=recipe("dense", experts=False))
    found = diagnose(run, **SMALL)
    assert found.space == "blocks" and found.shared is None and len(found.transfer) == 2


def test_tasks_have_the_same_pictures_but_those_without_a_label(learned: Run) -> None:
    # Pictures 3 and 7 of 8 have no label of the second task.
    rows = DenseTasks(dataset=RandomPictures(count=8)).load_evaluation_rows("test")
    asked = DenseGradientSource(learned.load(), rows, split="test")
    depth, classes, scene = asked.sample_batches(2, 4, seed=0)
    assert depth == scene and sorted(chain(*depth)) == list(range(8))
    assert [len(part) for part in classes] == [3, 3]
    assert sorted(chain(*classes)) == [0, 1, 2, 4, 5, 6]
    with pytest.raises(ValueError, match="task 'classes' has 6 images with a label in the 'test'"):
        asked.sample_batches(7, 1, seed=0)


def test_what_does_not_go_together_is_told(learned: Run, tmp_path: Path) -> None:
    pictures = RandomPictures(count=8)
    words = tuple(runs.task(tmp_path, name, runs.says(name)) for name in ("yes", "no"))
    other = runs.run(tmp_path / "words", words)
    for given, tasks, options, message in (
        (learned, words, {}, "tasks is a TextTasks, and the run was trained on a DenseTasks"),
        (other, pictures, {}, "tasks is a DenseTasks, and the run was trained on a TextTasks"),
        (learned, None, {"at": ("vision.mlp",)}, "are compared in the weights of the backbone's"),
        (base(), RandomPictures(names=("depth",)), {}, "compares tasks, and was given 1"),
        (base(), None, {}, "give the tasks whose conflict"),
        (tmp_path / "none", pictures, {}, "none' is no folder"),
        (
            load(runs.base()),
            pictures,
            {},
            "modeling.MultiTaskVisionModel, and .* is a LlamaForCausalLM: give one",
        ),
        (contrary(), pictures, {}, "give some of up, down, again"),
        (learned, Classes(), {}, "'classes' needs a head of 5 channels, and that of .* has 3"),
    ):
        with pytest.raises(ValueError, match=message):
            diagnose(given, tasks, **(SMALL | options))


@dataclass(frozen=True, kw_only=True)
class Classes(RandomPictures):
    """More classes than the run was trained on."""

    @property
    def tasks(self) -> tuple[DenseTask, ...]:
        return (Segmentation(name="classes", classes=5), Regression(name="depth"))


def test_bfloat16_weights_are_float32_inside_and_themselves_afterwards() -> None:
    module = torch.nn.Linear(2, 2).bfloat16()
    before = {name: each.clone() for name, each in module.state_dict().items()}
    with use_float32(module):
        assert {each.dtype for each in module.parameters()} == {torch.float32}
        assert torch.equal(module.weight, before["weight"].float())
    after = module.state_dict()
    assert all(each.dtype == torch.bfloat16 for each in after.values())
    assert all(torch.equal(each, after[name]) for name, each in before.items())
