"""Experts that are copies of the whole host module: an MLP, a connector, any block of its kind."""

import math
from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from coterie.experts.anatomy import Anatomy, call_all, call_each
from coterie.experts.base import ExpertLayer, Experts
from coterie.kernels.ffn import (
    LinearStack,
    LowRankStack,
    low_rank_mlp,
    low_rank_mlp_dense,
    mlp,
    mlp_dense,
)
from coterie.routing.decision import Decision, Gating

FORMS = ("auto", "reference", "fused")


@dataclass(frozen=True, kw_only=True)
class Copies(Experts):
    """Each expert is the host module again, with weights of its own; they replace the host.

    Every expert starts as the host is. With `trained="full"` each expert has a copy of all of the
    host's weights. With `trained="lora"` none is copied: copies of one host are identical and stay
    frozen, so the host's own weights serve all experts, and each has only low-rank factors on the
    host's linear layers, scaled by alpha / rank; they start at zero.

    Source: Mod-Squad's MLP experts (CVPR 2023) and Uni-MoE (arXiv 2405.11273), whose experts are
    feed-forward networks, trained in full and then with LoRA of rank 8. Departs: Uni-MoE's experts
    start from several single-modality models; here all start from the one host.

    Attributes:
        count: how many experts, at least 1.
        trained: whether experts own all weights, or low-rank factors beside frozen shared ones.
        rank: rank of one expert's factors, at least 1; for "lora" only.
        alpha: scale of the factors times the rank, above 0; for "lora" only.
        form: "reference" calls the host once an expert; "fused" needs an MLP of known anatomy, and
            `build` raises where it is not; "auto" is fused where it can be. Both of the latter run
            all experts on all tokens under `torch.compile`.
    """

    takes: ClassVar[Literal["linears", "block"]] = "block"
    count: int = 4  # pyright: ignore[reportIncompatibleMethodOverride]  a field answers it
    trained: Literal["full", "lora"] = "full"
    rank: int = 8
    alpha: float = 16.0
    form: Literal["auto", "reference", "fused"] = "auto"

    def __post_init__(self) -> None:
        if self.count < 1 or self.rank < 1:
            raise ValueError(
                f"Copies(count={self.count!r}, rank={self.rank!r}): allowed is 1 or more of each"
            )
        if not self.alpha > 0:
            raise ValueError(f"Copies(alpha={self.alpha!r}): allowed is anything above 0")
        if self.trained not in ("full", "lora"):
            raise ValueError(f"Copies(trained={self.trained!r}): allowed are 'full' and 'lora'")
        if self.form not in FORMS:
            raise ValueError(f"Copies(form={self.form!r}): allowed are {FORMS}")

    @property
    def adds(self) -> bool:
        return False

    def build(self, host: nn.Module, shared: Experts | None) -> "CopiesLayer":
        if shared is not None and not (shared.count == 1 and self.resembles(shared)):
            raise ValueError(f"shared={shared!r}: beside {self!r} it is the same with count=1")
        segments = self.count + (shared is not None)
        anatomy = Anatomy.find(host)
        if self.form == "fused" and anatomy is None:
            raise ValueError(
                f'form="fused" does not know the anatomy of {type(host).__name__}; it fits MLPs '
                'of two or three linear layers and one activation. Use form="auto".'
            )
        layer = FullCopies if self.trained == "full" else LowRankCopies
        return layer(self, host, segments, None if self.form == "reference" else anatomy)

    def resembles(self, other: Experts) -> bool:
        """Whether `other` is the same but for its count and form."""
        return isinstance(other, Copies) and self == replace(
            other, count=self.count, form=self.form
        )


class CopiesLayer(ExpertLayer):
    """What both kinds of copies share: finding the gates and choosing a form."""

    def __init__(self, kind: Copies, segments: int, anatomy: Anatomy | None) -> None:
        super().__init__()
        self.kind = kind
        self.segments = segments
        self.anatomy = anatomy

    def forward(
        self, host: nn.Module, x: Tensor, gating: Gating, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Decision]:
        """`x` has any leading axes; the answer keeps them.

        Raises ValueError if the host is called with more than x: experts see chosen tokens only,
        which further arguments would not match.
        """
        if args or kwargs:
            raise ValueError(
                f"Copies calls its host with the tokens alone, but {type(host).__name__} was called"
                f" with {len(args)} further arguments and {sorted(kwargs)}; use Lora there."
            )
        device = x.device.type
        if torch.is_autocast_enabled(device):
            x = x.to(torch.get_autocast_dtype(device))
        tokens = x.reshape(-1, x.shape[-1])
        decision = gating.decide(gating.resolve(tokens))
        gates = decision.gates
        if gating.uniform:
            gates = gates.reshape(1, -1).expand(len(tokens), -1)
        elif gating.per_sample:
            gates = gates[:, None].expand(-1, math.prod(x.shape[1:-1]), -1)
        y = self.mix(host, tokens, gates.reshape(-1, self.segments))
        return y.reshape(*x.shape[:-1], y.shape[-1]), decision

    def mix(
        self,
        host: nn.Module,
        x: Float[Tensor, "tokens width"],
        gates: Float[Tensor, "tokens segments"],
    ) -> Float[Tensor, "tokens out"]:
        """sum_e gates_e * expert_e(x), in the form that fits."""
        traced = torch.compiler.is_compiling() and self.kind.form != "reference"
        if traced:
            # The slots' forms give gates of 0 no gradient; so must this one.
            gates = torch.where(gates != 0, gates, 0.0)
        if self.anatomy is not None:
            return self.fused(self.anatomy, host, x, gates, traced)
        stacks = self.stacks(host, x.dtype)
        if traced:
            return call_all(host, x, gates, stacks)
        return call_each(host, x, gates, stacks)

    @abstractmethod
    def stacks(self, host: nn.Module, dtype: torch.dtype) -> dict[str, Tensor]:
        """The host's parameter names -> the experts' weights [segments, *shape] in `dtype`."""

    @abstractmethod
    def fused(
        self, anatomy: Anatomy, host: nn.Module, x: Tensor, gates: Tensor, traced: bool
    ) -> Float[Tensor, "tokens out"]:
        """The fast form; `traced` asks for one without shapes that depend on the gates."""


