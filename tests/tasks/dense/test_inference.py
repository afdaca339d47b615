"""Statistics of every picture, whatever the batches, and what mixtures decided for it."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

import coterie
from coterie import Copies, Mixture, TaskGate, TopK
from coterie.data.dataset import BadRow
from coterie.routing.decision import Tape
from coterie.tasks.dense.dataset import DenseSample, DenseSamples
from coterie.tasks.dense.inference import run_inference
from coterie.tasks.dense.kinds.distillation import Distillation
from coterie.tasks.dense.kinds.regression import Regression
from coterie.tasks.predictions import PredictionResult
from tests.tasks.dense.tiny import model

TASKS = (
    Regression(name="depth"),
    Regression(name="normal", num_channels=3),
    Distillation(name="scene", classes=5),
)
NAMES = ("depth", "normal", "scene")


class BootstrapSamples(DenseSamples):
    """Random pictures; the second has no label of "normal"."""

    bad_rows: tuple[BadRow, ...] = ()

    def __init__(self, count: int = 3) -> None:
        generator = torch.Generator().manual_seed(1)
        self.samples = []
        for number in range(count):
            labels = {
                "depth": torch.rand(1, 28, 28, generator=generator),
                "normal": torch.rand(3, 28, 28, generator=generator),
                "scene": torch.eye(5)[number % 5],
            }
            if number == 1:
                del labels["normal"]
            image = torch.randint(256, (3, 28, 28), generator=generator).byte()
            self.samples.append(DenseSample(image=image, labels=labels, source=f"p{number}"))

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> DenseSample:
        return self.samples[index]


def pixels(samples: Sequence[DenseSample]) -> torch.Tensor:
    return torch.stack([sample.image for sample in samples]).float() / 255


def statistics(found: PredictionResult) -> dict[str, np.ndarray]:
    rows = found.rows.items()
    return {name: np.array([row["statistics"] for row in each]) for name, each in rows}


def test_each_picture_as_the_metric_of_its_task_has_it() -> None:
    host, rows, told = model(), BootstrapSamples(), []
    found = run_inference(host, rows, TASKS, pixels=pixels, batch_size=2, on_batch_end=told.append)
    for rows_of_task in found.rows.values():
        assert [row["source"] for row in rows_of_task] == ["p0", "p1", "p2"]
    assert told == [2, 3] and found.seconds > 0
    numbers = statistics(found)
    assert {name: each.shape for name, each in numbers.items()} == {
        "depth": (3, 2), "normal": (3, 2), "scene": (3, 2),
    }  # fmt: skip
    with torch.no_grad():
        said = host(pixel_values=pixels([rows[2]])).predictions
    wanted = (said["depth"][0] - rows[2].labels["depth"]).abs().double().sum()
    np.testing.assert_allclose(numbers["depth"][2], [wanted, 28 * 28], rtol=1e-5)
    assert numbers["normal"][1].tolist() == [0, 0]  # no label: nothing to add
    assert numbers["normal"][:, 1].tolist() == [3 * 28 * 28, 0, 3 * 28 * 28]


def test_batches_and_tasks_that_are_left_out_change_nothing() -> None:
    host, rows = model(), BootstrapSamples()
    one = statistics(run_inference(host, rows, TASKS, pixels=pixels, batch_size=1))
    all_at_once = statistics(run_inference(host, rows, TASKS[1:], pixels=pixels, batch_size=8))
    assert list(all_at_once) == ["normal", "scene"]
    for name, each in all_at_once.items():
        np.testing.assert_allclose(each, one[name], rtol=1e-4)


def test_mixtures_tell_what_they_decide() -> None:
    mixture = Mixture(
        at="vision.mlp", experts=Copies(count=4), gate=TaskGate(init_std=1.0), router=TopK(k=2)
    )
    grafted = coterie.graft(model(), [mixture], tasks=NAMES)
    tapes: list[Tape] = []
    run_inference(
        grafted,
        BootstrapSamples(),
        TASKS,
        pixels=pixels,
        batch_size=2,
        on_routing=lambda t: tapes.append(t),
    )
    # Three tasks of two pictures, then of one; 16 patches and a class token each.
    assert [len(next(iter(tape.values())).weights) for tape in tapes] == [3 * 2 * 17, 3 * 17]


def test_models_in_bfloat16_are_scored_in_float32() -> None:
    host, rows = model(), BootstrapSamples()
    wanted = statistics(run_inference(host, rows, TASKS, pixels=pixels, batch_size=3))["depth"]
    host.backbone.bfloat16()
    found = statistics(run_inference(host, rows, TASKS, pixels=pixels, batch_size=3))["depth"]
    assert not np.array_equal(found, wanted)
    np.testing.assert_allclose(found, wanted, rtol=0.02)  # bfloat16 has eight bits


def test_a_task_of_which_nothing_is_labelled(unchecked: None) -> None:
    rows = BootstrapSamples(2)
    rows.samples = rows.samples[1:]
    with pytest.raises(ValueError, match="none of the 1 images has a label of task 'normal'"):
        run_inference(model(), rows, TASKS, pixels=pixels, batch_size=1)
