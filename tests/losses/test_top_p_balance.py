import pytest
import torch

from coterie.losses import TopPBalance
from coterie.routing.decision import Routing


def routing(answer=None) -> Routing:
    """Two units: the first chose experts 0 and 1, with logits of log 3 and 0; the second, 2."""
    logits = torch.tensor([[1.0986123, 0, -9], [5, 5, 0]])
    weights = torch.tensor([[0.5, 0.5, 0], [0, 0, 1]])
    return Routing(weights=weights, probs=logits.softmax(-1), logits=logits, answer=answer)


def test_value_by_hand() -> None:
    # f = 1/2 each; p = (3/4, 1/4, 0) / 2 + (0, 0, 1) / 2: 3 * 1/2 * (3/8 + 1/8 + 1/2) = 1.5.
    torch.testing.assert_close(TopPBalance().compute(routing()), torch.tensor(1.5))


def test_answers_count_ten_times() -> None:
    # Units count 1 and 10 of 11: f = (1, 1, 10) / 11, p = (3/4, 1/4, 10) / 11.
    # 3 * (3/4 + 1/4 + 100) / 121 = 303 / 121.
    value = TopPBalance().compute(routing(torch.tensor([False, True])))
    torch.testing.assert_close(value, torch.tensor(303 / 121))


def test_equal_use_of_k_experts_gives_k() -> None:
    # 2 of 4 experts a unit, each by half of the units: 4 * 4 * (1/2 * 1/4) = 2.
    weights = torch.tensor([[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]])
    logits = torch.zeros(2, 4)
    value = TopPBalance().compute(Routing(weights=weights, probs=logits, logits=logits))
    torch.testing.assert_close(value, torch.tensor(2.0))


def test_answer_weight_is_checked() -> None:
    with pytest.raises(ValueError, match=r"answer_weight=-1.*at least 0"):
        TopPBalance(answer_weight=-1.0)
