"""A kind of expert with a layout of its own, in this file alone, grafted, trained and counted."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

import coterie
from coterie import Mixture, Recipe, Softmax, Stage, TokenGate
from coterie.evaluate.cost import count_active_parameters, count_total_parameters
from coterie.evaluate.expert_usage import make_expert_names
from coterie.experts.base import ExpertLayer, Experts
from coterie.routing.decision import DeferredRouting, RoutingDecision
from tests.tinies.text import llama
from tests.train.small import adapter, trained


@dataclass(frozen=True, kw_only=True)
class OutputScale(Experts):
    """Expert e scales a linear layer's output by 1 + its own vector (Liu et al. 2022, IA3).

    Experts are columns, not rows, and the always-on expert is a parameter of its own.
    """

    attaches_to: ClassVar[Literal["linears", "block"]] = "linears"
    label: ClassVar[str] = "scale"
    count: int = 3  # pyright: ignore[reportIncompatibleMethodOverride]  a field answers it

    def build(self, base_layer: nn.Module, shared: Experts | None) -> ExpertLayer:
        return OutputScaleLayer(self.count, base_layer.out_features, shared is not None)

    def count_parameters(self, layer: nn.Module, shared: Experts | None) -> list[int]:
        return [len(layer.get_parameter("columns"))] * self.count

    def find_shared_rows(self, layer: nn.Module, shared: Experts) -> dict[str, slice]:
        return {"always": slice(0, None)}

    def repeat_weight(self, weight: Tensor, shape: Any) -> Tensor:
        return weight if weight.shape == shape else weight.expand(*shape)


class OutputScaleLayer(ExpertLayer):
    def __init__(self, count: int, out: int, has_shared: bool) -> None:
        super().__init__()
        self.columns = nn.Parameter(torch.zeros(out, count))
        self.always = nn.Parameter(torch.zeros(out)) if has_shared else None

    def forward(
        self, base_layer: nn.Module, x: Tensor, deferred: DeferredRouting, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, RoutingDecision]:
        y = base_layer(x)
        decision = deferred.make_decision(deferred.resolve(x))
        columns = self.columns
        if self.always is not None:
            columns = torch.cat([columns, self.always[:, None]], 1)
        return y + y * (decision.combine_weights.to(y.dtype) @ columns.t().to(y.dtype)), decision


def mixture(**fields: Any) -> Mixture:
    at = ("model.layers.0.mlp.up_proj", "model.layers.1.mlp.up_proj")  # 32 -> 64
    return Mixture(at=at, experts=OutputScale(), gate=TokenGate(), router=Softmax(), **fields)


def test_it_trains_from_copies_and_its_shared_expert_stays_where_it_is_not_trained(
    tmp_path: Path,
) -> None:
    recipe = Recipe(
        name="scale",
        mixtures=(mixture(shared=OutputScale(count=1)),),
        stages=(
            Stage(name="one", trains=("experts",), steps=2, learning_rate=1e-1, routed=False),
            Stage(
                name="two", trains=("experts", "gates"), steps=4, learning_rate=1e-2, init="copy",
                weight_decay=0.5,
            ),
        ),
    )  # fmt: skip
    run = trained(tmp_path, recipe)
    weights = adapter(run)
    columns = next(each for name, each in weights.items() if name.endswith("columns"))
    assert columns.shape == (64, 3) and columns.abs().min() > 0
    # Copies of one column, moved apart by their gates in four small steps.
    assert 0 < (columns - columns[:, :1]).abs().max() < 0.1 < columns.abs().max()
    always = [each for name, each in weights.items() if name.endswith("always")]
    assert len(always) == 2 and all(each.abs().max() == 0 for each in always)
    assert run.config.recipe == recipe  # read back by module:Name


def test_it_counts_and_names_itself() -> None:
    model = coterie.graft(llama().model, mixture())
    use = {"model.layers.0.mlp.up_proj": {"chosen": {"a": [1.0, 0.5, 0.0]}}}
    # Of 64 numbers an expert, half of the second's and all of the third's are idle.
    assert count_active_parameters(model, use) == count_total_parameters(model) - 96
    assert make_expert_names(mixture()) == ["scale 1", "scale 2", "scale 3"]
