"""Uni-MoE 2.5: top-k with weights that sum to 1 and a shared expert (code only; no arXiv: paper).

Run:     model = coterie.graft(base, coterie.recipes.uni_moe_2_5(experts=8).mixtures)
Expect:  no number is published here yet, and none by its authors: inference code alone is out.
Departs: see the recipe's `departures`; training is not published.
"""

from coterie.experts.copies import Copies
from coterie.losses.load_balance import LoadBalance
from coterie.mixture import Mixture
from coterie.recipe import Recipe, Stage
from coterie.routing.gates.token import TokenGate
from coterie.routing.routers.top_k import TopK


def uni_moe_2_5(
    *,
    experts: int = 60,
    k: int = 4,
    divisor: int = 4,
    shared_divisor: int = 2,
    balance: float = 0.001,
    epochs: float = 1.0,
) -> Recipe:
    """Route every token to the top k of MLP experts, and add one shared MLP.

    Args:
        experts, k: the number of routed experts, and of those that a token uses: the defaults of
            the released configuration.
        divisor: how often a routed expert's width goes into that of the host's MLP.
        shared_divisor: likewise of the shared expert. The released code has one of the width of
            two routed experts, `divisor` / 2.
        balance: weight of the load balance loss; 0 for none.
        epochs: passes over the data.
    """
    mixture = Mixture(
        at="text.mlp",
        experts=Copies(count=experts, divisor=divisor),
        gate=TokenGate(precise=True, init_std=0.0),
        router=TopK(k=k, normalize="selected"),
        shared=Copies(count=1, divisor=shared_divisor, init="zero"),
        blend="add",
    )
    return Recipe(
        name="uni_moe_2_5",
        mixtures=(mixture,),
        losses=(LoadBalance(weight=balance),) if balance else (),
        stages=(
            Stage(name="mixed", trains=("adapter", "connector"), learning_rate=1e-5, epochs=epochs),
        ),
        paper="HITsz-TMG 2026, code of Uni-MoE-2d5; its predecessor is arXiv:2511.12609",
        departures=(
            "The experts start as shares of the host's MLP and the shared expert's output as 0; "
            "the released model's origin is not known.",
            "The learning rate is that of the DCMoE preview.",
            "The host's attention stays as it is; the released model's has an output gate.",
        ),
    )
