"""Soft mixture of LoRA experts: all experts are active, weighted by a softmax of token logits.

A baseline of gates that read tokens, not a published system. LoRA: Hu et al. 2021,
arXiv:2106.09685. It is not MoLE (Wu et al. 2024, arXiv:2404.13628), which composes LoRAs that were
trained before and remain frozen, reads the experts' outputs in its gate, and balances the gates:
here new experts and gates are trained together, a gate reads the layer's input, and there is no
routing loss.

Run:     model = coterie.graft(base, coterie.recipes.soft_lora().mixtures)
Expect:  in README.md, next to the systems of which it is a baseline.
"""

from coterie.experts.lora import Lora
from coterie.mixture import Mixture
from coterie.recipe import Recipe
from coterie.routing.gates.token import TokenGate
from coterie.routing.routers.softmax import Softmax
from coterie.stage import Stage


def soft_lora(
    *,
    experts: int = 4,
    rank: int = 8,
    alpha: float = 16.0,
    dropout: float = 0.0,
    temperature: float = 1.0,
    at: tuple[str, ...] = ("text.attn", "text.mlp"),
    learning_rate: float = 1e-4,
    epochs: float = 1.0,
) -> Recipe:
    """Mix all LoRA experts for every token, weighted by their probabilities.

    Args:
        experts: their number.
        rank, alpha: of each expert; the scale is alpha / rank.
        temperature: of the softmax; small values make the mixture harder.
        dropout, at, learning_rate, epochs: as in `shared_lora`.
    """
    lora = Lora(ranks=(rank,) * experts, alpha=alpha, dropout=dropout)
    gate, router = TokenGate(), Softmax(temperature=temperature)
    return Recipe(
        name="soft_lora",
        mixtures=tuple(Mixture(at=each, experts=lora, gate=gate, router=router) for each in at),
        stages=(Stage(name="joint", learning_rate=learning_rate, epochs=epochs, warmup=0.03),),
        paper="Hu et al. 2021, arXiv:2106.09685 (LoRA)",
        notes="A baseline, not a published system; none of the three parts of MoLE is in it.",
    )
