"""A router of one's own, in one file outside the package: the strongest half of the experts."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

import coterie
from coterie.routing.routers.base import Router


@dataclass(frozen=True, kw_only=True)
class UpperHalf(Router):
    """Keeps the experts above the median logit, by their softmax.

    Attributes:
        temperature: logits are divided by it, > 0.
    """

    temperature: float = 1.0

    def __call__(
        self, logits: Float[Tensor, "*units experts"], noise: Float[Tensor, "*units experts"] | None
    ) -> tuple[Float[Tensor, "*units experts"], Float[Tensor, "*units experts"]]:
        probs = (logits / self.temperature).softmax(-1)
        median = logits.median(-1, keepdim=True).values
        return probs * (logits >= median), probs


def main() -> None:
    config = LlamaConfig(
        vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2,
    )  # fmt: skip
    mixture = coterie.Mixture(at="text.mlp", router=UpperHalf())
    model = coterie.graft(LlamaForCausalLM(config), mixture)
    with coterie.observe(model) as tape, torch.no_grad():
        model(input_ids=torch.arange(8)[None])
    for layer, routing in tape.items():
        print(f"{layer}: {(routing.weights > 0).float().mean():.0%} of the experts in use")


if __name__ == "__main__":
    main()
