"""Two processes get the loss, and through DDP the gradient, of one with the joined batch."""

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

import coterie.losses
from coterie import serialization
from coterie.losses.base import RoutingLoss
from coterie.routing.decision import Routing, Tape
from tests.forks import forked, status
from tests.losses.features import MODALITIES, features

KINDS = serialization.find_kinds(coterie.losses, RoutingLoss)
PART = slice(0, 7), slice(7, 12)  # uneven, so a mean of means would be wrong
SAMPLES = torch.tensor([0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 3, 3])  # none is on two processes


def results(model: nn.Module, part: slice) -> dict[str, tuple[Tensor, Tensor]]:
    """Kind -> loss and gradient of the gate on the units in `part` of one batch."""
    units = torch.arange(12)
    x = torch.randn(12, 3, generator=torch.Generator().manual_seed(1))
    found = {}
    for kind in KINDS:
        model.zero_grad()
        logits = model(x[part])
        probs = logits.softmax(-1)
        routing = Routing(
            weights=probs.where(probs > 0.25, 0.0),
            probs=probs,
            logits=logits,
            num_tasks=3,
            task=units[part] % 3,
            valid=units[part] % 5 != 4,
            modalities=MODALITIES,
            features=features(
                logits, SAMPLES[part] - SAMPLES[part][0], units[part] % 2, units[part] % 5 != 4
            ),
        )
        loss = kind()(Tape(first=routing, second=routing))
        loss.backward()
        (weight,) = model.parameters()
        assert weight.grad is not None
        found[kind.__name__] = loss.detach(), weight.grad.clone()
    return found


def gate() -> nn.Module:
    linear = nn.Linear(3, 4, bias=False)
    with torch.no_grad():
        linear.weight.copy_(torch.arange(12).view(4, 3).sin())
    return linear


def work(rank: int, folder: Path) -> None:
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2
    )
    torch.save(results(DistributedDataParallel(gate()), PART[rank]), folder / f"{rank}.pt")
    distributed.destroy_process_group()


@pytest.mark.skipif(not distributed.is_available(), reason="torch is built without distributed")
def test_two_processes_equal_one(tmp_path: Path) -> None:
    children = [forked(partial(work, rank, tmp_path)) for rank in range(2)]
    assert [status(child) for child in children] == [0, 0]
    expected = results(gate(), slice(0, 12))
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert set(found) == set(expected) and len(expected) >= 5
        torch.testing.assert_close(found, expected)