class FullCopies(CopiesLayer):
    """Copies that own all weights: `fc1.weight` of the host is `fc1__weight` here, stacked."""

    def __init__(
        self, kind: Copies, host: nn.Module, segments: int, anatomy: Anatomy | None
    ) -> None:
        super().__init__(kind, segments, anatomy)
        self.names = {name: name.replace(".", "__") for name, _ in host.named_parameters()}
        for name, parameter in host.named_parameters():
            if not parameter.is_floating_point():
                raise ValueError(
                    f"{name} of {type(host).__name__} is {parameter.dtype} and cannot be trained; "
                    'use trained="lora" on a quantised host.'
                )
            stack = parameter.detach().expand(segments, *parameter.shape).clone()
            self.register_parameter(self.names[name], nn.Parameter(stack))

    def stacks(self, host: nn.Module, dtype: torch.dtype) -> dict[str, Tensor]:
        return {name: self.get_parameter(own).to(dtype) for name, own in self.names.items()}

    def linear(self, name: str) -> LinearStack:
        bias = self.names.get(f"{name}.bias")
        return LinearStack(
            self.get_parameter(f"{name}__weight"),
            None if bias is None else self.get_parameter(bias),
        )

    def fused(
        self, anatomy: Anatomy, host: nn.Module, x: Tensor, gates: Tensor, traced: bool
    ) -> Float[Tensor, "tokens out"]:
        inputs = [self.linear(name) for name in anatomy.inputs]
        form = mlp_dense if traced else mlp
        activation = host.get_submodule(anatomy.activation)
        return form(x, gates, inputs, self.linear(anatomy.output), activation)


class LowRankCopies(CopiesLayer):
    """Copies that share the host's weights: `fc1` has `fc1__down` and `fc1__up` here, stacked."""

    def __init__(
        self, kind: Copies, host: nn.Module, segments: int, anatomy: Anatomy | None
    ) -> None:
        super().__init__(kind, segments, anatomy)
        linears = {name: m for name, m in host.named_modules() if isinstance(m, nn.Linear)}
        self.names = {name: name.replace(".", "__") for name in linears}
        if not linears or "" in linears:
            raise ValueError(
                f'trained="lora" needs a module with linear layers in it, got '
                f'{type(host).__name__}; use trained="full".'
            )
        for name, linear in linears.items():
            weight = linear.weight
            if anatomy is None and not weight.is_floating_point():
                raise ValueError(
                    f"{type(host).__name__} is quantised and of no known anatomy; use Lora there."
                )
            options = {
                "device": weight.device,
                "dtype": weight.dtype if weight.is_floating_point() else torch.float32,
            }
            down = torch.empty(segments, kind.rank, linear.in_features, **options)
            for part in down:
                nn.init.kaiming_uniform_(part, a=math.sqrt(5))
            up = torch.zeros(segments, linear.out_features, kind.rank, **options)
            self.register_parameter(f"{self.names[name]}__down", nn.Parameter(down))
            self.register_parameter(f"{self.names[name]}__up", nn.Parameter(up))

    def factors(self, name: str) -> tuple[Tensor, Tensor]:
        """(down, up), the scale on the latter."""
        own = self.names[name]
        scale = self.kind.alpha / self.kind.rank
        return self.get_parameter(f"{own}__down"), self.get_parameter(f"{own}__up") * scale

    def stacks(self, host: nn.Module, dtype: torch.dtype) -> dict[str, Tensor]:
        stacks = {}
        for name in self.names:
            down, up = self.factors(name)
            weight = host.get_parameter(f"{name}.weight")
            stacks[f"{name}.weight"] = (weight + up @ down).to(dtype)
        return stacks

    def fused(
        self, anatomy: Anatomy, host: nn.Module, x: Tensor, gates: Tensor, traced: bool
    ) -> Float[Tensor, "tokens out"]:
        form = low_rank_mlp_dense if traced else low_rank_mlp
        activation = host.get_submodule(anatomy.activation)
        *inputs, output = [
            LowRankStack(host.get_submodule(name), *self.factors(name))
            for name in (*anatomy.inputs, anatomy.output)
        ]
        return form(x, gates, inputs, output, activation)
