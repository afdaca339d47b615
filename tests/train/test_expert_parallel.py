"""Experts in several processes: gradients, runs and checkpoints are those of one process."""

import os
import signal
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, distributed
from torch.distributed.tensor import DTensor

import coterie
from coterie import Copies, LoadBalance, Lora, Mixture, Recipe, Stage, TokenGate, TopK, UPGrad
from coterie.graft import graft
from coterie.train import Run, checkpoint, expert_parallel, sharding
from tests.processes import in_several, in_two
from tests.tinies.text import llama
from tests.tiny import TINY
from tests.train import small
from tests.train.small import adapter, content, lines

pytestmark = pytest.mark.skipif(
    not distributed.is_available(), reason="torch is built without distributed"
)
CPU = torch.device("cpu")


def mixtures(kernel: Any = "auto") -> tuple[Mixture, ...]:
    copies = Copies(count=4, kernel=kernel)
    return (
        Mixture(at="text.mlp", experts=copies, gate=TokenGate(bias=True), router=TopK(k=2)),
        Mixture(at="text.attn", experts=Lora(ranks=(2,)), gate=None),
    )


def differentiate(
    kind: str, kernel: str, *, size: int = 1, share: slice = slice(None), fsdp: bool = False
) -> dict[str, Tensor]:
    """The loss of a share of a batch in float64, and its gradients, averaged over processes."""
    torch.manual_seed(0)
    model = graft(llama().model, mixtures(kernel)).double()
    for name, each in model.named_parameters():
        each.requires_grad_(True)
        each.data.add_(0.1 * torch.randn_like(each))
        if kind == "skewed" and name.endswith("coterie_gate.default.bias"):
            # All tokens to the experts 0 and 1: of 4 processes the last two get none.
            each.data.add_(torch.tensor([20.0, 20, 0, 0]))
    words = torch.randint(4, 40, (8, 9))[share]
    experts = expert_parallel.shard_experts(model, size, CPU) if size > 1 else ()
    if fsdp:
        sharding.shard(model, CPU, apart=experts)
    logits = model(input_ids=words).logits  # whose loss would be in float32
    loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), words[:, 1:].flatten())
    loss.backward()
    if size > 1:
        assert any(isinstance(each, DTensor) for each in experts)
        expert_parallel.reduce_gradients(model)
    found = {n: each.grad for n, each in model.named_parameters() if each.grad is not None}
    return {"loss": loss.detach()} | {n: sharding.gather(each) for n, each in found.items()}


CASES = [
    pytest.param(2, 2, "balanced", "fused", False, id="2-2-balanced"),
    pytest.param(2, 2, "skewed", "reference", False, id="2-2-skewed-reference"),
    pytest.param(2, 2, "balanced", "fused", True, marks=pytest.mark.slow, id="2-2-balanced-fsdp"),
    *(
        pytest.param(
            4,
            size,
            kind,
            "fused",
            fsdp,
            marks=pytest.mark.slow,
            id=f"4-{size}-{kind}{'-fsdp' * fsdp}",
        )
        for size in (2, 4)
        for kind in ("balanced", "skewed")
        for fsdp in (False, True)
    ),
]


@pytest.mark.parametrize(("processes", "size", "kind", "kernel", "fsdp"), CASES)
def test_every_gradient_is_that_of_one_process(
    processes: int, size: int, kind: str, kernel: str, fsdp: bool, tmp_path: Path
) -> None:
    wanted = differentiate(kind, kernel)
    share = 8 // processes

    def work(rank: int) -> None:
        own = slice(rank * share, (rank + 1) * share)
        found = differentiate(kind, kernel, size=size, share=own, fsdp=fsdp)
        assert wanted.keys() <= found.keys()
        # FSDP gives the replaced MLPs, which nothing uses, gradients of 0.
        assert not any(found.pop(name).any() for name in found.keys() - wanted.keys())
        distributed.all_reduce(found["loss"])  # rows are of one length: the mean of their means
        found["loss"] /= processes
        for name, gradient in found.items():
            torch.testing.assert_close(gradient, wanted[name], rtol=1e-8, atol=1e-11, msg=name)

    assert in_several(processes, tmp_path / "all", work) == [(0, "")] * processes


def recipe(**changes: Any) -> Recipe:
    """A stage with one expert, which all processes have, then four that start as its copies."""
    stages = (
        Stage(name="one", trains=("experts",), steps=2, learning_rate=1e-2, routed=False),
        Stage(
            name="two", trains=("adapter", r"model\.norm\.weight"), steps=4, learning_rate=1e-2,
            weight_decay=0.1, init="copy",
        ),
    )  # fmt: skip
    losses = (LoadBalance(weight=0.1),)
    whole = Recipe(name="divided", mixtures=mixtures(), losses=losses, stages=stages)
    return replace(whole, **changes)


def train(folder: Path, size: int, trains: Recipe | None = None, **more: Any) -> Run:
    options = {"log_every": 1, "max_grad_norm": 0.2, "expert_parallel": size, **more}
    return small.trained(folder, trains or recipe(), **options)


