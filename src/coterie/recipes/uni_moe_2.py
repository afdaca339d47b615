"""Uni-MoE 2: top-p, null and shared experts (Li et al. 2025, arXiv:2511.12609; DCMoE).

Run:     model = coterie.graft(base, coterie.recipes.uni_moe_2().mixtures)
Expect:  no number is published here yet. The paper, 26 B from Qwen2.5-7B: MMBench-EN 80.50,
         Video-MME 66.4, ClothoAQA 61.83.
Departs: see the recipe's `departures`; experts start from one MLP, not from several models.
"""

from coterie.experts.copies import Copies
from coterie.experts.null import Null
from coterie.losses.top_p_balance import TopPBalance
from coterie.mixture import Mixture
from coterie.recipe import Recipe, Stage
from coterie.routing.gates.token import TokenGate
from coterie.routing.routers.top_p import TopP


def uni_moe_2(
    *,
    experts: int = 4,
    divisor: int = 1,
    null: int = 1,
    shared: tuple[int, int] = (2, 8),
    p: float = 0.7,
    balance: float = 0.025,
    epochs: float = 1.0,
    released: bool = False,
) -> Recipe:
    """Route every token to as many MLP experts as reach a probability of `p`, beside shared ones.

    Args:
        experts, divisor: the number of routed experts, and how often their width goes into that
            of the host's MLP: 4 and 1 in the paper, 4 and 4 in the DCMoE preview.
        null: the number of null experts, which a token may choose instead of computing.
        shared: the number and the divisor of the shared experts, which all tokens use.
        p: the probability that a token's experts reach, in (0, 1].
        balance: weight of the load balance loss, in which an answer's token counts 10 times; 0
            for none.
        epochs: passes over the data.
        released: True for the gradient of the released code (SparseMixer-v2), False for that of
            the paper's appendix A.4, for which experts run twice in training.
    """
    mixture = Mixture(
        at="text.mlp",
        experts=(Copies(count=experts, divisor=divisor), Null(count=null)),
        gate=TokenGate(jitter=0.01),
        router=TopP(p=p, weights="sparse_mixer", gradient="released" if released else "paper"),
        shared=Copies(count=shared[0], divisor=shared[1]),
        blend="softmax",
    )
    return Recipe(
        name="uni_moe_2",
        mixtures=(mixture,),
        losses=(TopPBalance(weight=balance),) if balance else (),
        stages=(
            Stage(name="mixed", trains=("adapter", "connector"), learning_rate=1e-5, epochs=epochs),
        ),
        paper="Li et al. 2025, arXiv:2511.12609",
        departures=(
            "All experts start as the one host's MLP or shares of it; the paper's start as the "
            "MLPs of four separately trained models, after a stage of their own.",
            "One supervised stage; no annealing, no reinforcement learning, no generation of "
            "pictures and speech.",
            "No limit on the tokens of an expert; the released code can drop tokens.",
            "The paper's A.4 does not say how weights are normalised: here as in the code.",
            "An answer's weight in the balance loss counts from the first answer token on, later "
            "questions of a conversation included.",
        ),
    )
