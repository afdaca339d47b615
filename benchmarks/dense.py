"""Benchmark of a training step of five dense tasks: Mod-Squad, against dense passes by task.

A step is a forward and backward pass of all weights, on the same images for all tasks; the loss is
the sum of the tasks' mean squares and, for Mod-Squad, the mutual information. Task by task, each
pass embeds the patches again; the gradients of all passes are computed together, at the end.

The dense twin does the operations that chosen experts do, so that forward passes task by task
differ only in the gates: 0.3 % of the FLOPs. With MLP experts alone it is the same model without
them, since four experts of a fourth of the hidden units are one MLP. With attention experts as
well, its attention has as many heads as are chosen, as wide, over one key and one value for all of
them; "host" is the same model without experts, with a key and a value for each head: 1.22 of the
FLOPs. `flops` among a row's facts are those of its forward pass in units of the twin's task by
task, as torch.utils.flop_counter counts the computed products.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import ViTConfig

from benchmarks.attention import DenseHeads
from benchmarks.benchmark import (
    DTYPES,
    ROUNDS,
    Benchmark,
    Row,
    Scale,
    Target,
    compare,
    fitting,
    worst,
)
from benchmarks.timing import Candidate
from coterie.graft import graft, observe
from coterie.losses.base import RoutingLoss
from coterie.models.multitask_vision.configuration import MultiTaskVisionConfig
from coterie.models.multitask_vision.modeling import MultiTaskVisionModel
from coterie.recipes.mod_squad import mod_squad

DENSE, COTERIE = "dense twin, task by task", "coterie"
TASKS = {"depth": 1, "normals": 3, "curvature": 2, "edges": 1, "reshading": 1}
"""Tasks and the channels of their heads."""
ALL = (None,)
"""One forward pass of all tasks."""
EACH = tuple((name,) for name in TASKS)
"""A forward pass for each."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A ViT with MLP experts in odd blocks, 4 of 16, and maybe attention experts in all, 6 of 12.

    Without attention experts, MLP experts are in all blocks.
    """

    dtype: str
    attention: bool
    layers: int = 4
    width: int = 384
    side: int = 224
    batch: int = 2

    @property
    def name(self) -> str:
        experts = "attention and MLP experts" if self.attention else "MLP experts"
        size = f"{self.batch}x{(self.side // 16) ** 2} d={self.width}"
        return f"{self.dtype} {experts}, {self.layers} layers {size} T={len(TASKS)}"

    def host(self) -> MultiTaskVisionModel:
        """Return the model; with attention experts, heads have 128 features as in named models."""
        torch.manual_seed(0)
        backbone = ViTConfig(
            hidden_size=self.width,
            num_hidden_layers=self.layers,
            num_attention_heads=6,
            head_dim=self.head,
            intermediate_size=4 * self.width,
            image_size=self.side,
        )
        tasks = [
            {"name": name, "channels": channels, "whole_picture": False}
            for name, channels in TASKS.items()
        ]
        return MultiTaskVisionModel(MultiTaskVisionConfig(backbone_config=backbone, tasks=tasks))

    @property
    def head(self) -> int:
        return (2 if self.attention else 1) * self.width // 6


TINY = {"layers": 2, "width": 48, "side": 32, "batch": 1}
CASES: dict[Scale, tuple[Case, ...]] = {
    "tiny": tuple(Case(dtype="fp32", attention=each, **TINY) for each in (False, True)),
    "quick": tuple(
        Case(dtype=dtype, attention=each, layers=2) for dtype in DTYPES for each in (False, True)
    ),
    "full": tuple(Case(dtype=dtype, attention=each) for dtype in DTYPES for each in (False, True)),
    "gpu": tuple(Case(dtype="bf16", attention=each, batch=32) for each in (False, True)),
}


class Dense(Benchmark):
    """Randomly initialised `mod_squad` in `MultiTaskVisionModel`, timed with its losses."""

    name = "dense"

    def rows(self, scale: Scale, device: torch.device) -> Iterator[Row]:
        for case in fitting(CASES, scale, device):
            built = candidates(case, device)
            flops = {form: operations(candidate) for form, candidate in built.items()}
            for row in compare(
                case.name,
                case.dtype,
                built,
                bases=(DENSE,),
                device=device,
                rounds=ROUNDS[scale],
                facts={"tasks": len(TASKS)},
            ):
                yield replace(row, facts=row.facts | {"flops": flops[row.form] / flops[DENSE]})

    def targets(self, rows: Iterable[Row]) -> list[Target]:
        mine = [row for row in rows if row.form == COTERIE]
        what = "one batched pass, time of the dense twin's passes task by task (worst)"
        return [Target(what=what, limit=1.15, measured=worst(mine, DENSE))]


def candidates(case: Case, device: torch.device) -> dict[str, Candidate]:
    recipe = mod_squad(
        attention=(12, 6) if case.attention else None,
        layers="odd mlp" if case.attention else "all",
        pretrained=False,
        released=True,
    )
    pictures = torch.randn(case.batch, 3, case.side, case.side)
    pictures = pictures.to(device, DTYPES[case.dtype])
    dense = case.host()
    own = {"host, task by task": (dense, EACH)} if case.attention else {}
    twin = with_shared_keys(case) if case.attention else dense
    squad = graft(case.host(), recipe.mixtures, tasks=tuple(TASKS))
    forms: Mapping[str, tuple[nn.Module, tuple[tuple[str, ...] | None, ...]]] = {
        DENSE: (twin, EACH),
        "dense twin, one pass": (twin, ALL),
        **own,
        "coterie, task by task": (squad, EACH),
        COTERIE: (squad, ALL),
    }
    return {
        form: candidate(
            model.to(device, DTYPES[case.dtype]).requires_grad_(True),
            pictures,
            passes,
            recipe.losses if model is squad else (),
        )
        for form, (model, passes) in forms.items()
    }


def candidate(
    model: nn.Module,
    pictures: Tensor,
    passes: tuple[tuple[str, ...] | None, ...],
    losses: tuple[RoutingLoss, ...],
) -> Candidate:
    """Return a step of a model in these passes, each of some tasks."""
    parameters = tuple(model.parameters())

    def alone(tasks: tuple[str, ...] | None) -> Tensor:
        found = model(pixel_values=pictures, tasks=tasks).predictions
        return torch.stack([each.float().square().mean() for each in found.values()]).sum()

    def routed(tasks: tuple[str, ...] | None) -> Tensor:
        with observe(model) as tape:
            found = alone(tasks)
        return found + torch.stack([loss(tape) for loss in losses]).sum()

    a_pass: Callable[[tuple[str, ...] | None], Tensor] = routed if losses else alone
    return Candidate(
        forward=lambda: torch.stack([a_pass(tasks) for tasks in passes]).sum(),
        wanted=parameters,
        fixed=(pictures, *model.buffers()),
        syncs=True,
    )


def operations(candidate: Candidate) -> int:
    """Return the FLOPs of a candidate's forward pass."""
    # The counter does not support the fused attention of CPUs; it counts plain products.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        candidate.forward()
    return counter.get_total_flops()


def with_shared_keys(case: Case) -> MultiTaskVisionModel:
    """Return the model with attention over one key and one value for all heads."""
    host = case.host()
    for block in host.get_blocks():
        block.register_module("attention", SharedKeys(case.width, heads=6, head=case.head))
    return host


class SharedKeys(nn.Module):
    """`DenseHeads` in place of ViT's attention."""

    def __init__(self, width: int, *, heads: int, head: int) -> None:
        super().__init__()
        self.heads = DenseHeads(width, heads, head)

    def forward(self, x: Tensor, *_: object, **__: object) -> tuple[Tensor, None]:
        return self.heads(x), None
