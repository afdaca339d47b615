"""Gradients by task: TorchJD on a Jacobian built by hand, parts of a step, resuming, refusals."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from torch import Tensor, nn
from torchjd.aggregation import UPGrad as TorchJDUPGrad

from coterie import Fixed, Importance, PCGrad, Recipe, UPGrad
from coterie.balancing.base import Balancing
from coterie.tasks.losses import TaskLossSums
from coterie.train.task_gradients import TaskGradients
from coterie.train.trainable import match_new_parameters
from coterie.train.trainer import MixtureTrainer
from tests.train import gallery
from tests.train.small import adapter, content, hard, lines, plain, trained


def balanced(balancing: Balancing, **stage) -> Recipe:
    return replace(plain(learning_rate=1e-2, **stage), balancing=balancing)


class Sum(nn.Module):
    """An aggregator under which gradients by task must give the gradient of a sum of losses."""

    def forward(self, gradients: Tensor) -> Tensor:
        return gradients.sum(0)


def gradients_of(parameters: list[nn.Parameter], tasks: int) -> TaskGradients:
    return TaskGradients(parameters, [], tasks=tasks)


def test_rows_are_gradients_of_mean_losses_and_parts_add_up() -> None:
    weight, bias = nn.Parameter(torch.zeros(2, 2)), nn.Parameter(torch.zeros(1))
    found = gradients_of([weight, bias], tasks=3)
    # Task 0: 2 items in the first part and 2 in the second; task 2: 1 item; task 1: none.
    for counts, scale in (((2.0, 0.0, 0.0), 1.0), ((2.0, 0.0, 1.0), 3.0)):
        sums = torch.stack([scale * weight.sum(), 0 * bias.sum(), 5 * weight[0, 0] + bias.sum()])
        found.add(TaskLossSums(sums, torch.tensor(counts)), [])
    # Task 0: (1 + 3) / 4 = 1 for each number of the weight; task 2: 5 for the first, 1 for bias.
    seen = []

    class Record(Sum):
        def forward(self, gradients: Tensor) -> Tensor:
            seen.append(gradients)
            return super().forward(gradients)

    combined = found.combine(Record())
    assert seen[0].tolist() == [[1, 1, 1, 1, 0], [5, 0, 0, 0, 1]]
    found.write(combined)
    assert weight.grad is not None and weight.grad.tolist() == [[6, 1], [1, 1]]
    assert bias.grad is not None and bias.grad.tolist() == [1]
    # The next step begins at 0.
    assert not found.rows.any() and not found.counts.any()


def test_routing_losses_are_added_to_the_combined_gradient() -> None:
    weight = nn.Parameter(torch.ones(2))
    found = gradients_of([weight], tasks=1)
    sums = TaskLossSums(2 * weight[:1], torch.tensor([1.0]))
    found.add(sums, [weight[1] * 3, weight.sum()])

    class Negative(nn.Module):
        def forward(self, gradients: Tensor) -> Tensor:
            return -gradients.sum(0)

    # -(2, 0) + (0, 3) + (1, 1)
    assert found.combine(Negative()).tolist() == [-1, 4]


def test_task_specific_parameters_get_their_tasks_gradient() -> None:
    shared, own = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(2))
    found = TaskGradients([shared], [own], tasks=2)
    sums = torch.stack([shared[0] * 2 + own[0] * 4, shared[0] * -1 + own[1] * 6])
    found.add(TaskLossSums(sums, torch.tensor([1.0, 2.0])), [])

    class First(nn.Module):
        def forward(self, gradients: Tensor) -> Tensor:
            assert gradients.tolist() == [[2], [-0.5]]
            return gradients[0]

    assert found.combine(First()).tolist() == [2, 4, 3]


def test_gradients_lie_as_their_parameters_do() -> None:
    weight = nn.Parameter(torch.zeros(3, 2).t())
    found = gradients_of([weight], tasks=1)
    coefficients = torch.arange(6.0).view(2, 3)
    found.add(TaskLossSums((weight * coefficients).sum()[None], torch.ones(1)), [])
    found.write(found.combine(Sum()))
    assert weight.grad is not None and weight.grad.stride() == weight.stride() == (1, 2)
    assert torch.equal(weight.grad, coefficients)


def test_a_step_without_items_is_0() -> None:
    weight = nn.Parameter(torch.ones(2))
    found = gradients_of([weight], tasks=2)
    found.add(TaskLossSums(weight * 0, torch.zeros(2)), [])
    assert found.combine(Sum()).tolist() == [0, 0]


def first_gradient(
    folder: Path, monkeypatch: pytest.MonkeyPatch, recipe: Recipe, **options
) -> dict[str, Tensor]:
    """`.grad` of a run's only step, before it is clipped."""
    found: dict[str, Tensor] = {}

    def record(self: MixtureTrainer, model: nn.Module, grad_norm: None) -> None:
        named = self.stage_context.model.named_parameters()
        found.update({k: v.grad.clone() for k, v in named if v.grad is not None})

    with monkeypatch.context() as patched:
        patched.setattr(MixtureTrainer, "_get_grad_norm", record)
        trained(folder, recipe, **({"steps": 1} | options))
    return found


