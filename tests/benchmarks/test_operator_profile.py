"""The count of operators, of a function worked by hand."""

import torch

from benchmarks.operator_profile import profile_step
from benchmarks.timing import Candidate


def test_operators_of_forward_and_backward_are_counted_without_views() -> None:
    x = torch.ones(2, 3, requires_grad=True)
    candidate = Candidate(forward=lambda: (x.t() * 2).sum(), wanted=(x,))
    found = profile_step(candidate.step, torch.device("cpu"))
    # mul and sum; ones for the loss's gradient and mul. t and expand are views.
    assert (found.operators, found.launches, found.largest) == (4, 0, [])
    assert found.get_facts() == {"operators": 4}
