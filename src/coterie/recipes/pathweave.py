"""PathWeave: new modalities or tasks beside frozen old ones (Yu et al. 2024, arXiv:2410.20178).

Run:     run = coterie.add_tasks("runs/old", tasks="new.yaml", out="runs/grown")
         which takes it by default; `coterie.train` with it trains the first step
Expect:  benchmarks/results/grow-cpu.json.
Departs: see the recipe's `departures`.
"""

from coterie.experts.bridge import Bridge
from coterie.mixture import Mixture
from coterie.recipe import Recipe
from coterie.routing.gates.task import TaskGate
from coterie.routing.routers.softmax import Softmax
from coterie.stage import Stage


def pathweave(
    *,
    rank: int = 8,
    alpha: float = 8.0,
    gated: bool = True,
    per_token: bool = True,
    noisy: bool = True,
    at: tuple[str, ...] = ("text.attn", "text.mlp"),
    learning_rate: float = 1e-4,
    epochs: float = 1.0,
) -> Recipe:
    """Train one LoRA, a bridge into each frozen older one, and a gate over all of them.

    Without the gate a chain of five tasks learned 9 points more, see docs/guides/forgetting.md.

    Args:
        rank: of the new LoRA, 8 in the paper.
        alpha: the scale is alpha / rank.
        gated: whether a gate weighs the experts, as in the paper. If not, they are summed, a new
            LoRA learns at its full scale however many older experts there are, and
            `coterie.extract` extracts each task exactly.
        per_token: whether the gate reads each token, as in the paper. If not, a task has one row
            of weights a layer, and `coterie.extract` extracts it exactly.
        noisy: add the released code's noise to the tokens' logits in training.
        at: roles or patterns, a mixture for each; `coterie.add_tasks` takes those of the old run.
        learning_rate, epochs: the peak, and passes over the data.
    """
    bridge = Bridge(ranks=(rank,), alpha=alpha)
    gate = TaskGate(per_token=per_token, noisy=noisy and per_token) if gated else None
    mixtures = tuple(Mixture(at=each, experts=bridge, gate=gate, router=Softmax()) for each in at)
    # Of the paper's 1e-5, reached after 1000 of 15,000 to 65,000 steps, little is learned in fewer.
    stage = Stage(
        name="grow", learning_rate=learning_rate, epochs=epochs, warmup=0.03, weight_decay=0.05
    )
    return Recipe(
        name="pathweave",
        mixtures=mixtures,
        stages=(stage,),
        paper="Yu et al. 2024, arXiv:2410.20178",
        notes="Give it to coterie.add_tasks, which adds its mixtures to those of an older run.",
        departures=(
            "Experts are in the language model; the paper's are in the Q-Former before it, and in "
            "the projection behind that, where they have no gate.",
            "A bridge starts as the identity, and the sum of the experts as the older ones'; the "
            "released code's starts at random, at equal weights that add up to 1.",
            "LoRAs have neither biases nor a learned scale, and each task has a gate; the paper's "
            "has one a modality.",
            "The peak learning rate is 1e-4; the code's is 1e-5, over far more steps.",
        ),
    )
