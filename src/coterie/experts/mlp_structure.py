"""`MLPStructure`: the parts of an MLP, and calls of any module with the weights of experts."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call
from transformers.activations import ACT2CLS

from coterie.kernels.dispatch import LOCAL, Dispatcher, assign_tokens

# The last name is the output map; before it the one or two input maps.
LINEARS = (
    ("gate_proj", "up_proj", "down_proj"),
    ("fc1", "fc2"),
    ("linear_fc1", "linear_fc2"),
    ("linear_1", "linear_2"),
)
# Activations that transformers builds from a `hidden_act`; all of them are elementwise.
POINTWISE = {entry[0] if isinstance(entry, tuple) else entry for entry in ACT2CLS.values()}
POINTWISE |= {nn.GELU}


@dataclass(frozen=True, kw_only=True)
class MLPStructure:
    """The names of an MLP's parts: `output(activation(inputs[0](x)) [* inputs[1](x)])`.

    Attributes:
        inputs: linear maps of x; two if the MLP is gated, the activated one first.
        output: the linear map that computes the MLP's output.
        activation: the elementwise function between them, without weights.
    """

    inputs: tuple[str, ...]
    output: str
    activation: str

    @classmethod
    def detect(cls, base_layer: nn.Module) -> "MLPStructure | None":
        """Return the structure of `base_layer`, or None if it is not a known one.

        Names alone are not enough: Gemma3n's MLP has the names of Llama's and computes something
        else. So both are compared on three tokens, unless the base layer has no data yet (meta).
        """
        children = dict(base_layer.named_children())
        if any(True for _ in base_layer.parameters(recurse=False)):
            return None
        for names in LINEARS:
            rest = [
                name
                for name, part in children.items()
                if name not in names and not is_identity(part)
            ]
            if not set(names) <= children.keys() or len(rest) != 1:
                continue
            structure = cls(inputs=names[:-1], output=names[-1], activation=rest[0])
            return (
                structure
                if structure.has_expected_parts(base_layer) and structure.matches_module(base_layer)
                else None
            )
        return None

    def has_expected_parts(self, base_layer: nn.Module) -> bool:
        """Return whether the parts are linear maps and an elementwise function without weights."""
        maps = [base_layer.get_submodule(name) for name in (*self.inputs, self.output)]
        activation = base_layer.get_submodule(self.activation)
        return (
            all(isinstance(part, nn.Linear) for part in maps)
            and type(activation) in POINTWISE
            and not any(True for _ in activation.parameters())
        )

    @torch.no_grad()
    def matches_module(self, base_layer: nn.Module) -> bool:
        """Return whether `run` gives the output of the base layer; True if that is on meta."""
        first = base_layer.get_submodule(self.inputs[0])
        assert isinstance(first, nn.Linear)
        weight = first.weight
        if weight.is_meta:
            return True
        # Layers with quantised (integer) weights take bfloat16.
        dtype = weight.dtype if weight.is_floating_point() else torch.bfloat16
        x = torch.linspace(-2, 2, 3 * first.in_features, device=weight.device, dtype=dtype)
        x = x.view(3, first.in_features)
        wanted = base_layer(x).float()
        # Relative to the norm: the output of a newly initialised base layer may be tiny.
        return bool((self.run(base_layer, x).float() - wanted).norm() <= 2e-2 * wanted.norm())

    def run(
        self, base_layer: nn.Module, x: Float[Tensor, "*tokens width"]
    ) -> Float[Tensor, "*tokens out"]:
        """Compute the output of a base layer with this structure."""
        hidden = base_layer.get_submodule(self.activation)(
            base_layer.get_submodule(self.inputs[0])(x)
        )
        for name in self.inputs[1:]:
            hidden = hidden * base_layer.get_submodule(name)(x)
        return base_layer.get_submodule(self.output)(hidden)


def is_identity(part: nn.Module) -> bool:
    """Return whether `part` returns its input unchanged, also in training."""
    return isinstance(part, nn.Identity) or (isinstance(part, nn.Dropout) and part.p == 0)


def run_assigned(
    base_layer: nn.Module,
    x: Float[Tensor, "tokens width"],
    gates: Float[Tensor, "tokens segments"],
    stacks: dict[str, Tensor],
    dispatcher: Dispatcher = LOCAL,
) -> Float[Tensor, "tokens out"]:
    """Run each expert on the tokens assigned to it, by calling the base layer with its weights.

    An expert without tokens is called with none, so that its weights get gradients of zero.
    """
    slots = assign_tokens(gates.detach())
    rows = dispatcher.dispatch(x, slots.of_tokens())
    gate = dispatcher.dispatch(gates.reshape(-1).to(x.dtype), slots.of_gates(gates.shape[1]))
    experts = zip(*(stack.unbind(0) for stack in stacks.values()), strict=True)
    parts = [
        _call_expert(base_layer, dict(zip(stacks, weights, strict=True)), each)
        for each, weights in zip(rows, experts, strict=True)
    ]
    weighted = [part * factor[:, None] for part, factor in zip(parts, gate, strict=True)]
    out = x.new_zeros(len(x), weighted[0].shape[1], dtype=weighted[0].dtype)
    return dispatcher.combine(enumerate(weighted), slots.of_tokens(), out)


def _call_expert(base_layer: nn.Module, weights: dict[str, Tensor], rows: Tensor) -> Tensor:
    part = functional_call(base_layer, weights, (rows,))
    if part.ndim != 2 or len(part) != len(rows):
        raise ValueError(
            f"{type(base_layer).__name__} turned {len(rows)} tokens into {tuple(part.shape)}; "
            "Copies fits modules that give one row a token."
        )
    return part


def run_all(
    base_layer: nn.Module,
    x: Float[Tensor, "tokens width"],
    gates: Float[Tensor, "tokens segments"],
    stacks: dict[str, Tensor],
) -> Float[Tensor, "tokens out"]:
    """Run all experts on all tokens, so that it can be traced; equal to `run_assigned`."""
    every = torch.func.vmap(
        lambda one: functional_call(base_layer, one, (x,)), randomness="different"
    )
    outputs = every(stacks)
    return torch.einsum("sto,ts->to", outputs, gates.to(outputs.dtype))