def train_in(processes: int, folder: Path, size: int, **more: Any) -> Run:
    small.base(), small.tasks()  # one for all
    work = partial(train, folder, size, **more)
    ends = in_several(processes, folder, lambda rank: work())
    assert ends == [(0, "")] * processes
    return Run.read(folder)


def assert_alike(one: Run, other: Run) -> None:
    for mine, theirs in zip(lines(one), lines(other), strict=True):
        assert theirs["step"] == mine["step"]
        assert theirs["loss"] == pytest.approx(mine["loss"], abs=1e-5)
        assert theirs["gradient_norm"] == pytest.approx(mine["gradient_norm"], rel=1e-4)
        assert theirs["routing_loss"] == pytest.approx(mine["routing_loss"], abs=1e-5)
    assert min(line["gradient_norm"] for line in lines(one)) > 0.2  # or nothing was cut
    wanted = adapter(one)
    assert adapter(other).keys() == wanted.keys()
    for name, values in adapter(other).items():
        assert values.shape == wanted[name].shape
        assert (values - wanted[name]).abs().mean() < 2e-5, name


def stop(turn: int) -> None:
    """Kill this process after its `turn`-th checkpoint."""
    calls: list[Path] = []

    def fatal(stage: Path) -> None:
        calls.append(stage)
        if len(calls) == turn:
            os.kill(os.getpid(), signal.SIGKILL)

    checkpoint.remove_old = fatal


@pytest.mark.slow
def test_a_run_is_that_of_one_process_and_goes_on_in_one(tmp_path: Path, capsys: Any) -> None:
    def killed(rank: int) -> None:
        if rank == 0:
            stop(2)  # after two of four steps with four experts
        train(tmp_path / "two", 2)

    one = train(tmp_path / "one", 1)
    ends = in_two(tmp_path / "two", killed)
    assert ends[0][0] == -signal.SIGKILL and "ConnectionError" in ends[1][1]
    with pytest.raises(ValueError, match="already has a run"):
        train(tmp_path / "two", 1)
    assert_alike(one, train(tmp_path / "two", 2, resume=True))
    assert "expert_parallel=2 has no effect in one process" in capsys.readouterr().err


@pytest.mark.slow
def test_four_processes_resume_bit_for_bit_and_on_fewer(tmp_path: Path) -> None:
    def killed(folder: Path, rank: int) -> None:
        if rank == 0:
            stop(2)
        train(folder, 4)

    one, whole = train(tmp_path / "one", 1), train_in(4, tmp_path / "four", 4)
    assert_alike(one, whole)
    for processes, size in ((4, 4), (2, 2), (1, 1)):
        folder = tmp_path / f"on-{processes}"
        started = time.monotonic()
        ends = in_several(4, folder, partial(killed, folder))
        assert time.monotonic() - started < 60
        assert [code for code, _ in ends] == [-signal.SIGKILL, 0, 0, 0]
        assert all("ConnectionError: process" in said for _, said in ends[1:])
        if processes == 1:
            again = train(folder, size, resume=True)
        else:
            again = train_in(processes, folder, size, resume=True)
        assert_alike(one, again)
        if processes == 4:
            assert content(again) == content(whole)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"sharding": "fsdp"},
        {"gradient_checkpointing": True},
        {"accumulation": 2, "batch_size": 8},
        {"workers": 1},
    ],
    ids=str,
)
def test_it_goes_with_other_settings(settings: dict[str, Any], tmp_path: Path) -> None:
    one = train(tmp_path / "one", 1, **settings)
    assert_alike(one, train_in(4, tmp_path / "four", 2, **settings))


@pytest.mark.parametrize(
    ("changes", "settings", "processes", "said"),
    [
        ({}, {"expert_parallel": 0}, 4, "expert_parallel=0: it must be at least 1"),
        ({}, {"expert_parallel": 3}, 3, "=3 does not divide the 4 experts at 'text.mlp'"),
        ({}, {"expert_parallel": 4}, 2, "=4 does not divide the 2 processes"),
        ({}, {"compile": True}, 4, "=2 with compile"),
        ({"balancing": UPGrad()}, {}, 4, "=2 with UPGrad"),
        ({"mixtures": mixtures()[1:], "losses": ()}, {}, 4, "none of whose experts have all"),
        (
            {"mixtures": (replace(mixtures()[0], shared=Copies(count=1)),)}, {}, 4,
            "=2 with a shared expert at 'text.mlp'",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_divided_is_refused(
    changes: dict[str, Any], settings: dict[str, Any], processes: int, said: str,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(coterie.distributed, "get_world_size", lambda: processes)
    monkeypatch.setattr(coterie.distributed, "init_distributed", lambda device: None)
    with pytest.raises(ValueError, match=said):
        train(tmp_path / "run", 2, recipe(**changes), **settings)


def test_experts_of_a_tower_that_may_not_run_are_refused() -> None:
    mixture = Mixture(at="vision.mlp", experts=Copies(count=4), gate=TokenGate())
    model = graft(TINY["llava"]().model, mixture)
    with pytest.raises(ValueError, match="the vision tower does not run in a process whose batch"):
        expert_parallel.shard_experts(model, 2, CPU)