def test_step_equals_torchjd_on_a_jacobian_built_by_hand(tmp_path: Path, monkeypatch) -> None:
    options = {"batch_size": 8, "seed": 3}
    # Rows of the Jacobian by another way: plain training on one task's losses. `Fixed` weighs a
    # mean by the task's share of the tokens, n_t / n, which is divided out.
    counts = count_items(tmp_path / "count", monkeypatch, **options)
    assert (counts > 0).all()
    rows = []
    for task in range(2):
        weights = tuple(float(task == other) for other in range(2))
        recipe = balanced(Fixed(weights=weights))
        found = first_gradient(tmp_path / f"{task}", monkeypatch, recipe, **options)
        row = torch.cat([each.flatten() for each in found.values()])
        rows.append(row * counts.sum() / counts[task])
    jacobian = torch.stack(rows)
    scale = jacobian.norm()  # TorchJD takes small ones for 0
    expected = TorchJDUPGrad()(jacobian / scale) * scale
    balanced_step = first_gradient(tmp_path / "upgrad", monkeypatch, balanced(UPGrad()), **options)
    got = torch.cat([each.flatten() for each in balanced_step.values()])
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-6 * float(scale))
    assert got.abs().max() > 1e-3 * float(scale)


def count_items(folder: Path, monkeypatch: pytest.MonkeyPatch, **options) -> Tensor:
    """Tokens of each task in a run's only step."""
    counts = []
    real = TaskGradients.add

    def record(self: TaskGradients, found: TaskLossSums, routing) -> None:
        counts.append(found.counts)
        real(self, found, routing)

    with monkeypatch.context() as patched:
        patched.setattr(TaskGradients, "add", record)
        trained(folder, balanced(UPGrad()), steps=1, **options)
    return torch.stack(counts).sum(0)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_parts_of_a_step_change_nothing(tmp_path: Path, monkeypatch, precision: str) -> None:
    recipe = replace(balanced(PCGrad()), losses=())
    one, four = (
        first_gradient(
            tmp_path / f"{parts}",
            monkeypatch,
            recipe,
            batch_size=8,
            accumulation=parts,
            precision=precision,
        )
        for parts in (1, 4)
    )
    assert one.keys() == four.keys()
    tolerance = 1e-5 if precision == "float32" else 3e-2
    for name, each in one.items():
        assert (four[name] - each).norm() <= tolerance * each.norm(), name


def test_gradient_checkpointing_changes_nothing(tmp_path: Path, monkeypatch) -> None:
    without, checkpointed = (
        first_gradient(
            tmp_path / f"{on}", monkeypatch, balanced(UPGrad()), gradient_checkpointing=on
        )
        for on in (False, True)
    )
    for name, each in without.items():
        torch.testing.assert_close(checkpointed[name], each)


