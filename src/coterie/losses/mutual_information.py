"""The mutual information between tasks and experts, which Mod-Squad maximises."""

from dataclasses import dataclass

from coterie.losses.base import Loss, RoutingLoss, count_units, sum_units
from coterie.routing.decision import Routing
from coterie.routing.mutual_information import compute_mutual_information


@dataclass(frozen=True, kw_only=True)
class MutualInformation(RoutingLoss):
    """-I(T; E): low if each task uses experts of its own, and all experts are used.

    arXiv:2212.08066: I(T; E) = sum_te P(t,e) log P(t,e) - sum_t P(t) log P(t)
    - sum_e P(e) log P(e), where P(t,e) is the share of the probability mass that task t gives to
    expert e. With tasks of equal mass, 0 <= I <= min(log tasks, log experts).

    Attributes:
        weight: 0.001 in the paper; the released code trains with 0.005.
        epsilon: 0 for the paper's formula. Above 0 for the formula of the released code, which
            adds epsilon (1e-4 there) to divisors, marginals and the logarithm, and divides by the
            number of units instead of the mass. The released code also adds it once to the
            probabilities: here the router does that, `TopK(epsilon=1e-4)`, and this loss does not
            add it again. It biases the value slightly.
    """

    weight: float = 0.001
    epsilon: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.epsilon < 1:
            raise ValueError(
                f"MutualInformation(epsilon={self.epsilon}): give 0 for the paper's formula or a "
                "small number (1e-4) for that of the released code"
            )

    def compute(self, routing: Routing) -> Loss:
        mass = sum_units(routing.probs, routing, "MutualInformation", by_task=True)
        if self.epsilon:
            joint = mass / (count_units(routing) + self.epsilon)
            by_task = joint.sum(1, keepdim=True) + self.epsilon
            by_expert = joint.sum(0, keepdim=True) + self.epsilon
            return -(joint * (joint / by_task / by_expert + self.epsilon).log()).sum()
        return -compute_mutual_information(mass)
