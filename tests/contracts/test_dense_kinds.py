"""What every kind of dense task and its metrics must do: found, not listed."""

import math
from itertools import product
from typing import Literal, get_args, get_origin, get_type_hints

import numpy as np
import pytest
import torch
from torch import Tensor

import coterie.metrics.dense
import coterie.tasks.dense.kinds
from coterie import serialization
from coterie.metrics.base import DenseMetric
from coterie.tasks.dense.task import DenseTask
from tests.metrics.cases import map_statistics

KINDS = serialization.find_kinds(coterie.tasks.dense.kinds, DenseTask)
METRICS = serialization.find_kinds(coterie.metrics.dense, DenseMetric)
NEEDED = {"classes": 4}
"""Values of fields that some kinds cannot do without."""


def names(kind: type[DenseTask]) -> list[str]:
    return [field.name for field in serialization.get_init_fields(kind)]


def variants(kind: type[DenseTask]) -> list[DenseTask]:
    """One of a kind for every combination of its choices."""
    hints = get_type_hints(kind)
    choices = {
        name: get_args(hints[name]) for name in names(kind) if get_origin(hints[name]) is Literal
    }
    needed = {name: value for name, value in NEEDED.items() if name in names(kind)}
    return [
        kind(name="task", **needed, **dict(zip(choices, values, strict=True)))  # pyright: ignore
        for values in product(*choices.values())
    ]


TASKS = [task for kind in KINDS for task in variants(kind)]


def ones_at(task: DenseTask, classes: Tensor) -> Tensor:
    """One-hot over the task's channels, or 1 in every third row where there is but one channel."""
    if task.channels == 1:
        return (torch.arange(classes.shape[-2]) % 3 == 1)[:, None].expand_as(classes)[None].float()
    return torch.nn.functional.one_hot(classes, task.channels).movedim(-1, 0).float()


def sample(task: DenseTask, seed: int = 0) -> tuple[Tensor, Tensor]:
    """A label, and the numbers, 0 or 1, that say it over the task's channels."""
    generator = torch.Generator().manual_seed(seed)
    shape = () if task.is_image_level else (8, 9)
    classes = torch.randint(0, max(task.channels, 2), shape, generator=generator)
    ones = ones_at(task, classes)
    return (classes if "ignore_index" in names(type(task)) else ones), ones


def nothing(task: DenseTask) -> Tensor:
    label, _ = sample(task)
    return torch.full_like(label, getattr(task, "ignore_index", math.nan))


def sharp(ones: Tensor) -> Tensor:
    """Logits, and numbers with the right signs, for what is one-hot."""
    return 20 * ones - (10 if len(ones) == 1 else 0)


def test_there_are_kinds_with_metrics_of_the_folder() -> None:
    assert len(KINDS) >= 7
    assert {type(task.make_metric()) for task in TASKS} <= set(METRICS)