def test_resumed_run_has_the_same_bits(tmp_path: Path) -> None:
    # Random projections, dropout, router noise, frozen rows, routing losses, two stages.
    recipe = replace(hard(), balancing=PCGrad())
    options = {"accumulation": 2, "max_grad_norm": 0.5}
    whole = trained(tmp_path / "whole", recipe, **options)
    real, calls = MixtureTrainer._after_step, []

    def stop(self: MixtureTrainer, *args) -> None:
        calls.append(args)
        if len(calls) in (3, 6):
            raise RuntimeError("stopped")
        real(self, *args)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(MixtureTrainer, "_after_step", stop)
        for _ in range(2):
            with pytest.raises(RuntimeError, match="stopped"):
                trained(tmp_path / "cut", recipe, resume=True, **options)
    again = trained(tmp_path / "cut", recipe, resume=True, **options)
    assert content(again) == content(whole) and lines(again) == lines(whole)
    assert lines(whole)[-1]["routing_loss"].keys() == {"MutualInformation", "Importance"}


def test_frozen_rows_stay(tmp_path: Path, monkeypatch) -> None:
    recipe = replace(hard(), balancing=UPGrad(), losses=(Importance(weight=0.1),))
    stages = (replace(recipe.stages[1], trains=("experts",), learning_rates={}, init="continue"),)
    recipe = replace(recipe, stages=stages)
    found = first_gradient(tmp_path, monkeypatch, recipe)
    # The always-on expert has the last two of six rows, and does not train.
    # Projections down have no gradient yet, for projections up begin at 0.
    stacks = [each for name, each in found.items() if "self_attn" in name and name.endswith("up")]
    assert stacks and all(not each[-2:].any() for each in stacks)
    assert any(each.any() for each in stacks)


def test_learns_and_logs_the_loss_of_fixed(tmp_path: Path) -> None:
    runs = {
        name: trained(tmp_path / name, balanced(each, steps=6), log_every=1)
        for name, each in {"fixed": Fixed(), "upgrad": UPGrad()}.items()
    }
    fixed, upgrad = (lines(run) for run in runs.values())
    assert upgrad[0]["loss"] == fixed[0]["loss"] and upgrad[-1]["loss"] < upgrad[0]["loss"]
    assert upgrad[0]["task_loss"] == fixed[0]["task_loss"]
    assert any(
        not torch.equal(each, adapter(runs["fixed"])[name])
        for name, each in adapter(runs["upgrad"]).items()
    )


def test_heads_and_vectors_of_tasks_are_not_shared(tmp_path: Path, monkeypatch) -> None:
    seen: dict[str, bool] = {}
    real = TaskGradients.from_model.__func__  # pyright: ignore[reportFunctionMemberAccess]

    def record(cls: type[TaskGradients], model: PeftModel, *, tasks: int) -> TaskGradients:
        found = real(cls, model, tasks=tasks)
        named = [(name, each) for name, each in model.named_parameters() if each.requires_grad]
        seen.update({name: name in match_new_parameters(model) for name, _ in named})
        shared = sum(each.numel() for name, each in named if not seen[name])
        assert found.num_shared == shared and len(found.parameters) == len(named)
        return found

    monkeypatch.setattr(TaskGradients, "from_model", classmethod(record))
    recipe = replace(gallery_recipe(), balancing=PCGrad())
    run = gallery.learned(tmp_path, recipe, steps=2, batch_size=2, log_every=1)
    assert run.is_finished
    own = {name for name, specific in seen.items() if specific}
    assert own and all(".heads." in name or ".embeddings." in name for name in own)
    assert any(".coterie_experts." in name for name in seen.keys() - own)


def gallery_recipe() -> Recipe:
    from tests.test_distributed import recipe

    return recipe()


def test_a_gradient_that_is_not_finite_ends_the_run(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(TaskGradients, "is_finite", lambda self: False)
    with pytest.raises(FloatingPointError, match=r"step 1: a gradient of a task's loss is not fin"):
        trained(tmp_path, balanced(UPGrad(), steps=1))
