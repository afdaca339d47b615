"""DCMoE's block written from its description: a loop over tokens, with nothing of coterie."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

FULL = {"released": 0.25, "paper": 0.625}
THIRD = {"released": 0.3333, "paper": 1 / 3}
Expert = Sequence[Tensor]
"""The weights of the gate, up and down projections."""


class PlainBlock:
    """The block for one token after another; leaves are all weights, for their gradients.

    `uniform` are the numbers, one a token and choice, that sample experts; None in evaluation.
    """

    def __init__(
        self, experts: Sequence[Expert], shared: Sequence[Expert], gate: Tensor, *,
        form: str = "released", uniform: Tensor | None = None,
    ) -> None:  # fmt: skip
        self.experts, self.shared = (
            [[leaf(weight) for weight in expert] for expert in group] for group in (experts, shared)
        )
        self.gate, self.form, self.uniform = leaf(gate), form, uniform
        self.choices = len(gate) - len(shared)

    def run(self, x: Tensor) -> Tensor:
        return torch.stack([self.run_token(token, number) for number, token in enumerate(x)])

    def run_token(self, x: Tensor, number: int) -> Tensor:
        logits = self.gate @ x
        routed = logits[: self.choices]
        weights, full = self.choose(routed, self.needed(routed), number)
        total = sum(weights.values()) + 1e-6
        group = torch.cat([routed[sorted(weights)], logits[self.choices :]]).softmax(0)
        mass, always = group[: len(weights)].sum(), group[len(weights) :]
        y = sum((w * mlp(x, e) for w, e in zip(always, self.shared, strict=True)), 0 * x)
        for expert, weight in weights.items():
            if expert < len(self.experts):
                o = weight / total * mass * mlp(x, self.experts[expert])
                if self.form == "paper" and self.uniform is not None:
                    o = 2 * o + (full[expert] * o - 2 * o).detach()
                y = y + o
        return y

    def needed(self, logits: Tensor) -> int:
        probs, reached, count = sorted(logits.softmax(0).tolist(), reverse=True), 0.0, 0
        while reached < 0.7:
            reached, count = reached + probs[count], count + 1
        return count

    def choose(self, logits: Tensor, count: int, number: int) -> tuple[dict, dict]:
        weights: dict[int, Tensor] = {}
        full: dict[int, float] = {}
        for place in range(count):
            left = [e for e in range(len(logits)) if e not in weights]
            best = max(left, key=lambda e: logits[e].item())
            top = logits[best].item()
            near = [
                e
                for e in left
                if top - logits[e].item() <= 0.02 * max(abs(top), abs(logits[e].item()))
            ]
            probs = dict(zip(near, logits[near].softmax(0), strict=True))
            drawn, rest = best, 0.0
            if self.uniform is not None:
                point = self.uniform[number, place].item()
                for drawn in near:  # the interval that the number falls into
                    if point < probs[drawn].item():
                        break
                    point -= probs[drawn].item()
                rest = point / probs[drawn].item()
            whole = drawn == best or rest < FULL[self.form]
            full[drawn] = 1.0 if whole else THIRD[self.form]
            weight = probs[drawn]
            if self.form == "released" and self.uniform is not None:
                # The gradient is that of the probability, the value may be a third of it.
                weight = weight + (full[drawn] * weight - weight).detach()
            weights[drawn] = weight
        return weights, full


def leaf(x: Tensor) -> Tensor:
    return x.detach().clone().requires_grad_()


def mlp(x: Tensor, weights: list[Tensor]) -> Tensor:
    gate, up, down = weights
    return down @ (F.silu(gate @ x) * (up @ x))