@pytest.mark.parametrize("task", TASKS, ids=repr)
class TestKinds:
    def test_loss_is_float32_of_each_picture_and_differentiable(self, task: DenseTask) -> None:
        labels = torch.stack([sample(task, seed)[0] for seed in range(3)])
        shape = sample(task)[1].shape
        prediction = torch.randn(3, *shape, dtype=torch.bfloat16, requires_grad=True)
        loss = task.compute_loss(prediction, labels)
        assert loss.shape == (3,) and loss.dtype == torch.float32
        assert loss.isfinite().all() and (loss > 0).all()
        loss.sum().backward()
        assert prediction.grad is not None and prediction.grad.isfinite().all()
        assert prediction.grad.any()

    def test_a_picture_has_its_own_loss(self, task: DenseTask) -> None:
        labels = torch.stack([sample(task, 0)[0], nothing(task), sample(task, 1)[0]])
        prediction = torch.randn(3, *sample(task)[1].shape)
        alone = [task.compute_loss(prediction[i : i + 1], labels[i : i + 1]) for i in range(3)]
        torch.testing.assert_close(task.compute_loss(prediction, labels), torch.cat(alone))

    @pytest.mark.parametrize("value", [0.0, 1.0, 1e30])
    def test_nothing_labelled_is_0_with_a_finite_gradient(
        self, task: DenseTask, value: float
    ) -> None:
        prediction = torch.full((1, *sample(task)[1].shape), value, requires_grad=True)
        loss = task.compute_loss(prediction, nothing(task)[None])
        loss.sum().backward()
        assert loss.tolist() == [0.0] and prediction.grad is not None
        assert not prediction.grad.any()

    def test_a_prediction_of_0_has_a_finite_gradient(self, task: DenseTask) -> None:
        label, ones = sample(task)
        prediction = torch.zeros(1, *ones.shape, requires_grad=True)
        task.compute_loss(prediction, label[None]).sum().backward()
        assert prediction.grad is not None and prediction.grad.abs().max() < 1000

    def test_right_costs_less_than_wrong(self, task: DenseTask) -> None:
        label, ones = sample(task)
        right, wrong = (
            task.compute_loss(answer[None], label[None]).item()
            for answer in (sharp(ones), -sharp(ones))
        )
        assert right < wrong

    def test_a_right_answer_scores_best_and_a_wrong_one_less(self, task: DenseTask) -> None:
        metric = task.make_metric()
        label, ones = sample(task)

        def score(answer: Tensor) -> float:
            return metric.score(map_statistics(metric, answer, label))

        best = 100.0 if metric.higher_is_better else 0.0
        answers = [score(answer) for answer in (ones, sharp(ones))]
        assert any(answer == pytest.approx(best, abs=1e-5) for answer in answers)
        wrong = score(-sharp(ones))
        low, high = metric.limits
        assert low <= wrong <= high and abs(wrong - best) > 0.1

    def test_statistics_are_of_one_length_finite_and_add_up(self, task: DenseTask) -> None:
        metric = task.make_metric()
        samples = [(torch.randn(sample(task)[1].shape), sample(task, i)[0]) for i in range(4)]
        found = [map_statistics(metric, prediction, label) for prediction, label in samples]
        found.append(map_statistics(metric, samples[0][0], nothing(task)))
        assert len({x.shape for x in found}) == 1 and found[0].ndim == 1
        assert all(x.dtype == np.float64 and np.isfinite(x).all() for x in found)
        assert not found[-1].any()
        whole = metric.score(np.sum(found, axis=0))
        low, high = metric.limits
        assert isinstance(whole, float) and low <= whole <= high
        assert metric.score(np.sum(found + found, axis=0)) == pytest.approx(whole)
        assert math.isnan(metric.score(np.zeros_like(found[0])))

    def test_bfloat16_predictions_are_scored(self, task: DenseTask) -> None:
        label, ones = sample(task)
        metric, answer = task.make_metric(), torch.randn(ones.shape).bfloat16()
        np.testing.assert_allclose(
            map_statistics(metric, answer, label), map_statistics(metric, answer.float(), label)
        )

    def test_what_is_done_to_labels_can_be_undone(self, task: DenseTask) -> None:
        label, _ = sample(task)
        torch.testing.assert_close(task.flip_label(task.flip_label(label)), label)
        torch.testing.assert_close(task.rotate_label(task.rotate_label(label, 20.0), -20.0), label)
        torch.testing.assert_close(task.scale_label(task.scale_label(label, 2.0), 0.5), label)
        assert task.scale_label(label, 1.0).dtype == label.dtype

    def test_unlabelled_stays_unlabelled(self, task: DenseTask) -> None:
        label = nothing(task)
        for moved in (
            task.flip_label(label),
            task.rotate_label(label, 20.0),
            task.scale_label(label, 1.25),
        ):
            torch.testing.assert_close(moved, label, equal_nan=True)

    def test_is_saved_and_loaded(self, task: DenseTask) -> None:
        assert serialization.loads(serialization.dumps(task)) == task
        assert serialization.loads(serialization.dumps(task.make_metric())) == task.make_metric()


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("kind", KINDS)
def test_name_and_weight_are_checked(kind: type[DenseTask]) -> None:
    needed = {name: value for name, value in NEEDED.items() if name in names(kind)}
    with pytest.raises(ValueError, match=rf"{kind.__name__}\(\.\.\.\): name = ''"):
        kind(name="", **needed)  # pyright: ignore
    for weight in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match=rf"{kind.__name__}\(weight={weight}\): give a number"):
            kind(name="task", weight=weight, **needed)  # pyright: ignore
