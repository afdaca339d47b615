"""How many of a run's steps each stage gets."""

import math
from collections.abc import Sequence


def split_steps(total: int, wanted: Sequence[float]) -> list[int]:
    """Split `total` steps in the proportion of `wanted`, each at least 1, exact in sum."""
    shares = [total * each / sum(wanted) for each in wanted]
    steps = [max(1, math.floor(share)) for share in shares]
    by_rest = sorted(range(len(wanted)), key=lambda i: steps[i] - shares[i])
    for i in by_rest[: max(0, total - sum(steps))]:
        steps[i] += 1
    while sum(steps) > total:  # if a share below 1 was raised to 1
        steps[steps.index(max(steps))] -= 1
    return steps


def extend_last(total: int, wanted: list[int]) -> list[int]:
    """Give the last stage what `total` steps have more than `wanted`. ValueError if it is less."""
    more = total - sum(wanted)
    if more < 0:
        raise ValueError(
            f"steps={total}: the run was started with {sum(wanted)} steps, and can be resumed with "
            "as many or more"
        )
    return [*wanted[:-1], wanted[-1] + more]
