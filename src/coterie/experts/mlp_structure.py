"""`MLPStructure`: the parts of an MLP, and calls of any module with the weights of experts."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call
from transformers.activations import ACT2CLS

from coterie.kernels.dispatch import LOCAL, Dispatcher, TokenGates
from coterie.kernels.mlp import Outputs, Tokens

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

    `maps` are one input map, or two if the MLP is gated, the activated one first; then the output
    map. `activation` is elementwise and without weights.
    """

    maps: tuple[str, ...]
    activation: str

    @classmethod
    def detect(cls, base_layer: nn.Module) -> "MLPStructure | None":
        """Return the structure of `base_layer`, or None if it is not a known one.

        Names alone are not enough: Gemma3n's MLP has the names of Llama's and computes something
        else. So both are compared on three tokens, unless the base layer has no data yet (meta).
        """
        if any(True for _ in base_layer.parameters(recurse=False)):
            return None
        # Without parts that return their input unchanged, also in training.
        children = {
            name: part
            for name, part in base_layer.named_children()
            if not (isinstance(part, nn.Identity) or (isinstance(part, nn.Dropout) and part.p == 0))
        }
        for names in LINEARS:
            rest = [name for name in children if name not in names]
            if set(names) <= children.keys() and len(rest) == 1:
                structure, activation = cls(maps=names, activation=rest[0]), children[rest[0]]
                fits = all(isinstance(children[name], nn.Linear) for name in names)
                fits = fits and type(activation) in POINTWISE and not [*activation.parameters()]
                return structure if fits and structure.matches_module(base_layer) else None
        return None

    @torch.no_grad()
    def matches_module(self, base_layer: nn.Module) -> bool:
        """Return whether `run` gives the output of the base layer; True if that is on meta."""
        first = base_layer.get_submodule(self.maps[0])
        assert isinstance(first, nn.Linear)
        weight = first.weight
        if weight.is_meta:
            return True
        # Layers with quantised (integer) weights take bfloat16.
        dtype = weight.dtype if weight.is_floating_point() else torch.bfloat16
        options = {"device": weight.device, "dtype": dtype}
        x = torch.linspace(-2, 2, 3 * first.in_features, **options).view(3, -1)
        wanted = base_layer(x).float()
        # Relative to the norm: the output of a newly initialised base layer may be tiny.
        return bool((self.run(base_layer, x).float() - wanted).norm() <= 2e-2 * wanted.norm())

    def run(
        self, base_layer: nn.Module, x: Float[Tensor, "*tokens width"]
    ) -> Float[Tensor, "*tokens out"]:
        """Compute the output of a base layer with this structure."""
        *inputs, output = (base_layer.get_submodule(name) for name in self.maps)
        hidden = base_layer.get_submodule(self.activation)(inputs[0](x))
        for factor in inputs[1:]:
            hidden = hidden * factor(x)
        return output(hidden)


def run_assigned(
    base_layer: nn.Module,
    x: Tokens,
    gates: TokenGates,
    stacks: dict[str, Tensor],
    dispatcher: Dispatcher = LOCAL,
) -> Outputs:
    """Run each expert on the tokens assigned to it, by calling the base layer with its weights.

    An expert without tokens is called with none, so that its weights get gradients of zero.
    """
    slots = dispatcher.assign(gates.detach())
    given = dispatcher.dispatch_gated(x, gates, slots)
    experts = zip(*(stack.unbind(0) for stack in stacks.values()), strict=True)
    parts = []
    for (mine, gate), weights in zip(given, experts, strict=True):
        part = functional_call(base_layer, dict(zip(stacks, weights, strict=True)), (mine,))
        if part.ndim != 2 or len(part) != len(mine):
            raise ValueError(
                f"{type(base_layer).__name__} turned {len(mine)} tokens into {tuple(part.shape)}; "
                "Copies fits modules that give one row a token."
            )
        parts.append(part * gate[:, None])
    out = x.new_zeros(len(x), parts[0].shape[1], dtype=parts[0].dtype)
    return dispatcher.combine(enumerate(parts), slots.of_tokens(), out)


def run_all(
    base_layer: nn.Module, x: Tokens, gates: TokenGates, stacks: dict[str, Tensor]
) -> Outputs:
    """Run all experts on all tokens, so that it can be traced; equal to `run_assigned`."""
    every = torch.func.vmap(
        lambda weights: functional_call(base_layer, weights, (x,)), randomness="different"
    )
    outputs = every(stacks)
    return torch.einsum("sto,ts->to", outputs, gates.to(outputs.dtype))
