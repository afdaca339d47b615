import torch

from coterie.routing.sparse_mixer import choose_one_by_one


def test_the_largest_first_and_shares_of_near_ties() -> None:
    # 1 and .99 are within 2 %: 1 has 1 / (1 + e^-.01) = .5025; then .99 is alone. -1 is not taken.
    logits = torch.tensor([[-1.0, 1.0, 0.99]])
    choice = choose_one_by_one(logits, torch.tensor([2]), None)
    torch.testing.assert_close(choice.shares, torch.tensor([[0, 0.5025, 1]]), atol=1e-6, rtol=0)
    assert choice.is_largest.tolist() == [[False, True, True]]


def test_a_number_selects_the_interval_and_leaves_its_position() -> None:
    # Three equal logits: thirds. .5 is in the second, half way: (.5 - 1/3) * 3. Of the other two,
    # .25 is in the first half, half way, and the first is the largest of equals.
    logits = torch.zeros(1, 3)
    choice = choose_one_by_one(logits, torch.tensor([2]), torch.tensor([[0.5, 0.25, 0.9]]))
    torch.testing.assert_close(choice.shares, torch.tensor([[0.5, 1 / 3, 0]]))
    assert choice.is_largest.tolist() == [[True, False, False]]
    torch.testing.assert_close(choice.rest, torch.tensor([[0.5, 0.5, 0]]))


def test_shares_are_how_often_an_expert_is_drawn() -> None:
    # log 3 and 0 are too far apart unless both are large: 100 + log 3 and 100 give 3/4 and 1/4.
    logits = torch.tensor([100 + 1.0986123, 100.0]).expand(4000, 2)
    uniform = (torch.arange(4000) / 4000)[:, None].expand(4000, 2)
    choice = choose_one_by_one(logits, torch.ones(4000, dtype=torch.long), uniform)
    drawn = (choice.shares > 0).float().mean(0)
    torch.testing.assert_close(drawn, torch.tensor([0.75, 0.25]), atol=1e-3, rtol=0)


def test_one_below_1_draws_no_expert_without_probability() -> None:
    logits = torch.tensor([[5.0, 5.0, -5.0]])
    edge = torch.full((1, 3), 1 - 2**-24)
    choice = choose_one_by_one(logits, torch.tensor([1]), edge)
    assert choice.shares[0].tolist() == [0, 0.5, 0]
